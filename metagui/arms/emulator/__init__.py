"""An emulated SO-101: servos that answer the byte protocol on a pseudo-terminal."""
