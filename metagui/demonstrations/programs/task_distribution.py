"""Where tasks come from: families of clicks with hidden numbers, drawn by seed, for training and for tests.

A *task* hides its numbers (offsets, sizes, directions) from the observation; only its demonstrations tell them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metagui.arms.simulation.scene import ANCHORS
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.primitives.primitive import Style
from metagui.demonstrations.programs.program import ClickProgram, describe
from metagui.demonstrations.programs.validity import sensible

NEARBY = 0.2
"""Share of the unrecorded motions that end above what the first click is about."""

CUBES = tuple(a.name for a in ANCHORS if a.kind == "cube")
ZONES = tuple(a.name for a in ANCHORS if a.kind == "zone")


@dataclass(frozen=True)
class Ranges:
    """How far hidden numbers reach, each from and to; the test set has some that lie beyond the training set's."""

    reach: tuple[float, float] = (0.0, 0.035)
    """Horizontal offset of a reach, m."""
    spread: tuple[float, float] = (0.0, 0.012)
    """Horizontal offset of a cube put on a zone, m."""
    beside: tuple[float, float] = (0.045, 0.055)
    """Distance of a cube put beside another, m."""
    radius: tuple[float, float] = (0.020, 0.038)
    """Radius of a traced circle, m."""
    length: tuple[float, float] = (0.04, 0.07)
    """Length of a traced line, m."""
    off: tuple[float, float] = (0.015, 0.055)
    """Horizontal offset of a cube pushed to a point off a zone, m."""


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
    return (Click("reach", anchor, None, {"offset": (*_disc(rng, *ranges.reach), height)}),)


def lift(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Grasp a cube and lift it."""
    return (Click("grasp", _pick(rng, CUBES), None, {"height": round(rng.uniform(0.055, 0.085), 4)}),)


def _put(rng: np.random.Generator, ranges: Ranges, cube: str, kind: str) -> tuple[Click, ...]:
    grasp = Click("grasp", cube, None, {"height": 0.07})
    if kind == "on zone":
        return grasp, Click("place", _pick(rng, ZONES), None, {"offset": (*_disc(rng, *ranges.spread), 0.0)})
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
    offset = (*_disc(rng, *ranges.spread), 0.0)
    return (Click("push", _pick(rng, CUBES), _pick(rng, ZONES), {"offset": offset}),)


def push_off(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Push a cube to a point off a zone."""
    offset = (*_disc(rng, *ranges.off), 0.0)
    return (Click("push", _pick(rng, CUBES), _pick(rng, ZONES), {"offset": offset}),)


def slide(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Drag a cube along the table onto a zone, never lifting it."""
    grasp = Click("grasp", _pick(rng, CUBES), None, {"height": 0.016})
    return grasp, Click("slide", _pick(rng, ZONES), None, {"offset": (*_disc(rng, *ranges.spread), 0.0)})


def sort(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Put two cubes on the two zones."""
    cubes, zones = rng.permutation(CUBES)[:2], rng.permutation(ZONES)
    clicks: list[Click] = []
    for cube, zone in zip(cubes, zones, strict=True):
        offset = (*_disc(rng, *ranges.spread), 0.0)
        clicks += Click("grasp", str(cube), None, {"height": 0.07}), Click("place", str(zone), None, {"offset": offset})
    return tuple(clicks)


def trace(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace a circle or a line above an anchor."""
    if rng.random() < 0.6:
        return _traced(rng, {"shape": "circle", "radius": round(rng.uniform(*ranges.radius), 4), **_way_round(rng)})
    return _traced(rng, {"shape": "line", "length": round(rng.uniform(*ranges.length), 4), **_heading(rng)})


def _traced(rng: np.random.Generator, numbers: dict[str, Any], low: float = 0.05) -> tuple[Click, ...]:
    offset = (*_disc(rng, 0.0, 0.01), round(rng.uniform(low, 0.08), 4))
    return (Click("trace", _pick(rng, CUBES + ZONES), None, numbers | {"offset": offset}),)


def _way_round(rng: np.random.Generator) -> dict[str, float]:
    return {"direction": float(rng.choice((-1.0, 1.0)))}


def _heading(rng: np.random.Generator) -> dict[str, float]:
    return {"angle": round(rng.uniform(-math.pi, math.pi), 3)}


def corner(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace two strokes at a right angle, to the left or to the right."""
    bend = float(rng.choice((-1.0, 1.0))) * rng.uniform(0.025, 0.045)
    size = {"length": round(rng.uniform(0.03, 0.06), 4), "width": round(bend, 4)}
    return _traced(rng, {"shape": "corner"} | size | _heading(rng))


def upright_line(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace a line that rises or falls, in the plane of the arm's forward axis and the vertical."""
    length = round(rng.uniform(*ranges.length), 4)
    return _traced(rng, {"shape": "line", "plane": "vertical", "length": length} | _heading(rng), low=0.07)


def ellipse(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace an ellipse, one half-axis clearly the longer."""
    ratio, long = rng.uniform(0.45, 0.65), rng.uniform(0.030, 0.038)
    if rng.random() < 0.5:
        long, ratio = long * ratio, 1.0 / ratio
    numbers = {"shape": "ellipse", "radius": round(long, 4), "ratio": round(ratio, 3)}
    return _traced(rng, numbers | _way_round(rng))


def vertical_circle(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace an upright circle."""
    numbers = {"shape": "circle", "plane": "vertical", "radius": round(rng.uniform(0.020, 0.028), 4)}
    return _traced(rng, numbers | _way_round(rng), low=0.07)


def zigzag(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Trace three strokes, there, back and there again."""
    size = {"length": round(rng.uniform(0.06, 0.08), 4), "width": round(rng.uniform(0.030, 0.040), 4)}
    return _traced(rng, {"shape": "zigzag"} | size | _heading(rng))


def push_beside(rng: np.random.Generator, ranges: Ranges) -> tuple[Click, ...]:
    """Push a cube beside another."""
    cube = _pick(rng, CUBES)
    return (Click("push", cube, _other(rng, CUBES, cube), {"offset": (*_disc(rng, *ranges.beside), 0.0)}),)


Drawn = Callable[[np.random.Generator, Ranges], tuple[Click, ...]]

FAMILIES: dict[str, Drawn] = {
    "reach": reach,
    "lift": lift,
    "place": place,
    "stack": stack,
    "press": press,
    "push": push,
    "trace": trace,
    "slide": slide,
    "sort": sort,
}
"""What the shipped prior is trained on."""

LESSONS: dict[str, Drawn] = {"push off": push_off, "corner": corner, "upright line": upright_line}
"""Only to be trained on: no test asks for them, they are there to make what is learnt more general."""

NEW_MOTIONS: dict[str, Drawn] = {
    "ellipse": ellipse,
    "vertical circle": vertical_circle,
    "push beside": push_beside,
    "zigzag": zigzag,
}
"""What it never sees: only for tests."""


def draw_program(
    rng: np.random.Generator,
    family: str,
    name: str,
    ranges: Ranges | None = None,
    suits: Callable[[tuple[Click, ...]], bool] = lambda clicks: True,
) -> ClickProgram:
    """Draw one program of a family, or of a composition such as ``"press+trace"``, that ``suits``."""
    drawn = FAMILIES | LESSONS | NEW_MOTIONS
    while True:
        parts = [drawn[part](rng, ranges or Ranges()) for part in family.split("+")]
        clicks = tuple(click for part in parts for click in part)
        if sensible(clicks) and suits(clicks):
            return ClickProgram(name, clicks, family=family)


def draw_programs(
    seed: int,
    count: int,
    families: tuple[str, ...] = tuple(FAMILIES),
    ranges: Ranges | None = None,
    suits: Callable[[tuple[Click, ...]], bool] = lambda clicks: True,
) -> tuple[ClickProgram, ...]:
    """Draw ``count`` programs that suit, the families in turn, by seed."""
    rng = np.random.default_rng(seed)
    drawn = []
    for index in range(count):
        program = draw_program(rng, families[index % len(families)], "", ranges, suits)
        drawn.append(replace(program, name=f"{in_words(program.clicks)} #{index + 1}"))
    return tuple(drawn)


def in_words(clicks: tuple[Click, ...]) -> str:
    """Say a program in words."""
    return ", then ".join(describe(click) for click in clicks)


def random_style(rng: np.random.Generator) -> Style:
    """Draw how one demonstrator moves in one take."""
    return Style(
        speed=rng.uniform(0.7, 1.0),
        slope=rng.uniform(1.8, 3.2),
        clearance=rng.uniform(0.05, 0.06),
        wobble=rng.uniform(0.0, 0.08),
        tremble=rng.uniform(0.0, 0.012),
        seed=int(rng.integers(2**31)),
    )


def random_prefix(rng: np.random.Generator, first: Click) -> tuple[Click, ...]:
    """Draw unrecorded clicks that come before ``first``, so that segments start from many states.

    The arm is brought somewhere else, or above what ``first`` is about, as clicks before it would leave it there; with
    an open hand, a closed one or, where ``first`` allows it, holding a cube.
    """
    if rng.random() < NEARBY:
        offset = (*_disc(rng, 0.0, 0.045), round(rng.uniform(0.05, 0.09), 4))
        away = Click("reach", first.anchor, None, {"offset": offset})
    else:
        offset = (*_disc(rng, 0.0, 0.06), round(rng.uniform(0.03, 0.10), 4))
        away = Click("reach", "table", None, {"offset": offset})
    kind = rng.random()
    cube = _other(rng, CUBES, first.anchor, first.target or "")
    if kind < 0.2 and first.verb in ("reach", "trace"):
        return Click("grasp", cube), away
    return (Click("press", cube), away) if kind < 0.4 else (away,)
