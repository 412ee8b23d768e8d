"""What an adaptation has yielded so far, sorted into curves. Qt-free, so that it can be tested with bare records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.learning.adaptation.adaptation import AdaptationStep

SMOOTHING_MIN_POINTS = 12
"""A curve of more points than this is smoothed, its raw points drawn faint."""
SHORT_PATH_STEPS = 5
"""A path of no more steps is taken to its end; MAML's own five steps are."""


def compute_fraction_done(step: AdaptationStep) -> float:
    """Return how much of an adaptation is done, from 0 to 1: a click's own paths first, then its rivals'.

    Any of them may end before its last step; what comes next begins where it would have been by then.
    """
    from metagui.learning.adaptation.selection import Candidate

    stages: dict[str, tuple[float, float]] = {
        Candidate.ZERO_STEP: (0.0, 0.0),
        Candidate.FIVE_STEP: (0.0, 0.2),
        Candidate.FINE_TUNE: (0.5, 0.5),
        Candidate.FROM_SCRATCH: (0.5, 0.5),
    }
    begun, long = stages.get(step.candidate, (0.2, 0.3))
    return (step.segment_index + begun + long * step.step / max(step.steps, 1)) / max(step.segment_count, 1)


@dataclass
class LossCurve:
    """One candidate on one click: its losses by step."""

    steps: list[int] = field(default_factory=list)
    support: list[float] = field(default_factory=list)
    query: list[float] = field(default_factory=list)

    def append(self, step: AdaptationStep) -> None:
        """Append one step."""
        self.steps.append(step.step)
        self.support.append(step.support_loss)
        self.query.append(step.query_loss)

    @property
    def best_loss(self) -> float:
        """The lowest finite held-out loss; NaN where there is none."""
        finite = [q for q in self.query if np.isfinite(q)]
        return min(finite) if finite else float("nan")

    @property
    def final_loss(self) -> float:
        """What a candidate counts with: a long path where it is best, a short one where it ends."""
        if self.steps and self.steps[-1] > SHORT_PATH_STEPS:
            return self.best_loss
        return self.query[-1] if self.query else float("nan")


@dataclass
class LossCurves:
    """All curves of one adaptation, by click and candidate."""

    by_segment: dict[int, dict[str, LossCurve]] = field(default_factory=dict)
    zero_step_losses: dict[int, float] = field(default_factory=dict)
    segment_count: int = 0
    newest_segment: int = 0
    fraction_done: float = 0.0
    """Share of the work that is done, from 0 to 1."""

    def extend(self, steps: Iterable[AdaptationStep]) -> None:
        """Take in a batch."""
        for step in steps:
            self.segment_count = max(self.segment_count, step.segment_count)
            self.newest_segment = step.segment_index
            if np.isfinite(step.zero_step_loss):
                self.zero_step_losses[step.segment_index] = step.zero_step_loss
            self.by_segment.setdefault(step.segment_index, {}).setdefault(step.candidate, LossCurve()).append(step)

    @classmethod
    def from_provenance(cls, stored: Sequence[dict[str, list[list[float]]]]) -> LossCurves:
        """Return the curves that were kept with adapted policies: [step, support, query] by candidate, by click."""
        out = cls(segment_count=len(stored))
        for click, candidates in enumerate(stored):
            for name, rows in candidates.items():
                columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
                steps = [int(step) for step in columns[0]]
                out.by_segment.setdefault(click, {})[name] = LossCurve(steps, columns[1], columns[2])
            zero = candidates.get("zero-step")
            if zero:
                out.zero_step_losses[click] = zero[0][2]
        return out

    def curves_of(self, segment: int) -> dict[str, LossCurve]:
        """The curves of one click, by candidate."""
        return self.by_segment.get(segment, {})


def smooth(values: list[float], weight: float = 0.8, min_points: int = SMOOTHING_MIN_POINTS) -> FloatArray:
    """Return an exponential mean of a long curve, in logarithms as it is drawn; a short one as it is."""
    out = np.array(values, dtype=np.float64)
    if len(out) < min_points:
        return out
    logs = np.log(np.maximum(out, 1e-12))
    for i in range(1, len(logs)):
        if np.isfinite(logs[i - 1]) and np.isfinite(logs[i]):
            logs[i] = weight * logs[i - 1] + (1 - weight) * logs[i]
    return np.exp(logs)
