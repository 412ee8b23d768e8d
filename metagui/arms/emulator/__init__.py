"""An SO-101 in software: stateful servos that answer the byte protocol on a pseudo-terminal."""
