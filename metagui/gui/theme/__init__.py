"""Colours, icons and the style sheet, light and dark."""
