"""Checks of a demonstration: whether it is consistent, and whether its numbers are finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.health import HEALTH_TYPES
from metagui.demonstrations.storage.errors import InvalidTakeError

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration


def validate_demonstration(demonstration: Demonstration) -> None:
    """Raise InvalidTakeError if the parts of a demonstration contradict each other."""
    samples = len(demonstration)
    if not samples:
        raise InvalidTakeError("The take has no samples. Record it again.")
    _validate_shapes(demonstration)
    if not np.all(np.isfinite(demonstration.time)) or not np.all(np.diff(demonstration.time) > 0):
        raise InvalidTakeError("The take's times do not increase from sample to sample.")
    if not 0 < demonstration.timing.rate_requested < np.inf:
        raise InvalidTakeError(f"The take's rate is {demonstration.timing.rate_requested} Hz; it must be above 0.")
    for segment in demonstration.segments:
        validate_range((segment.start, segment.stop), samples, "A segment")
    if demonstration.trim is not None:
        validate_range(demonstration.trim, samples, "The trim")


def find_non_finite(demonstration: Demonstration) -> str:
    """Return quantity and sample of the first number within the trim that is not finite; empty if there is none."""
    first, last = demonstration.trim or (0, len(demonstration))
    for name in (
        "joint_positions",
        "tool_positions",
        "tool_yaws",
        "object_positions",
        "object_yaws",
        "command_requested",
    ):
        values = np.asarray(getattr(demonstration, name))[first:last].reshape(max(last - first, 0), -1)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            return f"{name}, sample {first + bad[0]}"
    return ""


def validate_range(bounds: tuple[int, int], sample_count: int, description: str) -> None:
    """Raise InvalidTakeError unless ``bounds`` is a non-empty range [start, stop) of the samples."""
    start, stop = bounds
    if not 0 <= start < stop <= sample_count:
        raise InvalidTakeError(f"{description} from {start} to {stop} is not within the take's {sample_count} samples.")


def _validate_shapes(demonstration: Demonstration) -> None:
    samples, joints, objects = len(demonstration), len(demonstration.joint_names), len(demonstration.objects)
    expected = {
        "joint_positions": (samples, joints),
        "joint_velocities": (samples, joints),
        "command_requested": (samples, joints),
        "command_sent": (samples, joints),
        "tool_positions": (samples, 3),
        "tool_yaws": (samples,),
        "object_positions": (samples, objects, 3),
        "object_yaws": (samples, objects),
        "held": (samples, objects),
        "touched": (samples, objects),
    }
    shapes = {name: np.shape(getattr(demonstration, name)) for name in expected}
    for name in ("lateness", "latency", "retries"):
        expected[name], shapes[name] = (samples,), np.shape(getattr(demonstration.timing, name))
    if demonstration.health is not None:
        for name in HEALTH_TYPES:
            expected[name], shapes[name] = (samples, joints), np.shape(getattr(demonstration.health, name))
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise InvalidTakeError(f"The take's {name} have shape {shapes[name]} where {shape} is expected.")
    if demonstration.states is not None and (demonstration.states.ndim != 2 or len(demonstration.states) != samples):
        raise InvalidTakeError(
            f"The take's states have shape {demonstration.states.shape}; one row per sample is expected."
        )
