"""The ten statistics that a LeRobot data set holds of every feature, for normalisation in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
"""Quantiles by their key."""
STATISTICS = ("min", "max", "mean", "std", "count", *QUANTILES)
"""Keys of all statistics."""
MAX_PICTURES = 100
"""Number of pictures per episode from which statistics are computed; neighbouring ones are nearly equal."""


def compute_statistics(values: NDArray[Any], count: int | None = None) -> dict[str, list[Any]]:
    """Return the statistics of samples (N, D), each a list of D; ``count`` stands for N if given."""
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    out = {name: getattr(np, name)(rows, axis=0).tolist() for name in ("min", "max", "mean", "std")}
    out["count"] = [len(rows) if count is None else count]
    levels = np.quantile(rows, list(QUANTILES.values()), axis=0)
    return out | {name: level.tolist() for name, level in zip(QUANTILES, levels, strict=True)}


def compute_picture_statistics(pictures: NDArray[np.uint8]) -> dict[str, list[Any]]:
    """Return the statistics of pictures (N, height, width, 3), each of shape (3, 1, 1), scaled to [0, 1]."""
    channels = pictures.reshape(-1, pictures.shape[-1]).astype(np.float32) / 255.0
    found = compute_statistics(channels, count=len(pictures))
    return {name: values if name == "count" else [[[v]] for v in values] for name, values in found.items()}


def select_pictures(count: int) -> set[int]:
    """Return the indices of the pictures of an episode that enter the statistics, evenly spread."""
    return set(np.linspace(0, count - 1, min(count, MAX_PICTURES)).round().astype(int).tolist())
