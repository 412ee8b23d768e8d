"""Feedback laws for held cubes: grasp, place, slide and release."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, MAX_DISPLACEMENT_M, ToolMotion
from metagui.arms.tables.table import CUBE_SIZE_M
from metagui.demonstrations.primitives.object_fit import find_grasp_width
from metagui.demonstrations.primitives.primitive import (
    PROPORTIONAL_GAIN,
    RETREAT_HEIGHT_M,
    RETREAT_TOLERANCE_M,
    ZERO_DISPLACEMENT,
    PrimitiveState,
    is_within,
    limit_turn,
    step_along_funnel,
    step_upwards,
    wrap_half_turn,
    wrap_quarter_turn,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray, SceneObject

DEFAULT_GRASP_HEIGHT_M = 0.075
"""Height to which a grasped cube is lifted if the instruction does not give one, m."""
FINGER_CLEARANCE_M = 0.006
"""Distance of the fixed finger from a cube during descent and release, m: rising without it tips cubes over."""
GRASP_DEPTH_M = 0.002
"""Depth of the tool below a cube's centre when the gripper closes, m; low grasps rise from there."""
CLOSING_GRIPPER_RAD = 0.43
"""Angle below which the gripper has begun to close around a cube, rad."""
CLOSING_TOLERANCE_M = 0.004
"""Distance by which cube and tool may move while the gripper closes, m: opening again would leave the cube turned."""
DRAG_HEIGHT_M = 0.014
"""Height of the tool while it drags a cube along the table, m: the cube is barely off the table."""
MIN_DRAG_STEP_M = 0.0015
"""Minimum step of a dragged cube towards its goal, m: a policy trained on slower steps would stop before the goal."""


def get_grasp_height(state: PrimitiveState) -> float:
    """Return the height to which a grasp lifts the tool, m."""
    return state.get_parameter("height", DEFAULT_GRASP_HEIGHT_M)


def grasp(state: PrimitiveState) -> ToolMotion:
    """Descend with the fixed finger next to a cube, close, lift."""
    cube = state.get_object_position(state.object_index)
    if state.observation.scene.held[state.object_index]:
        rise = get_grasp_height(state) - state.tool_position[2]
        return ToolMotion(step_upwards(state, rise), 0.0, GRIPPER_CLOSED_RAD, done=rise < 0.001)
    own = state.objects[state.object_index]
    # The fixed finger is placed by the face next to it, which is nearer to the centre of a narrower object.
    cube = cube + (CUBE_SIZE_M - find_grasp_width(own)) / 2 * state.jaw_direction
    relative = state.tool_position - cube
    along = float(relative @ state.jaw_direction)
    across = float(relative[1] * state.jaw_direction[0] - relative[0] * state.jaw_direction[1])
    slack = CLOSING_TOLERANCE_M if state.observation.gripper < CLOSING_GRIPPER_RAD else 0.0
    between = -0.010 - slack < along < 0.005 + slack and abs(across) < 0.005 + slack and relative[2] < 0.001 + slack
    if between and state.observation.gripper > -0.05:
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_CLOSED_RAD)
    error = _compute_grasp_turn(state, own)
    ready = state.observation.gripper > 0.32 and abs(error) < 0.15
    goal = cube - FINGER_CLEARANCE_M * state.jaw_direction + (0.0, 0.0, -GRASP_DEPTH_M if ready else 0.04)
    return ToolMotion(step_along_funnel(state, state.tool_position, goal), limit_turn(error), GRIPPER_OPEN_RAD)


def _compute_grasp_turn(state: PrimitiveState, own: SceneObject) -> float:
    """Return the turn that brings the jaw across the object's smaller side, rad."""
    depth, width, _ = own.size
    turn = float(state.observation.scene.yaws[state.object_index]) - state.observation.tool_yaw
    if own.is_round or depth == width:
        return float(wrap_quarter_turn(turn))
    return wrap_half_turn(turn if depth < width else turn + math.pi / 2)


def compute_place_goal(state: PrimitiveState, cube_index: int) -> FloatArray:
    """Return the final position (3,) of a placed object, m: on or in the goal, or on the table if the offset leaves it.

    With index -1 it is that of the object that is held, or of a cube if there is none.
    """
    goal = state.get_object_position(state.object_index) + state.offset
    support = state.objects[state.object_index]
    width, resting_height = _get_moved_size(state, cube_index)
    is_on_it = (
        state.object_index in state.cube_indices
        and math.hypot(*state.offset[:2]) < (support.width + width) / 2
        and state.object_index != cube_index
    )
    rise = support.support_height + resting_height
    goal[2] = (state.get_object_position(state.object_index)[2] + rise) if is_on_it else resting_height
    return goal


def place(state: PrimitiveState) -> ToolMotion:
    """Carry the held cube to its goal, release it, move the finger aside, rise."""
    held = np.flatnonzero(state.observation.scene.held)
    if not len(held):
        return _retreat(state)
    cube = int(held[0])
    goal = compute_place_goal(state, cube)
    remaining = goal - state.get_object_position(cube)
    if math.hypot(remaining[0], remaining[1]) < 0.004 and remaining[2] > -0.004:
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_OPEN_RAD)
    step = step_along_funnel(state, state.get_object_position(cube), goal)
    return ToolMotion(step, _turn_to_object(state, cube), GRIPPER_CLOSED_RAD)


def compute_slide_goal(state: PrimitiveState) -> FloatArray:
    """Return the final centre (3,) of a dragged cube, m."""
    goal = state.get_object_position(state.object_index) + state.offset
    goal[2] = _get_moved_size(state, -1)[1]
    return goal


def _get_moved_size(state: PrimitiveState, index: int) -> tuple[float, float]:
    """Return width and resting height, m, of a moved object; with index -1 of the held one, or of a cube."""
    held = np.flatnonzero(state.observation.scene.held)
    index = int(held[0]) if index < 0 and len(held) else index
    if index < 0:
        return CUBE_SIZE_M, CUBE_SIZE_M / 2
    return state.objects[index].width, state.objects[index].resting_height


def slide(state: PrimitiveState) -> ToolMotion:
    """Drag the held cube along the table to its goal, release it, move the finger aside, rise."""
    held = np.flatnonzero(state.observation.scene.held)
    if not len(held):
        return _retreat(state)
    cube = int(held[0])
    remaining = compute_slide_goal(state) - state.get_object_position(cube)
    vertical = PROPORTIONAL_GAIN * max(DRAG_HEIGHT_M - state.tool_position[2], remaining[2])
    remaining[2] = 0.0
    if is_within(remaining, 0.004):
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_OPEN_RAD)
    distance = math.hypot(remaining[0], remaining[1])
    drive = min(0.8 * MAX_DISPLACEMENT_M * state.style.speed_fraction, PROPORTIONAL_GAIN * distance + MIN_DRAG_STEP_M)
    step = remaining * (drive / distance) + (0.0, 0.0, vertical)
    return ToolMotion(step, _turn_to_object(state, cube), GRIPPER_CLOSED_RAD)


def release(state: PrimitiveState) -> ToolMotion:
    """Open the gripper at the current position, move the finger aside, rise."""
    if state.observation.scene.held.any():
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_OPEN_RAD)
    return _retreat(state)


def _turn_to_object(state: PrimitiveState, cube: int) -> float:
    """Return the next turn that aligns the held cube with the object, rad."""
    yaws = state.observation.scene.yaws
    return limit_turn(wrap_quarter_turn(float(yaws[state.object_index] - yaws[cube])))


def _retreat(state: PrimitiveState) -> ToolMotion:
    """Leave the nearest cube: the fixed finger moves aside while the jaw opens, then the tool rises."""
    nearest = min(
        state.cube_indices, key=lambda i: float(np.sum((state.get_object_position(i) - state.tool_position) ** 2))
    )
    relative = state.tool_position - state.get_object_position(nearest)
    rise = RETREAT_HEIGHT_M - float(relative[2])
    aside = -FINGER_CLEARANCE_M - float(relative @ state.jaw_direction)
    # With 3 mm left to go, the finger still dragged the cube along and tipped it over in a fifth of all scenes.
    clear = state.observation.gripper > 0.3 and aside > -0.001
    if relative[2] > 0.02 or math.hypot(relative[0], relative[1]) > 0.03:
        clear = True
    if clear:
        return ToolMotion(step_upwards(state, rise), 0.0, GRIPPER_OPEN_RAD, done=rise < RETREAT_TOLERANCE_M)
    return ToolMotion(state.jaw_direction * max(-0.0025, min(0.0, aside * PROPORTIONAL_GAIN)), 0.0, GRIPPER_OPEN_RAD)
