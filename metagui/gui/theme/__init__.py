"""Appearance of the window: colours, icons and the style sheet, light and dark."""
