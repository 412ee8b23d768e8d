"""Curating a library: changes that can be undone, search, and checks with repair."""
