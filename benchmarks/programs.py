"""Draw the three disjoint sets of programs by seed: ``python -m benchmarks.programs`` writes resources/programs/.

The shipped prior is trained on *train*; *validation* is for every choice of settings; *test* is for reporting only.
Validation and test contain new instances of the families, and untrained compositions, object pairs, parameter ranges
and motions (``metagui.demonstrations.programs.splits``). ``--check N`` prints instead how often the scripted
demonstrator achieves the programs of each family in N random scenes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.programs.program import TaskProgram, describe_instructions, save_programs
from metagui.demonstrations.programs.scripted import demonstrate
from metagui.demonstrations.programs.splits import (
    EXTRAPOLATION_RANGES,
    EXTRAPOLATION_SUFFIX,
    SINGLE_FAMILIES,
    TRAINED_COMPOSITIONS,
    UNTRAINED_LONG_COMPOSITIONS,
    UNTRAINED_PAIR_SUFFIX,
    UNTRAINED_SHORT_COMPOSITIONS,
    has_only_trained_pairs,
    has_only_untrained_pairs,
)
from metagui.demonstrations.programs.task_distribution import (
    UNTRAINED_FAMILIES,
    ParameterRanges,
    draw_programs,
    draw_style,
)
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

TRAINING_COUNTS = {
    "reach": 80,
    "lift": 40,
    "place": 105,
    "stack": 45,
    "press": 35,
    "push": 115,
    "trace": 115,
    "slide": 75,
}
"""Number of training programs of each single family; pushing and tracing are the hardest to learn."""
TRAINING_ONLY_COUNTS = {"push off": 60, "corner": 45, "upright line": 45}
"""Number of programs of each family that only the training set has."""
COMPOSITION_COUNT = 120
"""Number of training programs that are compositions."""
EXTRA_VALIDATION_FAMILIES = ("reach", "push", "trace") * 4
"""Families with additional validation programs, because they discriminate best between settings."""
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 1, 2, 3


def draw_training_set() -> tuple[TaskProgram, ...]:
    """Return 880 programs: about five sixths of single families, the rest compositions."""
    singles = _draw_counts(TRAIN_SEED, TRAINING_COUNTS) + _draw_counts(TRAIN_SEED + 500, TRAINING_ONLY_COUNTS)
    return number_programs(
        singles
        + draw_programs(TRAIN_SEED + 1000, COMPOSITION_COUNT, TRAINED_COMPOSITIONS, accepts=has_only_trained_pairs)
    )


def _draw_counts(seed: int, counts: Mapping[str, int]) -> tuple[TaskProgram, ...]:
    families = tuple(family for family, count in counts.items() for _ in range(count))
    return draw_programs(seed, len(families), families, accepts=has_only_trained_pairs)


def draw_held_out_set(
    seed: int, programs_per_family: int, extra_families: tuple[str, ...] = ()
) -> tuple[TaskProgram, ...]:
    """Return programs of every family, composition, new range and new pair, and extra ones."""
    families = (
        SINGLE_FAMILIES
        + TRAINED_COMPOSITIONS
        + UNTRAINED_SHORT_COMPOSITIONS
        + UNTRAINED_LONG_COMPOSITIONS
        + tuple(UNTRAINED_FAMILIES)
    ) * programs_per_family + extra_families
    drawn = draw_programs(seed, len(families), families, accepts=has_only_trained_pairs)
    extrapolation = _draw_with_suffix(
        seed + 2000, programs_per_family, ("reach", "place", "trace"), EXTRAPOLATION_SUFFIX, EXTRAPOLATION_RANGES
    )
    return number_programs(
        drawn
        + extrapolation
        + _draw_with_suffix(seed + 3000, programs_per_family, ("place", "push"), UNTRAINED_PAIR_SUFFIX)
    )


def _draw_with_suffix(
    seed: int, programs_per_family: int, families: tuple[str, ...], suffix: str, ranges: ParameterRanges | None = None
) -> tuple[TaskProgram, ...]:
    accepts = has_only_trained_pairs if ranges else has_only_untrained_pairs
    drawn = draw_programs(seed, programs_per_family * len(families), families, ranges, accepts)
    return tuple(replace(program, family=program.family + suffix) for program in drawn)


def number_programs(programs: tuple[TaskProgram, ...]) -> tuple[TaskProgram, ...]:
    """Return the programs with numbered, unique names."""
    return tuple(replace(p, name=f"{describe_instructions(p.instructions)} #{i + 1}") for i, p in enumerate(programs))


def print_feasibility(programs: tuple[TaskProgram, ...], scenes: int) -> None:
    """Print the scripted demonstrator's success rate per family in random scenes."""
    rng, results = np.random.default_rng(0), defaultdict[str, list[bool]](list)
    for program in programs:
        for scene in rng.integers(2**31, size=scenes):
            take = demonstrate(program, int(scene), draw_style(rng), program.setup, "check", reject_ambiguous=False)
            results[program.family].append(take is not None)
    for family, achieved in results.items():
        print(f"{family:32} {np.mean(achieved):6.1%} of {len(achieved)}", flush=True)


def main() -> None:
    """Write the three files, or print the feasibility of the test set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", type=int, default=0, metavar="N", help="number of scenes per program of the test set"
    )
    parser.add_argument("--families", nargs="*", help="families to check")
    options = parser.parse_args()
    sets = {
        "train": draw_training_set(),
        "validation": draw_held_out_set(VALIDATION_SEED, 2, EXTRA_VALIDATION_FAMILIES),
        "test": draw_held_out_set(TEST_SEED, 10),
    }
    if options.check:
        wanted = options.families
        print_feasibility(tuple(p for p in sets["test"] if not wanted or p.family in wanted), options.check)
        return
    for name, programs in sets.items():
        save_programs(resources_dir() / "programs" / f"{name}.json", programs)
        print(f"{name}: {len(programs)} programs")


if __name__ == "__main__":
    main()
