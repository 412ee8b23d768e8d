"""The window: one widget a file, grouped by what the user does."""
