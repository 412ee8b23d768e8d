"""Running policies and replaying takes with the arm."""
