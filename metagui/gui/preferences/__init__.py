"""Choices of the person that last: the library, colours, countdowns, sounds."""
