"""Listing of a library at the cost of what changed: what files held is remembered as long as they stay the same."""
