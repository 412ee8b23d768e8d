"""Calibration wizard for a real arm: move every joint by hand, check, write to the servos."""
