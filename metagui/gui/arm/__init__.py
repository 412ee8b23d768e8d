"""Selecting, connecting and controlling an arm."""
