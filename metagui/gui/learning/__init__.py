"""Adaptation of tasks: controller and loss curves."""
