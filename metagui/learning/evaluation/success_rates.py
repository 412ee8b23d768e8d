"""What episodes add up to: success rates with intervals, by family, by row of the table, and overall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.demonstrations.programs.splits import get_evaluation_split

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL_FAMILIES = "all"


@dataclass(frozen=True)
class Episode:
    """One run in one scene."""

    program: str
    family: str
    shots: int
    """0 for the scripted demonstrator."""
    candidate: str
    scene: int
    success: bool
    outcome: str
    clicks_achieved: int
    prior: str = ""
    """Which prior was adapted; empty for who needs none."""


@dataclass(frozen=True)
class SuccessRate:
    """Success of one candidate in one group of episodes."""

    family: str
    """A family, a row of families (see ``rows``), or "all"."""
    shots: int
    candidate: str
    episodes: int
    rate: float
    low: float
    """Lower end of the 95 % interval (Wilson), as if episodes of one task were independent."""
    high: float
    prior: str = ""
    """One of several priors; empty for all together."""


def summarise(episodes: Iterable[Episode]) -> tuple[SuccessRate, ...]:
    """Return success rates by family, by row and under "all"; of several priors together, then each alone."""
    groups: dict[tuple[str, int, str, str], list[bool]] = {}
    episodes = list(episodes)
    priors = sorted({e.prior for e in episodes} - {""})
    for e in episodes:
        for family in {e.family: 0, get_evaluation_split(e.family): 0, ALL_FAMILIES: 0}:
            for prior in {"": 0, e.prior: 0} if len(priors) > 1 else {"": 0}:
                groups.setdefault((family, e.shots, e.candidate, prior), []).append(e.success)
    return tuple(
        SuccessRate(
            family, shots, candidate, len(won), sum(won) / len(won), *wilson_interval(sum(won), len(won)), prior
        )
        for (family, shots, candidate, prior), won in groups.items()
    )


def wilson_interval(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's interval of a proportion."""
    p, n = successes / trials, float(trials)
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
