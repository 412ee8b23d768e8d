"""The rows by which results are reported, and which compositions and pairs training leaves to the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.programs.task_distribution import FAMILIES, NEW_MOTIONS, Ranges
from metagui.demonstrations.programs.validity import pairs

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Click

SINGLES = tuple(family for family in FAMILIES if family != "sort")
TRAINED = ("sort", "press+trace", "place+reach", "push+press", "stack+trace", "lift+reach", "reach+push", "trace+lift")
NEW_OF_TWO = ("press+push", "place+trace", "lift+trace", "push+reach", "slide+press")
NEW_OF_MORE = ("press+place+trace", "push+place+reach", "reach+trace+push+lift", "slide+press+trace+reach")

OUTSIDE = Ranges(
    reach=(0.040, 0.055),
    spread=(0.018, 0.024),
    beside=(0.060, 0.070),
    radius=(0.042, 0.048),
    length=(0.078, 0.095),
)
"""Numbers that training does not reach."""
BEYOND, NEW_PAIR = " outside", " new pair"
"""What is added to a family's name."""

NEVER_PAIRED = frozenset({("red cube", "violet zone"), ("blue cube", "yellow zone")})
"""Cubes that never go to these zones in training."""

ROWS = (
    "singles",
    "trained compositions",
    "new compositions of two",
    "new compositions of three and four",
    "pairs never trained",
    "outside the trained range",
    "motions never trained",
)


def row_of(family: str) -> str:
    """Return the row a family's results belong to; a family that is not known makes a row of its own."""
    if family.endswith(BEYOND):
        return "outside the trained range"
    if family.endswith(NEW_PAIR):
        return "pairs never trained"
    if family in NEW_MOTIONS:
        return "motions never trained"
    if family in TRAINED:
        return "trained compositions"
    if family in SINGLES:
        return "singles"
    parts = family.split("+")
    if len(parts) == 1 or not set(parts) <= {*FAMILIES, *NEW_MOTIONS}:
        return family
    return "new compositions of two" if len(parts) == 2 else "new compositions of three and four"


def trained_pairs(clicks: tuple[Click, ...]) -> bool:
    """Whether a program has no pair that training leaves to the tests."""
    return not pairs(clicks) & NEVER_PAIRED


def new_pairs(clicks: tuple[Click, ...]) -> bool:
    """Whether all a program's pairs are such."""
    found = pairs(clicks)
    return bool(found) and found <= NEVER_PAIRED
