"""Draw the three disjoint sets of programs by seed: ``python -m benchmarks.programs`` rewrites resources/programs/.

*train* is what the shipped prior learns from, *validation* is for every choice, *test* is touched only to report.
Test holds new instances of every family, compositions never trained, and offsets outside the trained range.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from metagui.demonstrations.families import FAMILIES, Ranges, draw_program, draw_programs
from metagui.demonstrations.programs import ClickProgram, save_programs
from metagui.paths import resources_dir

SINGLES = tuple(FAMILIES)
TRAINED = ("press+trace", "place+reach", "push+press", "stack+trace", "lift+reach", "reach+push", "trace+lift")
NEVER_TRAINED = ("press+push", "place+trace", "lift+trace", "push+reach", "stack+press")
LONGER = ("press+place+trace", "push+place+reach")
OUTSIDE = Ranges(reach=0.055, spread=0.022, beside=(0.055, 0.065), radius=(0.040, 0.048))
TRAIN_COUNT, TRAIN_SEED = 700, 1
VALIDATION_SEED, TEST_SEED = 2, 3


def train() -> tuple[ClickProgram, ...]:
    """Singles for four fifths, compositions for the rest."""
    compositions = TRAIN_COUNT // 5
    singles = draw_programs(TRAIN_SEED, TRAIN_COUNT - compositions, SINGLES)
    return singles + _named(draw_programs(TRAIN_SEED + 1000, compositions, TRAINED), len(singles))


def held_out(seed: int, each: int) -> tuple[ClickProgram, ...]:
    """``each`` new instances of every family and composition, and as many outside the trained ranges."""
    families = SINGLES + TRAINED + NEVER_TRAINED + LONGER
    drawn = draw_programs(seed, each * len(families), families)
    outside = []
    rng = np.random.default_rng(seed + 2000)
    for index in range(3 * each):
        family = ("reach", "place", "trace")[index % 3]
        program = draw_program(rng, family, "", OUTSIDE)
        outside.append(replace(program, name=f"{family} outside", family=f"{family} outside"))
    return drawn + _named(tuple(outside), len(drawn))


def _named(programs: tuple[ClickProgram, ...], first: int) -> tuple[ClickProgram, ...]:
    """Number names on, so that no two are the same."""
    return tuple(replace(p, name=f"{p.name.split(' #')[0]} #{first + i + 1}") for i, p in enumerate(programs))


def main() -> None:
    """Write the three files."""
    folder = resources_dir() / "programs"
    for name, programs in (
        ("train", train()),
        ("validation", held_out(VALIDATION_SEED, 3)),
        ("test", held_out(TEST_SEED, 10)),
    ):
        save_programs(folder / f"{name}.json", programs)
        print(f"{name}: {len(programs)} programs")


if __name__ == "__main__":
    main()
