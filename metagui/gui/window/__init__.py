"""The main window: session, presenters and bars."""
