"""Tasks and takes: model, list and undo."""
