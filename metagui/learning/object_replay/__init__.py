"""Object-relative replay: repeats a take's motion relative to the objects; learns nothing."""
