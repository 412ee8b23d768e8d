"""The 3-D view of arm and table, and placing objects in it."""
