"""General widgets for every panel of the window; independent of arms, tasks and learning."""
