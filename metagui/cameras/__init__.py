"""Cameras: a webcam sees the printed mat and the tags on objects, and so tells where the objects are."""
