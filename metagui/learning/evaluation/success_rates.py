"""Success rates of episodes with 95 % intervals: by family, by evaluation split, and overall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.demonstrations.programs.splits import get_evaluation_split

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL_FAMILIES = "all"
"""Name of the group of all episodes."""


@dataclass(frozen=True)
class Episode:
    """One run of a program in one scene."""

    program: str
    family: str
    """Family of tasks that the program belongs to."""
    shots: int
    """Number of takes adapted to; 0 for the scripted demonstrator."""
    candidate: str
    scene: int
    """Seed of the scene."""
    success: bool
    outcome: str
    clicks_achieved: int
    """Number of instructions achieved."""
    prior: str = ""
    """Id of the adapted prior; empty if none is needed."""


@dataclass(frozen=True)
class SuccessRate:
    """Success rate of one candidate in one group of episodes."""

    family: str
    """A family, an evaluation split (see ``splits``), or "all"."""
    shots: int
    candidate: str
    episodes: int
    """Number of episodes."""
    rate: float
    low: float
    """Lower end of the 95 % interval (Wilson); it treats episodes of one task as independent."""
    high: float
    """Upper end of the interval."""
    prior: str = ""
    """Id of one of several priors; empty for all of them."""


def summarise(episodes: Iterable[Episode]) -> tuple[SuccessRate, ...]:
    """Return success rates by family, by split and overall; for several priors pooled and each alone."""
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
    """Return Wilson's score interval of a proportion, at ``z`` standard deviations."""
    p, n = successes / trials, float(trials)
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))
