"""LeRobot data sets of version 3.0, and reading of version 2.1, without LeRobot itself."""
