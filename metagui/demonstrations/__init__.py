"""Demonstrations: task programs, primitives, recording and storage of takes."""
