"""Where tasks come from: families of clicks with hidden numbers, drawn by seed, for training and for tests.

A *task* hides its numbers (offsets, sizes, directions) from the observation; only its demonstrations tell them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.scene import ANCHORS
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.motions import Style
from metagui.demonstrations.programs import ClickProgram, describe

if TYPE_CHECKING:
    from collections.abc import Callable

CUBES = tuple(a.name for a in ANCHORS if a.kind == "cube")
ZONES = tuple(a.name for a in ANCHORS if a.kind == "zone")


@dataclass(frozen=True)
class Ranges:
    """How far hidden numbers reach; the test set's are wider than the training set's."""

    reach: float = 0.035
    """Horizontal offset of a reach, m."""
    spread: float = 0.012
    """Horizontal offset of a cube put on a zone, m."""
    beside: tuple[float, float] = (0.045, 0.055)
    """Distance of a cube put beside another, m."""
    radius: tuple[float, float] = (0.020, 0.038)
    """Radius of a traced circle, m."""


def _pick(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _other(rng: np.random.Generator, names: tuple[str, ...], *taken: str) -> str:
    return _pick(rng, tuple(n for n in names if n not in taken))


def _disc(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """Draw a point of the ring between two radii."""
    radius, angle = math.sqrt(rng.uniform(low**2, high**2)), rng.uniform(-math.pi, math.pi)
    return round(radius * math.cos(angle), 4), round(radius * math.sin(angle), 4)


def reach(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Go to a point near an anchor."""
    anchor = _pick(rng, CUBES + ZONES + ("table",))
    height = round(rng.uniform(0.04, 0.085), 4)
    return (Click("reach", anchor, None, {"offset": (*_disc(rng, 0.0, ranges.reach), height)}),)


def lift(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Grasp a cube and lift it."""
    return (Click("grasp", _pick(rng, CUBES), None, {"height": round(rng.uniform(0.055, 0.085), 4)}),)


def _put(rng: np.random.Generator, ranges: Ranges, cube: str, kind: str) -> tuple[Click, ...]:
    grasp = Click("grasp", cube, None, {"height": 0.07})
    if kind == "on zone":
        return grasp, Click("place", _pick(rng, ZONES), None, {"offset": (*_disc(rng, 0.0, ranges.spread), 0.0)})
    if kind == "stack":
        return grasp, Click("place", _other(rng, CUBES, cube))
    offset = (*_disc(rng, *ranges.beside), 0.0)
    return grasp, Click("place", _other(rng, CUBES, cube), None, {"offset": offset})


def place(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Put a cube on a zone or beside another cube."""
    return _put(rng, ranges, _pick(rng, CUBES), "on zone" if rng.random() < 0.65 else "beside")


def stack(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Put a cube on another."""
    return _put(rng, ranges, _pick(rng, CUBES), "stack")


def press(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Touch a cube from above."""
    return (Click("press", _pick(rng, CUBES)),)


def push(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Push a cube onto a zone."""
    offset = (*_disc(rng, 0.0, ranges.spread), 0.0)
    return (Click("push", _pick(rng, CUBES), _pick(rng, ZONES), {"offset": offset}),)


def trace(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace a circle or a line above an anchor."""
    height = round(rng.uniform(0.05, 0.08), 4)
    anchor = _pick(rng, CUBES + ZONES)
    offset = (*_disc(rng, 0.0, 0.01), height)
    if rng.random() < 0.6:
        radius = round(rng.uniform(*ranges.radius), 4)
        numbers = {
            "shape": "circle",
            "radius": radius,
            "direction": float(rng.choice((-1.0, 1.0))),
            "offset": offset,
        }
    else:
        angle, length = round(rng.uniform(-math.pi, math.pi), 3), round(rng.uniform(0.04, 0.07), 4)
        numbers = {"shape": "line", "angle": angle, "length": length, "offset": offset}
    return (Click("trace", anchor, None, numbers),)


FAMILIES: dict[str, Callable[[np.random.Generator, Ranges], tuple[Click, ...]]] = {
    "reach": reach,
    "lift": lift,
    "place": place,
    "stack": stack,
    "press": press,
    "push": push,
    "trace": trace,
}


def sensible(clicks: tuple[Click, ...]) -> bool:
    """Whether the clicks can follow each other: nothing is asked of a cube in the hand, covered or in the way."""
    held, busy = None, set[str]()
    for click in clicks:
        if click.verb == "grasp":
            held = click.anchor
            if held in busy:
                return False
        elif click.anchor == held or (click.verb != "reach" and click.anchor in busy):
            return False
        if click.verb == "place":
            busy.add(click.anchor)
            held = None
        elif click.verb == "push":
            if click.target in busy:
                return False
            busy.add(str(click.target))
    return True


def draw_program(rng: np.random.Generator, family: str, name: str, ranges: Ranges | None = None) -> ClickProgram:
    """Draw one program of a family, or of a composition such as ``"press+trace"``."""
    while True:
        parts = [FAMILIES[part](rng, ranges or Ranges()) for part in family.split("+")]
        clicks = tuple(click for part in parts for click in part)
        if sensible(clicks):
            return ClickProgram(name, clicks, family=family)


def draw_programs(
    seed: int, count: int, families: tuple[str, ...] = tuple(FAMILIES), ranges: Ranges | None = None
) -> tuple[ClickProgram, ...]:
    """Draw ``count`` programs, the families in turn, by seed."""
    rng = np.random.default_rng(seed)
    drawn = []
    for index in range(count):
        program = draw_program(rng, families[index % len(families)], "", ranges)
        words = ", then ".join(describe(c) for c in program.clicks)
        drawn.append(ClickProgram(f"{words} #{index + 1}", program.clicks, family=program.family))
    return tuple(drawn)


def random_style(rng: np.random.Generator) -> Style:
    """Draw how one demonstrator moves in one take."""
    return Style(rng.uniform(0.7, 1.0), rng.uniform(1.8, 3.2), rng.uniform(0.05, 0.06))


def random_prefix(rng: np.random.Generator, first: Click) -> tuple[Click, ...]:
    """Draw unrecorded clicks that come before ``first``, so that segments start from many states.

    The arm is brought somewhere else, with an open hand, a closed one or, where ``first`` allows it, holding a cube.
    """
    offset = (*_disc(rng, 0.0, 0.06), round(rng.uniform(0.03, 0.10), 4))
    away = Click("reach", "table", None, {"offset": offset})
    kind = rng.random()
    cube = _other(rng, CUBES, first.anchor, first.target or "")
    if kind < 0.2 and first.verb in ("reach", "trace"):
        return Click("grasp", cube), away
    return (Click("press", cube), away) if kind < 0.4 else (away,)
