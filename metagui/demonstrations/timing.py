"""How well a take kept its rate: the summary that is shown the moment it ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

RATE_TOLERANCE = 0.01
"""A take whose rate is off by more than this fraction is marked."""
MAX_SAMPLE_GAP_PERIODS = 1.5
"""Samples farther apart than this many periods have a gap between them."""

COMMAND_TOLERANCE_RAD = 1e-3
"""Differences below this, rad, are a servo's own rounding, not the gate's doing."""


@dataclass(frozen=True)
class TimingSummary:
    """The timing of one take in eight numbers."""

    rate_requested: float
    """Hz."""
    rate_reached: float
    """Hz."""
    lateness_median: float
    """s."""
    lateness_p99: float
    """s."""
    missed: int
    """Deadlines that passed without a sample."""
    gaps: int
    """Places where neighbouring samples lie more than 1.5 periods apart."""
    retries: int
    """How often the bus had to be asked again."""
    clamps: int
    """Samples in which the safety gate changed what was asked of the arm.

    The gripper, which is always asked for more than it can do in a tick, is not counted."""

    @property
    def is_rate_missed(self) -> bool:
        """Whether the rate was missed by more than 1 %."""
        return abs(self.rate_reached - self.rate_requested) > RATE_TOLERANCE * self.rate_requested

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as takes store them."""
        values = asdict(self)
        return {"rate_asked": values.pop("rate_requested"), **values}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TimingSummary:
        """Undo ``to_dict``. Raises KeyError, TypeError."""
        values = dict(values)
        return cls(rate_requested=values.pop("rate_asked"), **values)

    def __str__(self) -> str:
        """Say it in words, the unremarkable left out."""
        words = [f"{self.rate_reached:.1f} of {self.rate_requested:.0f} Hz", f"{self.missed} missed"]
        words.append(f"late by {self.lateness_median * 1e3:.1f} ms, p99 {self.lateness_p99 * 1e3:.1f} ms")
        for count, name in (
            (self.gaps, "gaps"),
            (self.retries, "bus retries"),
            (self.clamps, "samples slowed for safety"),
        ):
            if count:
                words.append(f"{count} {name}")
        if self.is_rate_missed:
            words.append("rate missed by more than 1 %")
        return ", ".join(words)


def summarise_timing(demonstration: Demonstration) -> TimingSummary:
    """Return the timing of a take of at least one sample."""
    timing, time = demonstration.timing, demonstration.time
    duration = demonstration.duration
    asked = timing.rate_requested
    asked_of_arm, sent_to_arm = demonstration.command_requested[:, :-1], demonstration.command_sent[:, :-1]
    kept = np.isclose(asked_of_arm, sent_to_arm, rtol=0.0, atol=COMMAND_TOLERANCE_RAD)
    lateness = timing.lateness[np.isfinite(timing.lateness)]
    median, p99 = np.percentile(lateness, (50, 99)) if len(lateness) else (0.0, 0.0)
    return TimingSummary(
        rate_requested=asked,
        rate_reached=(len(time) - 1) / duration if duration > 0 else asked,
        lateness_median=float(median),
        lateness_p99=float(p99),
        missed=timing.missed,
        gaps=int(np.sum(np.diff(time) * asked > MAX_SAMPLE_GAP_PERIODS)),
        retries=int(np.nansum(timing.retries)),
        clamps=int(np.sum(~kept.all(axis=1))),
    )
