"""What is drawn into the scene that is not there: the ghost of a click, the path of a take."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.renderer import Mark
from metagui.arms.simulation.scene import CUBE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import Anchor, FloatArray
    from metagui.arms.simulation.renderer import Colour
    from metagui.demonstrations.demonstration import Click
    from metagui.gui.teaching.click_teacher import Proposal

Pose = tuple["FloatArray", float]
_GHOST, _GLOW = 0.75, 0.32
_PATH_POINTS = 90


def marks_for(
    proposal: Proposal, pose_of: Callable[[str], Pose], colour: Colour, anchors: Sequence[Anchor]
) -> list[Mark]:
    """Return the ghost of what a proposal would do."""
    if proposal.first is not None and proposal.click is None:
        return _glow(proposal.first, pose_of, colour, anchors)
    if proposal.click is None:
        return []
    click = proposal.click
    return _glow(click.anchor, pose_of, colour, anchors) + _ghost(click, pose_of, colour)


def _glow(name: str, pose_of: Callable[[str], Pose], colour: Colour, anchors: Sequence[Anchor]) -> list[Mark]:
    """A translucent shell round an anchor."""
    anchor = next(a for a in anchors if a.name == name)
    if anchor.kind == "table":
        return []
    position, yaw = pose_of(name)
    half = anchor.size / 2 + 0.003
    height = half if anchor.kind == "cube" else 0.002
    return [Mark("box", position, (half, half, height), (*colour, _GLOW), yaw=yaw)]


def _ghost(click: Click, pose_of: Callable[[str], Pose], colour: Colour) -> list[Mark]:
    position, yaw = pose_of(click.anchor)
    goal = position + np.asarray(click.parameters.get("offset", (0.0, 0.0, 0.0)))
    if click.verb == "reach":
        return _pin(goal, colour)
    if click.verb == "place":
        raised = CUBE if click.anchor.endswith("cube") else CUBE / 2 - goal[2]
        return [_cube(goal + (0.0, 0.0, raised), yaw, colour)]
    if click.verb == "push" and click.target:
        return _push(click, position, pose_of(click.target), colour)
    if click.verb == "trace":
        return _circle(goal, float(click.parameters.get("radius", 0.03)), colour)
    return [Mark("arrow", position + (0, 0, 0.075), (0.004, 0.004, 0.004), (*colour, _GHOST), position + (0, 0, 0.018))]


def _pin(goal: FloatArray, colour: Colour) -> list[Mark]:
    foot = np.array([goal[0], goal[1], 0.001])
    return [
        Mark("ball", goal, (0.007, 0.007, 0.007), (*colour, _GHOST)),
        Mark("line", foot, (0.0012, 0.0012, 0.0012), (*colour, _GLOW), goal),
        Mark("disc", foot, (0.010, 0.010, 0.0006), (*colour, _GLOW)),
    ]


def _cube(centre: FloatArray, yaw: float, colour: Colour) -> Mark:
    half = CUBE / 2
    return Mark("box", centre, (half, half, half), (*colour, 0.5), yaw=yaw)


def _push(click: Click, start: FloatArray, target: Pose, colour: Colour) -> list[Mark]:
    goal = target[0] + np.asarray(click.parameters.get("offset", (0.0, 0.0, 0.0)))
    goal = np.array([goal[0], goal[1], start[2]])
    arrow = Mark("arrow", start + (0, 0, 0.02), (0.004, 0.004, 0.004), (*colour, _GHOST), goal + (0, 0, 0.02))
    return [arrow, _cube(goal, 0.0, colour)]


def _circle(centre: FloatArray, radius: float, colour: Colour, count: int = 24) -> list[Mark]:
    angle = np.linspace(0.0, 2 * math.pi, count + 1)
    points = centre + radius * np.column_stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)])
    return _chain(points, 0.002, (*colour, _GHOST))


def path_marks(points: FloatArray, colour: Colour) -> tuple[Mark, ...]:
    """Return the path of a tool, points (N, 3) m, as a thin line that ends in a ball."""
    if len(points) < 2:
        return ()
    thinned = points[np.linspace(0, len(points) - 1, min(_PATH_POINTS, len(points))).astype(int)]
    end = Mark("ball", points[-1], (0.004, 0.004, 0.004), (*colour, 0.9))
    return (*_chain(thinned, 0.0013, (*colour, 0.8)), end)


def _chain(points: FloatArray, radius: float, colour: tuple[float, float, float, float]) -> list[Mark]:
    size = (radius, radius, radius)
    return [Mark("line", a, size, colour, b) for a, b in itertools.pairwise(points)]
