"""Removes the tremor of a hand from what it demonstrated, before that is repeated.

An arm that repeats a tremor of 1 to 2 mm swings at its own frequency, too, and leaves the path by 15 mm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_RATE_HZ

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray

SMOOTHING_S = 0.1
"""Standard deviation of the Gaussian window, s: 0.17 remains of 3 Hz, the slowest tremor, and 0.95 of 0.5 Hz."""
SINGLE_NEARNESS = 1.0 / (math.sqrt(2.0 * math.pi) * SMOOTHING_S * CONTROL_RATE_HZ)
"""What smoothing leaves of a single sample of 1."""


def remove_tremor(path: FloatArray, kept: BoolArray) -> FloatArray:
    """Return a path (N, ...), one row per tick, without its fast components, except about the samples ``kept`` (N,)."""
    nearness = smooth(kept.astype(np.float64)).reshape(-1, *[1] * (path.ndim - 1))
    share = np.minimum(1.0, nearness / SINGLE_NEARNESS)  # 1 at a single kept sample already, 0 at 0.3 s from it
    return np.asarray(share * path + (1.0 - share) * smooth(path))


def smooth(path: FloatArray) -> FloatArray:
    """Return a path (N, ...) without its fast components; its ends stay where they are."""
    width = SMOOTHING_S * CONTROL_RATE_HZ
    reach = min(round(3 * width), len(path) - 1)
    if reach < 1 or not path.size:
        return path
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    window /= window.sum()
    columns = path.reshape(len(path), -1)
    # Mirrored through its ends, the path keeps them.
    before, after = 2 * columns[:1] - columns[reach:0:-1], 2 * columns[-1:] - columns[-2 : -reach - 2 : -1]
    padded = np.concatenate([before, columns, after])
    return np.stack([np.convolve(column, window, mode="valid") for column in padded.T], axis=1).reshape(path.shape)
