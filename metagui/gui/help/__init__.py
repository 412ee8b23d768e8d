"""Pages over the window that help: shortcuts, and what the program is and where its files are."""
