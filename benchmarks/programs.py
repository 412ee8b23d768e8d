"""Draw the three disjoint sets of programs by seed: ``python -m benchmarks.programs`` rewrites resources/programs/.

*train* is what the shipped prior learns from, *validation* is for every choice, *test* is touched only to report.
Test and validation hold new instances of the families, compositions and pairs of objects never trained, numbers
outside the trained ranges and motions never trained (``metagui.demonstrations.programs.splits``). ``--check N`` says
instead in how many of N random scenes the scripted demonstrator achieves each family's programs.
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
"""Programs of each single family to train on; pushing and tracing are the hardest to learn."""
TRAINING_ONLY_COUNTS = {"push off": 60, "corner": 45, "upright line": 45}
"""And of each that only training has."""
COMPOSITION_COUNT = 120
EXTRA_VALIDATION_FAMILIES = ("reach", "push", "trace") * 4
"""Validated with more programs than the rest: they tell settings apart."""
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 1, 2, 3


def draw_training_set() -> tuple[TaskProgram, ...]:
    """Singles for five sixths, compositions for the rest: 880."""
    singles = _draw_counts(TRAIN_SEED, TRAINING_COUNTS) + _draw_counts(TRAIN_SEED + 500, TRAINING_ONLY_COUNTS)
    return number_programs(
        singles
        + draw_programs(TRAIN_SEED + 1000, COMPOSITION_COUNT, TRAINED_COMPOSITIONS, accepts=has_only_trained_pairs)
    )


def _draw_counts(seed: int, counts: Mapping[str, int]) -> tuple[TaskProgram, ...]:
    families = tuple(family for family, share in counts.items() for _ in range(share))
    return draw_programs(seed, len(families), families, accepts=has_only_trained_pairs)


def draw_held_out_set(
    seed: int, programs_per_family: int, extra_families: tuple[str, ...] = ()
) -> tuple[TaskProgram, ...]:
    """``each`` programs of every family and composition, trained or not, outside the ranges, of new pairs; and more."""
    plain = (
        SINGLE_FAMILIES
        + TRAINED_COMPOSITIONS
        + UNTRAINED_SHORT_COMPOSITIONS
        + UNTRAINED_LONG_COMPOSITIONS
        + tuple(UNTRAINED_FAMILIES)
    ) * programs_per_family + extra_families
    drawn = draw_programs(seed, len(plain), plain, accepts=has_only_trained_pairs)
    beyond = _draw_with_suffix(
        seed + 2000, programs_per_family, ("reach", "place", "trace"), EXTRAPOLATION_SUFFIX, EXTRAPOLATION_RANGES
    )
    return number_programs(
        drawn + beyond + _draw_with_suffix(seed + 3000, programs_per_family, ("place", "push"), UNTRAINED_PAIR_SUFFIX)
    )


def _draw_with_suffix(
    seed: int, programs_per_family: int, families: tuple[str, ...], suffix: str, ranges: ParameterRanges | None = None
) -> tuple[TaskProgram, ...]:
    suits = has_only_trained_pairs if ranges else has_only_untrained_pairs
    drawn = draw_programs(seed, programs_per_family * len(families), families, ranges, suits)
    return tuple(replace(program, family=program.family + suffix) for program in drawn)


def number_programs(programs: tuple[TaskProgram, ...]) -> tuple[TaskProgram, ...]:
    """Number the names, so that no two are the same."""
    return tuple(replace(p, name=f"{describe_instructions(p.instructions)} #{i + 1}") for i, p in enumerate(programs))


def print_feasibility(programs: tuple[TaskProgram, ...], scenes: int) -> None:
    """Print in how many random scenes the scripted demonstrator achieves each family's programs."""
    rng, won = np.random.default_rng(0), defaultdict[str, list[bool]](list)
    for program in programs:
        for scene in rng.integers(2**31, size=scenes):
            take = demonstrate(program, int(scene), draw_style(rng), program.setup, "check", reject_ambiguous=False)
            won[program.family].append(take is not None)
    for family, results in won.items():
        print(f"{family:32} {np.mean(results):6.1%} of {len(results)}", flush=True)


def main() -> None:
    """Write the three files, or check the test set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", type=int, default=0, metavar="N", help="scenes a program of the test set")
    parser.add_argument("--families", nargs="*", help="check only these")
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
