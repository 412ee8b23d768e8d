"""Success rates of a user's own task: policies run in the same fresh scenes of the simulator, judged by the takes.

Unlike a rehearsal, no policy is dropped, and the scenes are others than those that chose the policy.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import DEFAULT_TABLE
from metagui.learning.evaluation.success_rates import wilson_interval
from metagui.learning.rehearsal.judge import infer_goals
from metagui.learning.rehearsal.rehearsal import run_rehearsed
from metagui.learning.rehearsal.scenes import draw_scenes, find_simulated_table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy

_SCENE_STREAM = 19
"""Number that separates these random scenes from those of rehearsals."""
SIGNIFICANCE = 0.05
"""Probability below which a difference of two policies counts as more than chance."""


class SuccessCheckError(Exception):
    """A policy cannot be judged by the takes."""


@dataclass(frozen=True)
class SceneRun:
    """Progress: one more run."""

    policy: str
    scene: int
    """Number of the scene, from 1."""
    scenes: int
    """Number of scenes to run."""
    failure: str
    """What was not achieved; empty if the run succeeded."""


@dataclass(frozen=True)
class SuccessCount:
    """Outcome of one policy: what each run did not achieve, in the order of the scenes; empty for a success."""

    failures: tuple[str, ...]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.failures)

    @property
    def successes(self) -> int:
        """Number of runs that achieved what the takes show."""
        return sum(not failure for failure in self.failures)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the success rate (Wilson); from 0 to 1 without runs."""
        return wilson_interval(self.successes, self.runs) if self.runs else (0.0, 1.0)

    @property
    def most_frequent_failure(self) -> str:
        """The failure that occurred most often; empty if all runs succeeded."""
        failed = [failure for failure in self.failures if failure]
        return max(failed, key=failed.count) if failed else ""

    def __str__(self) -> str:
        """Return count and 95 % interval as text, such as ``4 of 5 (38 to 96 %)``."""
        if not self.runs:
            return "no runs"
        low, high = self.interval
        return f"{self.successes} of {self.runs} ({100 * low:.0f} to {100 * high:.0f} %)"


@dataclass(frozen=True)
class PairedComparison:
    """Two policies in the same scenes."""

    only_first: int
    """Scenes in which only the first succeeded."""
    only_second: int
    """Scenes in which only the second succeeded."""

    @property
    def p_value(self) -> float:
        """Two-sided probability of such a difference by chance: exact McNemar test on the scenes that differ."""
        n, least = self.only_first + self.only_second, min(self.only_first, self.only_second)
        tail = sum(math.comb(n, k) for k in range(least + 1)) / 2.0**n
        return min(1.0, 2.0 * tail)

    @property
    def is_significant(self) -> bool:
        """True if the difference is more than chance."""
        return self.p_value < SIGNIFICANCE


def compare_paired(first: SuccessCount, second: SuccessCount) -> PairedComparison:
    """Return the comparison of two policies that ran in the same scenes; later scenes of only one are left out."""
    pairs = [(not a, not b) for a, b in zip(first.failures, second.failures, strict=False)]
    return PairedComparison(sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs))


def check_success(
    takes: Sequence[Demonstration],
    policies: Mapping[str, TaskPolicy],
    scenes: int,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[SceneRun, None, dict[str, SuccessCount]]:
    """Yield one record per run; return the outcome of every policy in the same scenes, also after an early stop.

    ``takes`` have equal segments. Raises SuccessCheckError if a policy does not fit them, FeatureError.
    """
    goals = infer_goals(takes) if takes else []
    table = find_simulated_table(takes) or DEFAULT_TABLE
    arm = SimulatedArm(table=table)
    arm.connect()
    for name, policy in policies.items():
        if not goals or policy.segment_count != len(goals):
            raise SuccessCheckError(
                f"The {name} has other segments than the takes of “{policy.task}” now, so its success cannot be "
                "judged. Nothing was changed; press Adapt, then measure again."
            )
        if policy.object_names != tuple(each.name for each in arm.objects):
            raise SuccessCheckError(
                f"The simulator does not have the objects of “{policy.task}”, so its success cannot be measured. "
                "Nothing was changed; watch its runs on the arm."
            )
    rng = np.random.default_rng([seed, _SCENE_STREAM, zlib.crc32(takes[0].task.encode())])
    drawn, failures = draw_scenes(takes, goals, rng), {name: list[str]() for name in policies}
    for number in range(1, scenes + 1):
        if should_stop():
            break
        scene = next(drawn)
        for name, policy in policies.items():
            failures[name].append(run_rehearsed(policy, goals, scene, arm))
            yield SceneRun(name, number, scenes, failures[name][-1])
    return {name: SuccessCount(tuple(each)) for name, each in failures.items()}
