"""What the gripper can do with an object of a size, and why not; every refusal says so in the same words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from metagui.arms.arm import WALL_THICKNESS_M

if TYPE_CHECKING:
    from metagui.arms.arm import SceneObject

MAX_GRASP_WIDTH_M = 0.030
"""Width of the widest object around which the open jaw goes with its clearance on both sides, m."""
MIN_GRASP_WIDTH_M = 0.022
"""Width of the narrowest object that is told from an empty jaw by the angle of the gripper, m."""
GRASP_HEIGHTS_M = (0.015, 0.050)
"""Lowest and highest object that the gripper can grasp at its centre, m."""
MAX_PRESS_HEIGHT_M = 0.060
"""Height of the highest object that is pressed from above, m."""
PUSH_WIDTHS_M = (0.015, 0.040)
"""Narrowest and widest object that is pushed, m: the fingers take up position behind its centre."""
PUSH_HEIGHTS_M = (0.015, 0.060)
"""Lowest and highest object that is pushed by fingers 12 mm above the table, m."""
MAX_WALL_HEIGHT_M = 0.030
"""Height of the highest walls over which an object is put into a container, m."""
FINGER_ROOM_M = 0.012
"""Room between the held object and the walls that the fingers need on each side, m."""


def find_grasp_width(scene_object: SceneObject) -> float:
    """Return the smaller horizontal size, on which the jaw closes, m."""
    return min(scene_object.size[:2])


def explain_unfit(action: str, scene_object: SceneObject) -> str:
    """Return why an action cannot be done with an object of this size, as a sentence; empty if it can."""
    name, (_, _, height) = scene_object.name, scene_object.size
    width = find_grasp_width(scene_object)
    if action == "grasp":
        if scene_object.is_container:
            return f"The {name} is open at the top, so the fingers cannot close around it."
        return _explain_range(f"The {name}", "the gripper", "width", width, MIN_GRASP_WIDTH_M, MAX_GRASP_WIDTH_M) or (
            _explain_range(f"The {name}", "the gripper", "height", height, *GRASP_HEIGHTS_M)
        )
    if action == "press":
        if scene_object.is_container:
            return f"The {name} is open at the top, so there is nothing to press."
        return _explain_range(f"The {name}", "a press", "height", height, 0.0, MAX_PRESS_HEIGHT_M)
    if action == "push":
        return _explain_range(f"The {name}", "a push", "width", width, *PUSH_WIDTHS_M) or (
            _explain_range(f"The {name}", "a push", "width", scene_object.width, *PUSH_WIDTHS_M)
            or _explain_range(f"The {name}", "a push", "height", height, *PUSH_HEIGHTS_M)
            or (f"The {name} is round, so it would roll aside when pushed." if scene_object.is_round else "")
        )
    return ""


def explain_no_room(held: SceneObject, goal: SceneObject) -> str:
    """Return why a held object cannot be put on or into another one, as a sentence; empty if it can."""
    if not goal.is_solid:
        return ""
    if not goal.is_container:
        if find_grasp_width(goal) < 0.5 * find_grasp_width(held):
            return f"The {goal.name} is too narrow for the {held.name} to stand on it."
        return ""
    if goal.size[2] > MAX_WALL_HEIGHT_M:
        return (
            f"The {goal.name} is {goal.size[2] * 1000:.0f} mm high; the gripper can put something over walls of up to "
            f"{MAX_WALL_HEIGHT_M * 1000:.0f} mm."
        )
    inside = find_grasp_width(goal) - 2 * WALL_THICKNESS_M
    needed = (held.size[0] if held.is_round else math.hypot(*held.size[:2])) + 2 * FINGER_ROOM_M
    if inside < needed:
        return (
            f"The {goal.name} is {inside * 1000:.0f} mm wide inside; the {held.name} and the fingers need "
            f"{needed * 1000:.0f} mm."
        )
    return ""


def _explain_range(subject: str, what: str, dimension: str, value: float, low: float, high: float) -> str:
    """Return that a dimension is outside of what is possible, as a sentence; empty if it is inside."""
    if low - 1e-9 <= value <= high + 1e-9:
        return ""
    limits = f"{low * 1000:.0f} to {high * 1000:.0f} mm" if low > 0.0 else f"up to {high * 1000:.0f} mm"
    return f"{subject} has a {dimension} of {value * 1000:.0f} mm; {what} can take {limits}."
