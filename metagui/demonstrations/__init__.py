"""What was shown: click programs, the recorder, and tasks and takes on disk."""
