"""Tending the library in the window: moving, merging, splitting, copying, marking, tagging and deleting."""
