"""Whether a demonstration is whole, before it is stored and after it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.storage.errors import InvalidTakeError

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration


def check(demonstration: Demonstration) -> None:
    """Raise InvalidTakeError, saying what is wrong, if the parts of a demonstration do not fit together."""
    samples = len(demonstration)
    if not samples:
        raise InvalidTakeError("The take has no samples, so there is nothing to store. Record it again.")
    _check_shapes(demonstration)
    if not np.all(np.isfinite(demonstration.time)) or not np.all(np.diff(demonstration.time) > 0):
        raise InvalidTakeError("The take's times do not increase from sample to sample.")
    if not demonstration.timing.rate_asked > 0:
        raise InvalidTakeError(f"The take's rate is {demonstration.timing.rate_asked} Hz; it must be above 0.")
    for segment in demonstration.segments:
        check_range((segment.start, segment.stop), samples, "A segment")
    if demonstration.trim is not None:
        check_range(demonstration.trim, samples, "The trim")


def check_range(bounds: tuple[int, int], samples: int, what: str) -> None:
    """Raise InvalidTakeError unless ``bounds`` are a non-empty range [start, stop) of the samples."""
    start, stop = bounds
    if not 0 <= start < stop <= samples:
        raise InvalidTakeError(f"{what} from {start} to {stop} does not lie within the take's {samples} samples.")


def _check_shapes(d: Demonstration) -> None:
    samples, joints, anchors = len(d), len(d.joint_names), len(d.anchors)
    expected = {
        "joint_positions": (samples, joints),
        "joint_velocities": (samples, joints),
        "command_asked": (samples, joints),
        "command_sent": (samples, joints),
        "tool_positions": (samples, 3),
        "tool_yaws": (samples,),
        "anchor_positions": (samples, anchors, 3),
        "anchor_yaws": (samples, anchors),
        "held": (samples, anchors),
        "touched": (samples, anchors),
    }
    shapes = {name: np.shape(getattr(d, name)) for name in expected}
    for name in ("lateness", "latency", "retries"):
        expected[name], shapes[name] = (samples,), np.shape(getattr(d.timing, name))
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise InvalidTakeError(f"The take's {name} have shape {shapes[name]} where {shape} is expected.")
    if d.states is not None and (d.states.ndim != 2 or len(d.states) != samples):
        raise InvalidTakeError(f"The take's states have shape {d.states.shape}; one row a sample is expected.")
