"""Simulated people: demonstrators with habits of their own, who share no code with the scripted one."""
