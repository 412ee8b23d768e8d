"""Shared by all parts of the window: state, messages, actions, background work."""
