"""Splits by which results are reported, and the compositions, ranges and pairs that only tests contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.programs.task_distribution import TASK_FAMILIES, UNTRAINED_FAMILIES, ParameterRanges
from metagui.demonstrations.programs.validity import find_object_pairs

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Instruction

SINGLE_FAMILIES = tuple(family for family in TASK_FAMILIES if family != "sort")
"""Families of one trained motion each."""
TRAINED_COMPOSITIONS = (
    "sort",
    "press+trace",
    "place+reach",
    "push+press",
    "stack+trace",
    "lift+reach",
    "reach+push",
    "trace+lift",
)
"""Compositions in the training set."""
UNTRAINED_SHORT_COMPOSITIONS = ("press+push", "place+trace", "lift+trace", "push+reach", "slide+press")
"""Compositions of two families that only tests contain."""
UNTRAINED_LONG_COMPOSITIONS = (
    "press+place+trace",
    "push+place+reach",
    "reach+trace+push+lift",
    "slide+press+trace+reach",
)
"""Compositions of three and four families that only tests contain."""

EXTRAPOLATION_RANGES = ParameterRanges(
    reach_offset=(0.040, 0.055),
    zone_offset=(0.018, 0.024),
    neighbour_distance=(0.060, 0.070),
    circle_radius=(0.042, 0.048),
    line_length=(0.078, 0.095),
)
"""Parameter ranges beyond those of the training set."""
EXTRAPOLATION_SUFFIX, UNTRAINED_PAIR_SUFFIX = " outside", " new pair"
"""Suffixes of family names in the test set."""

UNTRAINED_PAIRS = frozenset({("red cube", "violet zone"), ("blue cube", "yellow zone")})
"""Cubes and the zones to which they never go in the training set."""

EVALUATION_SPLITS = (
    "singles",
    "trained compositions",
    "new compositions of two",
    "new compositions of three and four",
    "pairs never trained",
    "outside the trained range",
    "motions never trained",
)


def get_evaluation_split(family: str) -> str:
    """Return the split to which a family belongs; an unknown family is a split of its own."""
    if family.endswith(EXTRAPOLATION_SUFFIX):
        return "outside the trained range"
    if family.endswith(UNTRAINED_PAIR_SUFFIX):
        return "pairs never trained"
    if family in UNTRAINED_FAMILIES:
        return "motions never trained"
    if family in TRAINED_COMPOSITIONS:
        return "trained compositions"
    if family in SINGLE_FAMILIES:
        return "singles"
    parts = family.split("+")
    if len(parts) == 1 or not set(parts) <= {*TASK_FAMILIES, *UNTRAINED_FAMILIES}:
        return family
    return "new compositions of two" if len(parts) == 2 else "new compositions of three and four"


def has_only_trained_pairs(instructions: tuple[Instruction, ...]) -> bool:
    """Whether a program has no pair that is left to the tests."""
    return not find_object_pairs(instructions) & UNTRAINED_PAIRS


def has_only_untrained_pairs(instructions: tuple[Instruction, ...]) -> bool:
    """Whether a program has pairs, and all of them are left to the tests."""
    found = find_object_pairs(instructions)
    return bool(found) and found <= UNTRAINED_PAIRS
