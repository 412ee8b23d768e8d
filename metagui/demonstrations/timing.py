"""Summary of how well a take kept the control rate, shown when the take ends and in the list of takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration

RATE_TOLERANCE = 0.01
"""Maximum deviation from the requested rate before a take is marked, as a fraction."""
MAX_SAMPLE_GAP_PERIODS = 1.5
"""Maximum time between neighbouring samples, in periods; more counts as a gap."""
COMMAND_TOLERANCE_RAD = 1e-3
"""Maximum difference between requested and sent command that is put down to servo rounding, rad."""


@dataclass(frozen=True)
class TimingSummary:
    """Timing of one take in eight numbers."""

    rate_requested: float
    """Hz."""
    rate_reached: float
    """Hz."""
    lateness_median: float
    """s."""
    lateness_p99: float
    """99th percentile, s."""
    missed: int
    """Number of deadlines that passed without a sample."""
    gaps: int
    """Number of times that neighbouring samples are more than 1.5 periods apart."""
    retries: int
    """Number of repeated bus requests."""
    clamps: int
    """Number of samples in which the safety gate changed the command.

    The gripper does not count: its requests always exceed what it can do in a tick."""

    @property
    def is_rate_missed(self) -> bool:
        """Whether the rate deviates by more than 1 %."""
        return abs(self.rate_reached - self.rate_requested) > RATE_TOLERANCE * self.rate_requested

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, as takes store them."""
        values = asdict(self)
        return {"rate_asked": values.pop("rate_requested"), **values}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TimingSummary:
        """Invert ``to_dict``; keys of newer versions are ignored. Raises KeyError, TypeError, ValueError."""
        return cls(
            rate_requested=float(values["rate_asked"]),
            rate_reached=float(values["rate_reached"]),
            lateness_median=float(values["lateness_median"]),
            lateness_p99=float(values["lateness_p99"]),
            missed=int(values["missed"]),
            gaps=int(values["gaps"]),
            retries=int(values["retries"]),
            clamps=int(values["clamps"]),
        )

    def __str__(self) -> str:
        """Return a line of text that leaves out counts of zero."""
        parts = [f"{self.rate_reached:.1f} of {self.rate_requested:.0f} Hz", f"{self.missed} missed"]
        parts.append(f"late by {self.lateness_median * 1e3:.1f} ms, p99 {self.lateness_p99 * 1e3:.1f} ms")
        for count, name in (
            (self.gaps, "gaps"),
            (self.retries, "bus retries"),
            (self.clamps, "samples slowed for safety"),
        ):
            if count:
                parts.append(f"{count} {name}")
        if self.is_rate_missed:
            parts.append("rate missed by more than 1 %")
        return ", ".join(parts)


def summarise_timing(demonstration: Demonstration) -> TimingSummary:
    """Return the timing of a take with at least one sample."""
    timing, time = demonstration.timing, demonstration.time
    duration, rate = demonstration.duration, timing.rate_requested
    requested, sent = demonstration.command_requested[:, :-1], demonstration.command_sent[:, :-1]
    unchanged = np.abs(requested - sent) <= COMMAND_TOLERANCE_RAD
    lateness = timing.lateness[np.isfinite(timing.lateness)]
    median, p99 = np.percentile(lateness, (50, 99)) if len(lateness) else (0.0, 0.0)
    return TimingSummary(
        rate_requested=rate,
        rate_reached=(len(time) - 1) / duration if duration > 0 else rate,
        lateness_median=float(median),
        lateness_p99=float(p99),
        missed=timing.missed,
        gaps=int(np.sum(np.diff(time) * rate > MAX_SAMPLE_GAP_PERIODS)),
        retries=int(np.nansum(timing.retries)),
        clamps=int(np.sum(~unchanged.all(axis=1))),
    )
