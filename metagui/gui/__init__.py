"""What is seen: the window, one widget a file."""
