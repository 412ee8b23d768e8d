"""Tools that every plot has: values at the pointer, Fit, and saving pictures and numbers."""
