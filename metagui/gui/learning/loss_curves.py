"""Loss curves and rehearsed successes of an adaptation, by candidate, for the loss panel. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import TypeIs

    from metagui.arms.arm import FloatArray
    from metagui.learning.adaptation.adaptation import AdaptationStep
    from metagui.learning.adaptation.rehearsal_score import Rehearsal
    from metagui.learning.rehearsal.rehearsal import RehearsalStep

SMOOTHING_MIN_POINTS = 12
"""A curve with more points than this is smoothed, and its raw points are drawn faint."""
SHORT_PATH_STEPS = 5
"""A candidate with at most this number of steps counts with its last loss; MAML's inner loop has five."""


ADAPTATION_FRACTION = 0.25
"""Fraction of the whole work that adaptation takes; the rest is the rehearsal."""


def compute_fraction_done(step: AdaptationStep | RehearsalStep) -> float:
    """Return the fraction of adaptation and rehearsal that is done, from 0 to 1."""
    if is_rehearsal(step):
        return ADAPTATION_FRACTION + (1.0 - ADAPTATION_FRACTION) * step.scene / max(step.scenes, 1)
    return ADAPTATION_FRACTION * _compute_fraction_adapted(step)


def is_rehearsal(step: AdaptationStep | RehearsalStep) -> TypeIs[RehearsalStep]:
    """Return whether a progress record is of the rehearsal."""
    return hasattr(step, "scenes")


def _compute_fraction_adapted(step: AdaptationStep) -> float:
    """Return the fraction of an adaptation that is done, from 0 to 1.

    For each segment the adapted candidates come first, then the baselines. A candidate may end before its last step;
    the next one starts at the fraction that it would have reached.
    """
    from metagui.learning.adaptation.selection import Candidate

    stages: dict[str, tuple[float, float]] = {
        Candidate.ZERO_STEP: (0.0, 0.0),
        Candidate.FIVE_STEP: (0.0, 0.2),
        Candidate.FINE_TUNE: (0.5, 0.5),
        Candidate.FROM_SCRATCH: (0.5, 0.5),
    }
    start, length = stages.get(step.candidate, (0.2, 0.3))
    return (step.segment_index + start + length * step.step / max(step.steps, 1)) / max(step.segment_count, 1)


@dataclass
class LossCurve:
    """Losses of one candidate on one segment, by step."""

    steps: list[int] = field(default_factory=list)
    support: list[float] = field(default_factory=list)
    query: list[float] = field(default_factory=list)

    def append(self, step: AdaptationStep) -> None:
        """Append the losses of one step."""
        self.steps.append(step.step)
        self.support.append(step.support_loss)
        self.query.append(step.query_loss)

    @property
    def best_loss(self) -> float:
        """Lowest finite held-out loss; NaN if there is none."""
        finite = [q for q in self.query if np.isfinite(q)]
        return min(finite) if finite else float("nan")

    @property
    def final_loss(self) -> float:
        """Loss that a candidate is judged by: the lowest of a long curve, the last of a short one."""
        if self.steps and self.steps[-1] > SHORT_PATH_STEPS:
            return self.best_loss
        return self.query[-1] if self.query else float("nan")


@dataclass
class LossCurves:
    """All curves of one adaptation, by segment and candidate."""

    by_segment: dict[int, dict[str, LossCurve]] = field(default_factory=dict)
    zero_step_losses: dict[int, float] = field(default_factory=dict)
    segment_count: int = 0
    newest_segment: int = 0
    rehearsed: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Numbers of successes and runs of every rehearsed candidate."""

    def extend(self, steps: Iterable[AdaptationStep | RehearsalStep]) -> None:
        """Append a batch of steps."""
        for step in steps:
            if is_rehearsal(step):
                self.rehearsed[step.candidate] = (step.successes, step.runs)
                continue
            self.segment_count = max(self.segment_count, step.segment_count)
            self.newest_segment = step.segment_index
            if np.isfinite(step.zero_step_loss):
                self.zero_step_losses[step.segment_index] = step.zero_step_loss
            self.by_segment.setdefault(step.segment_index, {}).setdefault(step.candidate, LossCurve()).append(step)

    @classmethod
    def from_provenance(
        cls, stored: Sequence[dict[str, list[list[float]]]], rehearsal: Rehearsal | None = None
    ) -> LossCurves:
        """Return the curves and the rehearsal stored with a task policy.

        ``stored`` has rows of [step, support loss, query loss] by candidate, for each segment.
        """
        out = cls(segment_count=len(stored))
        if rehearsal is not None:
            out.rehearsed = {name: (score.successes, score.runs) for name, score in rehearsal.scores.items()}
        for segment, candidates in enumerate(stored):
            for name, rows in candidates.items():
                columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
                steps = [int(step) for step in columns[0]]
                out.by_segment.setdefault(segment, {})[name] = LossCurve(steps, columns[1], columns[2])
            zero = candidates.get("zero-step")
            if zero:
                out.zero_step_losses[segment] = zero[0][2]
        return out

    def curves_of(self, segment: int) -> dict[str, LossCurve]:
        """Return the curves of one segment, by candidate."""
        return self.by_segment.get(segment, {})


def smooth(values: list[float], weight: float = 0.8, min_points: int = SMOOTHING_MIN_POINTS) -> FloatArray:
    """Return the exponential moving average of a long curve, in the logarithm; a short one unchanged."""
    out = np.array(values, dtype=np.float64)
    if len(out) < min_points:
        return out
    logs = np.log(np.maximum(out, 1e-12))
    for i in range(1, len(logs)):
        if np.isfinite(logs[i - 1]) and np.isfinite(logs[i]):
            logs[i] = weight * logs[i - 1] + (1 - weight) * logs[i]
    return np.exp(logs)
