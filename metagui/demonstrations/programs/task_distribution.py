"""Random task programs of several families, drawn by seed for the training, validation and test sets.

The parameters of a task (offsets, sizes, directions) are not observable; only its demonstrations show them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs.program import TaskProgram, describe_instructions
from metagui.demonstrations.programs.validity import is_valid_sequence

NEARBY_PREFIX_FRACTION = 0.2
"""Fraction of the unrecorded prefixes that end above the object of the first instruction."""

CUBE_NAMES = tuple(each.name for each in SCENE_OBJECTS if each.kind == "block")
ZONE_NAMES = tuple(each.name for each in SCENE_OBJECTS if each.kind == "zone")


@dataclass(frozen=True)
class ParameterRanges:
    """Ranges of task parameters, minimum and maximum; the test set has some beyond the training set's."""

    reach_offset: tuple[float, float] = (0.0, 0.035)
    """Horizontal offset of a reach, m."""
    zone_offset: tuple[float, float] = (0.0, 0.012)
    """Horizontal offset of a cube placed on a zone, m."""
    neighbour_distance: tuple[float, float] = (0.045, 0.055)
    """Distance of a cube placed next to another, m."""
    circle_radius: tuple[float, float] = (0.020, 0.038)
    """Radius of a traced circle, m."""
    line_length: tuple[float, float] = (0.04, 0.07)
    """Length of a traced line, m."""
    push_offset: tuple[float, float] = (0.015, 0.055)
    """Horizontal offset from a zone of a cube pushed off it, m."""


def _pick(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _pick_other(rng: np.random.Generator, names: tuple[str, ...], *excluded: str) -> str:
    return _pick(rng, tuple(n for n in names if n not in excluded))


def _sample_ring(rng: np.random.Generator, min_radius: float, max_radius: float) -> tuple[float, float]:
    """Return a random point between two radii, m."""
    radius, angle = math.sqrt(rng.uniform(min_radius**2, max_radius**2)), rng.uniform(-math.pi, math.pi)
    return round(radius * math.cos(angle), 4), round(radius * math.sin(angle), 4)


def draw_reach(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a reach to a point near an object."""
    name = _pick(rng, CUBE_NAMES + ZONE_NAMES + ("table",))
    height = round(rng.uniform(0.04, 0.085), 4)
    return (Instruction("reach", name, None, {"offset": (*_sample_ring(rng, *ranges.reach_offset), height)}),)


def draw_lift(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a grasp and lift of a cube."""
    return (Instruction("grasp", _pick(rng, CUBE_NAMES), None, {"height": round(rng.uniform(0.055, 0.085), 4)}),)


def _draw_put(rng: np.random.Generator, ranges: ParameterRanges, cube: str, kind: str) -> tuple[Instruction, ...]:
    grasp = Instruction("grasp", cube, None, {"height": 0.07})
    if kind == "on zone":
        zone = _pick(rng, ZONE_NAMES)
        return grasp, Instruction("place", zone, None, {"offset": (*_sample_ring(rng, *ranges.zone_offset), 0.0)})
    if kind == "stack":
        return grasp, Instruction("place", _pick_other(rng, CUBE_NAMES, cube))
    offset = (*_sample_ring(rng, *ranges.neighbour_distance), 0.0)
    return grasp, Instruction("place", _pick_other(rng, CUBE_NAMES, cube), None, {"offset": offset})


def draw_place(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a pick and place of a cube on a zone or next to another cube."""
    return _draw_put(rng, ranges, _pick(rng, CUBE_NAMES), "on zone" if rng.random() < 0.65 else "beside")


def draw_stack(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a pick and place of a cube on another."""
    return _draw_put(rng, ranges, _pick(rng, CUBE_NAMES), "stack")


def draw_press(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a press on a cube from above."""
    return (Instruction("press", _pick(rng, CUBE_NAMES)),)


def draw_push(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a push of a cube onto a zone."""
    offset = (*_sample_ring(rng, *ranges.zone_offset), 0.0)
    return (Instruction("push", _pick(rng, CUBE_NAMES), _pick(rng, ZONE_NAMES), {"offset": offset}),)


def draw_push_off(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a push of a cube to a point off a zone."""
    offset = (*_sample_ring(rng, *ranges.push_offset), 0.0)
    return (Instruction("push", _pick(rng, CUBE_NAMES), _pick(rng, ZONE_NAMES), {"offset": offset}),)


def draw_slide(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a drag of a cube along the table onto a zone, without lifting it."""
    grasp = Instruction("grasp", _pick(rng, CUBE_NAMES), None, {"height": 0.016})
    return grasp, Instruction(
        "slide", _pick(rng, ZONE_NAMES), None, {"offset": (*_sample_ring(rng, *ranges.zone_offset), 0.0)}
    )


def draw_sort(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a pick and place of two cubes on the two zones."""
    cubes, zones = rng.permutation(CUBE_NAMES)[:2], rng.permutation(ZONE_NAMES)
    instructions: list[Instruction] = []
    for cube, zone in zip(cubes, zones, strict=True):
        offset = (*_sample_ring(rng, *ranges.zone_offset), 0.0)
        instructions += (
            Instruction("grasp", str(cube), None, {"height": 0.07}),
            Instruction("place", str(zone), None, {"offset": offset}),
        )
    return tuple(instructions)


def draw_trace(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a trace of a circle or a line above an object."""
    if rng.random() < 0.6:
        return _draw_traced_shape(
            rng, {"shape": "circle", "radius": round(rng.uniform(*ranges.circle_radius), 4), **_draw_direction(rng)}
        )
    return _draw_traced_shape(
        rng, {"shape": "line", "length": round(rng.uniform(*ranges.line_length), 4), **_draw_angle(rng)}
    )


def _draw_traced_shape(
    rng: np.random.Generator, parameters: dict[str, Any], min_height: float = 0.05
) -> tuple[Instruction, ...]:
    offset = (*_sample_ring(rng, 0.0, 0.01), round(rng.uniform(min_height, 0.08), 4))
    return (Instruction("trace", _pick(rng, CUBE_NAMES + ZONE_NAMES), None, parameters | {"offset": offset}),)


def _draw_direction(rng: np.random.Generator) -> dict[str, float]:
    return {"direction": float(rng.choice((-1.0, 1.0)))}


def _draw_angle(rng: np.random.Generator) -> dict[str, float]:
    return {"angle": round(rng.uniform(-math.pi, math.pi), 3)}


def draw_corner(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a trace of two strokes at a right angle, to the left or to the right."""
    bend = float(rng.choice((-1.0, 1.0))) * rng.uniform(0.025, 0.045)
    size = {"length": round(rng.uniform(0.03, 0.06), 4), "width": round(bend, 4)}
    return _draw_traced_shape(rng, {"shape": "corner"} | size | _draw_angle(rng))


def draw_upright_line(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a trace of a line that rises or falls, in the plane of the arm's forward axis and the vertical."""
    length = round(rng.uniform(*ranges.line_length), 4)
    return _draw_traced_shape(
        rng, {"shape": "line", "plane": "vertical", "length": length} | _draw_angle(rng), min_height=0.07
    )


def draw_ellipse(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a trace of an ellipse with clearly different half-axes."""
    ratio, long = rng.uniform(0.45, 0.65), rng.uniform(0.030, 0.038)
    if rng.random() < 0.5:
        long, ratio = long * ratio, 1.0 / ratio
    numbers = {"shape": "ellipse", "radius": round(long, 4), "ratio": round(ratio, 3)}
    return _draw_traced_shape(rng, numbers | _draw_direction(rng))


def draw_vertical_circle(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a trace of an upright circle."""
    numbers = {"shape": "circle", "plane": "vertical", "radius": round(rng.uniform(0.020, 0.028), 4)}
    return _draw_traced_shape(rng, numbers | _draw_direction(rng), min_height=0.07)


def draw_zigzag(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a trace of three strokes, forth, back and forth."""
    size = {"length": round(rng.uniform(0.06, 0.08), 4), "width": round(rng.uniform(0.030, 0.040), 4)}
    return _draw_traced_shape(rng, {"shape": "zigzag"} | size | _draw_angle(rng))


def draw_push_next_to(rng: np.random.Generator, ranges: ParameterRanges) -> tuple[Instruction, ...]:
    """Draw a push of a cube next to another."""
    cube = _pick(rng, CUBE_NAMES)
    return (
        Instruction(
            "push",
            cube,
            _pick_other(rng, CUBE_NAMES, cube),
            {"offset": (*_sample_ring(rng, *ranges.neighbour_distance), 0.0)},
        ),
    )


InstructionSampler = Callable[[np.random.Generator, ParameterRanges], tuple[Instruction, ...]]

TASK_FAMILIES: dict[str, InstructionSampler] = {
    "reach": draw_reach,
    "lift": draw_lift,
    "place": draw_place,
    "stack": draw_stack,
    "press": draw_press,
    "push": draw_push,
    "trace": draw_trace,
    "slide": draw_slide,
    "sort": draw_sort,
}
"""Families in the training set and in the tests."""

TRAINING_ONLY_FAMILIES: dict[str, InstructionSampler] = {
    "push off": draw_push_off,
    "corner": draw_corner,
    "upright line": draw_upright_line,
}
"""Families in the training set only, where they make the prior more general."""

UNTRAINED_FAMILIES: dict[str, InstructionSampler] = {
    "ellipse": draw_ellipse,
    "vertical circle": draw_vertical_circle,
    "push beside": draw_push_next_to,
    "zigzag": draw_zigzag,
}
"""Families in the tests only."""


def draw_program(
    rng: np.random.Generator,
    family: str,
    name: str,
    ranges: ParameterRanges | None = None,
    accepts: Callable[[tuple[Instruction, ...]], bool] = lambda _: True,
) -> TaskProgram:
    """Draw one accepted program of a family, or of a composition such as ``"press+trace"``."""
    samplers = TASK_FAMILIES | TRAINING_ONLY_FAMILIES | UNTRAINED_FAMILIES
    while True:
        parts = [samplers[part](rng, ranges or ParameterRanges()) for part in family.split("+")]
        instructions = tuple(each for part in parts for each in part)
        if is_valid_sequence(instructions) and accepts(instructions):
            return TaskProgram(name, instructions, family=family)


def draw_programs(
    seed: int,
    count: int,
    families: tuple[str, ...] = tuple(TASK_FAMILIES),
    ranges: ParameterRanges | None = None,
    accepts: Callable[[tuple[Instruction, ...]], bool] = lambda _: True,
) -> tuple[TaskProgram, ...]:
    """Draw ``count`` accepted programs by seed, with the families in turn."""
    rng = np.random.default_rng(seed)
    drawn = []
    for index in range(count):
        program = draw_program(rng, families[index % len(families)], "", ranges, accepts)
        drawn.append(replace(program, name=f"{describe_instructions(program.instructions)} #{index + 1}"))
    return tuple(drawn)


def draw_style(rng: np.random.Generator) -> MotionStyle:
    """Draw the motion style of one take."""
    return MotionStyle(
        speed_fraction=rng.uniform(0.7, 1.0),
        descent_slope=rng.uniform(1.8, 3.2),
        clearance=rng.uniform(0.05, 0.06),
        step_noise=rng.uniform(0.0, 0.08),
        target_noise=rng.uniform(0.0, 0.012),
        noise_seed=int(rng.integers(2**31)),
    )


def draw_prefix(rng: np.random.Generator, first: Instruction) -> tuple[Instruction, ...]:
    """Draw unrecorded instructions that precede ``first``, so that segments start from many states.

    The arm ends elsewhere, or above the object of ``first`` as a preceding instruction would leave it; with an open
    gripper, a closed one, or holding a cube if ``first`` allows it.
    """
    if rng.random() < NEARBY_PREFIX_FRACTION:
        offset = (*_sample_ring(rng, 0.0, 0.045), round(rng.uniform(0.05, 0.09), 4))
        reach = Instruction("reach", first.object_name, None, {"offset": offset})
    else:
        offset = (*_sample_ring(rng, 0.0, 0.06), round(rng.uniform(0.03, 0.10), 4))
        reach = Instruction("reach", "table", None, {"offset": offset})
    kind = rng.random()
    cube = _pick_other(rng, CUBE_NAMES, first.object_name, first.target_name or "")
    if kind < 0.2 and first.action in ("reach", "trace"):
        return Instruction("grasp", cube), reach
    return (Instruction("press", cube), reach) if kind < 0.4 else (reach,)
