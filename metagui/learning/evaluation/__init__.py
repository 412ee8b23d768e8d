"""Closed-loop success rates of candidates and baselines over many episodes."""
