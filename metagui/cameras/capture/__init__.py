"""Sources of pictures: webcams and streams, the thread that reads one, and the rendered camera."""
