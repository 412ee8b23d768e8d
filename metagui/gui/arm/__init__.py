"""Choosing, connecting and driving an arm."""
