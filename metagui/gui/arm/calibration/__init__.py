"""The calibration wizard of a real arm."""
