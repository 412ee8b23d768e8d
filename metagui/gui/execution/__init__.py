"""Running a policy: countdown and run."""
