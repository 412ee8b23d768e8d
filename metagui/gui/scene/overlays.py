"""Markers drawn into the 3-D scene: a preview of what a click would do, and the path of a take."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation.renderer import SceneMarker
from metagui.arms.tables.table import CUBE_SIZE_M

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.arm import FloatArray, SceneObject
    from metagui.arms.simulation.renderer import Colour
    from metagui.demonstrations.demonstration import Instruction
    from metagui.gui.teaching.click_teacher import Proposal

PositionAndYaw = tuple["FloatArray", float]
_PREVIEW_OPACITY, _HIGHLIGHT_OPACITY = 0.75, 0.32
_PATH_POINTS = 90


def make_proposal_markers(
    proposal: Proposal, pose_of: Callable[[str], PositionAndYaw], colour: Colour, objects: Sequence[SceneObject]
) -> list[SceneMarker]:
    """Return the preview of what a proposal would do; ``pose_of`` returns position and yaw of an object."""
    if proposal.pushed_object is not None and proposal.instruction is None:
        return _highlight(proposal.pushed_object, pose_of, colour, objects)
    if proposal.instruction is None:
        return []
    instruction = proposal.instruction
    return _highlight(instruction.object_name, pose_of, colour, objects) + _preview(instruction, pose_of, colour)


def _highlight(
    object_name: str, pose_of: Callable[[str], PositionAndYaw], colour: Colour, objects: Sequence[SceneObject]
) -> list[SceneMarker]:
    """Return a translucent box around an object; nothing for the table."""
    scene_object = next(a for a in objects if a.name == object_name)
    if scene_object.kind == "table":
        return []
    position, yaw = pose_of(object_name)
    half = scene_object.width / 2 + 0.003
    height = half if scene_object.is_solid else 0.002
    return [SceneMarker("box", position, (half, half, height), (*colour, _HIGHLIGHT_OPACITY), yaw=yaw)]


def _preview(instruction: Instruction, pose_of: Callable[[str], PositionAndYaw], colour: Colour) -> list[SceneMarker]:
    position, yaw = pose_of(instruction.object_name)
    goal = position + np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)))
    if instruction.action == "reach":
        return _pin(goal, colour)
    if instruction.action == "place":
        height = CUBE_SIZE_M if instruction.object_name.endswith("cube") else CUBE_SIZE_M / 2 - goal[2]
        return [_cube(goal + (0.0, 0.0, height), yaw, colour)]
    if instruction.action == "push" and instruction.target_name:
        return _push(instruction, position, pose_of(instruction.target_name), colour)
    if instruction.action == "trace":
        return _circle(goal, float(instruction.parameters.get("radius", 0.03)), colour)
    return [
        SceneMarker(
            "arrow",
            position + (0, 0, 0.075),
            (0.004, 0.004, 0.004),
            (*colour, _PREVIEW_OPACITY),
            position + (0, 0, 0.018),
        )
    ]


def _pin(goal: FloatArray, colour: Colour) -> list[SceneMarker]:
    foot = np.array([goal[0], goal[1], 0.001])
    return [
        SceneMarker("ball", goal, (0.007, 0.007, 0.007), (*colour, _PREVIEW_OPACITY)),
        SceneMarker("line", foot, (0.0012, 0.0012, 0.0012), (*colour, _HIGHLIGHT_OPACITY), goal),
        SceneMarker("disc", foot, (0.010, 0.010, 0.0006), (*colour, _HIGHLIGHT_OPACITY)),
    ]


def _cube(centre: FloatArray, yaw: float, colour: Colour) -> SceneMarker:
    half = CUBE_SIZE_M / 2
    return SceneMarker("box", centre, (half, half, half), (*colour, 0.5), yaw=yaw)


def _push(instruction: Instruction, start: FloatArray, target: PositionAndYaw, colour: Colour) -> list[SceneMarker]:
    goal = target[0] + np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)))
    goal = np.array([goal[0], goal[1], start[2]])
    arrow = SceneMarker(
        "arrow", start + (0, 0, 0.02), (0.004, 0.004, 0.004), (*colour, _PREVIEW_OPACITY), goal + (0, 0, 0.02)
    )
    return [arrow, _cube(goal, 0.0, colour)]


def _circle(centre: FloatArray, radius: float, colour: Colour, count: int = 24) -> list[SceneMarker]:
    angle = np.linspace(0.0, 2 * math.pi, count + 1)
    points = centre + radius * np.column_stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)])
    return _polyline(points, 0.002, (*colour, _PREVIEW_OPACITY))


def make_path_markers(points: FloatArray, colour: Colour) -> tuple[SceneMarker, ...]:
    """Return the path of the tool, ``points`` (N, 3) in m, as a thin line that ends in a ball."""
    if len(points) < 2:
        return ()
    thinned = points[np.linspace(0, len(points) - 1, min(_PATH_POINTS, len(points))).astype(int)]
    end = SceneMarker("ball", points[-1], (0.004, 0.004, 0.004), (*colour, 0.9))
    return (*_polyline(thinned, 0.0013, (*colour, 0.8)), end)


def _polyline(points: FloatArray, radius: float, colour: tuple[float, float, float, float]) -> list[SceneMarker]:
    size = (radius, radius, radius)
    return [SceneMarker("line", a, size, colour, b) for a, b in itertools.pairwise(points)]
