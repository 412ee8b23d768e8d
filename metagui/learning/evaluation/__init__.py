"""Closed-loop evaluation: episodes in unseen scenes, success rates, and the nearest-neighbour baseline."""
