"""Teach a robot arm a new task from a few demonstrations: record, adapt, compare, run."""

__version__ = "0.2.0"
