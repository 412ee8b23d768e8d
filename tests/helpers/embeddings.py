"""Embeddings with known tasks, for tests of what is computed from them."""

from __future__ import annotations

import numpy as np

from metagui.learning.similarity.embeddings import Embeddings

MOTIONS, OBJECTS = 8, 8


def make_embeddings(motion: int, objects: int, number: int = 0, takes: int = 3, spread: float = 0.1) -> Embeddings:
    """Return takes of a task with a motion, objects and a number, each with an orthogonal centre."""
    rng = np.random.default_rng([motion, objects, number])
    numbers = np.zeros(64)
    numbers[(motion * 4 + number) % 64] = 1.0
    return Embeddings(
        _scatter(np.eye(MOTIONS)[motion % MOTIONS], takes, spread, rng),
        _scatter(numbers, takes, spread, rng),
        _scatter(np.eye(OBJECTS)[objects % OBJECTS], takes, spread, rng),
    )


def _scatter(centre: np.ndarray, takes: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    vectors = centre + rng.normal(scale=spread / np.sqrt(len(centre)), size=(takes, len(centre)))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
