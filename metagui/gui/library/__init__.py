"""The list of tasks and takes: model, view and undo."""
