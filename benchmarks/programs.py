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

from metagui.demonstrations.programs.program import ClickProgram, save_programs
from metagui.demonstrations.programs.scripted import demonstrate
from metagui.demonstrations.programs.splits import (
    BEYOND,
    NEW_OF_MORE,
    NEW_OF_TWO,
    NEW_PAIR,
    OUTSIDE,
    SINGLES,
    TRAINED,
    new_pairs,
    trained_pairs,
)
from metagui.demonstrations.programs.task_distribution import NEW_MOTIONS, Ranges, draw_programs, in_words, random_style
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

SHARES = {"reach": 80, "lift": 40, "place": 105, "stack": 45, "press": 35, "push": 115, "trace": 115, "slide": 75}
"""Programs of each single family to train on; pushing and tracing are the hardest to learn."""
MORE = {"push off": 60, "corner": 45, "upright line": 45}
"""And of each that only training has."""
COMPOSED = 120
CHOSEN_BY = ("reach", "push", "trace") * 4
"""Validated with more programs than the rest: they tell settings apart."""
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 1, 2, 3


def train() -> tuple[ClickProgram, ...]:
    """Singles for five sixths, compositions for the rest: 880."""
    singles = _shares(TRAIN_SEED, SHARES) + _shares(TRAIN_SEED + 500, MORE)
    return numbered(singles + draw_programs(TRAIN_SEED + 1000, COMPOSED, TRAINED, suits=trained_pairs))


def _shares(seed: int, shares: Mapping[str, int]) -> tuple[ClickProgram, ...]:
    families = tuple(family for family, share in shares.items() for _ in range(share))
    return draw_programs(seed, len(families), families, suits=trained_pairs)


def held_out(seed: int, each: int, more: tuple[str, ...] = ()) -> tuple[ClickProgram, ...]:
    """``each`` programs of every family and composition, trained or not, outside the ranges, of new pairs; and more."""
    plain = (SINGLES + TRAINED + NEW_OF_TWO + NEW_OF_MORE + tuple(NEW_MOTIONS)) * each + more
    drawn = draw_programs(seed, len(plain), plain, suits=trained_pairs)
    beyond = _marked(seed + 2000, each, ("reach", "place", "trace"), BEYOND, OUTSIDE)
    return numbered(drawn + beyond + _marked(seed + 3000, each, ("place", "push"), NEW_PAIR))


def _marked(
    seed: int, each: int, families: tuple[str, ...], mark: str, ranges: Ranges | None = None
) -> tuple[ClickProgram, ...]:
    suits = trained_pairs if ranges else new_pairs
    drawn = draw_programs(seed, each * len(families), families, ranges, suits)
    return tuple(replace(program, family=program.family + mark) for program in drawn)


def numbered(programs: tuple[ClickProgram, ...]) -> tuple[ClickProgram, ...]:
    """Number the names, so that no two are the same."""
    return tuple(replace(p, name=f"{in_words(p.clicks)} #{i + 1}") for i, p in enumerate(programs))


def check(programs: tuple[ClickProgram, ...], scenes: int) -> None:
    """Print in how many random scenes the scripted demonstrator achieves each family's programs."""
    rng, won = np.random.default_rng(0), defaultdict[str, list[bool]](list)
    for program in programs:
        for scene in rng.integers(2**31, size=scenes):
            take = demonstrate(program, int(scene), random_style(rng), program.setup, "check", choosy=False)
            won[program.family].append(take is not None)
    for family, results in won.items():
        print(f"{family:32} {np.mean(results):6.1%} of {len(results)}", flush=True)


def main() -> None:
    """Write the three files, or check the test set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", type=int, default=0, metavar="N", help="scenes a program of the test set")
    parser.add_argument("--families", nargs="*", help="check only these")
    options = parser.parse_args()
    sets = {"train": train(), "validation": held_out(VALIDATION_SEED, 2, CHOSEN_BY), "test": held_out(TEST_SEED, 10)}
    if options.check:
        wanted = options.families
        check(tuple(p for p in sets["test"] if not wanted or p.family in wanted), options.check)
        return
    for name, programs in sets.items():
        save_programs(resources_dir() / "programs" / f"{name}.json", programs)
        print(f"{name}: {len(programs)} programs")


if __name__ == "__main__":
    main()
