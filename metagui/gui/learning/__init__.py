"""Adapting a task: the controller and the loss curves."""
