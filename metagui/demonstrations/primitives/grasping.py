"""Laws of what is held: taking it, putting it down, dragging it, letting go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, MAX_DISPLACEMENT_M, ToolMotion
from metagui.arms.simulation.scene import CUBE_SIZE_M
from metagui.demonstrations.primitives.primitive import (
    PROPORTIONAL_GAIN,
    RETREAT_HEIGHT_M,
    ZERO_DISPLACEMENT,
    PrimitiveState,
    is_within,
    limit_turn,
    step_along_funnel,
    wrap_quarter_turn,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

FINGER_CLEARANCE_M = 0.006
"""The fixed finger keeps this far off a cube while going down or letting go, m: rising straight up tips cubes."""
GRASP_DEPTH_M = 0.002
"""The tool goes down to this far below a cube's middle to close around it, m, and low grasps rise from there."""
DRAG_HEIGHT_M = 0.014
"""Height of the tool while it drags a cube along the table, m: the cube hangs hardly above it."""
MIN_DRAG_STEP_M = 0.0015
"""Slowest that a cube is dragged towards its goal, m a decision: who learns from it must not come to rest before."""


def grasp(state: PrimitiveState) -> ToolMotion:
    """Come down on a cube with the fixed finger a little off, close, lift."""
    cube = state.get_object_position(state.object_index)
    if state.observation.scene.held[state.object_index]:
        rise = state.get_parameter("height", 0.075) - state.tool_position[2]
        step = np.array(
            [0.0, 0.0, min(MAX_DISPLACEMENT_M * state.style.speed_fraction, PROPORTIONAL_GAIN * rise + 0.001)]
        )
        return ToolMotion(step, 0.0, GRIPPER_CLOSED_RAD, done=rise < 0.001)
    relative = state.tool_position - cube
    along = float(relative @ state.jaw_direction)
    across = float(relative[1] * state.jaw_direction[0] - relative[0] * state.jaw_direction[1])
    if -0.010 < along < 0.005 and abs(across) < 0.005 and relative[2] < 0.001 and state.observation.gripper > -0.05:
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_CLOSED_RAD)
    error = wrap_quarter_turn(float(state.observation.scene.yaws[state.object_index]) - state.observation.tool_yaw)
    ready = state.observation.gripper > 0.32 and abs(error) < 0.15
    goal = cube - FINGER_CLEARANCE_M * state.jaw_direction + (0.0, 0.0, -GRASP_DEPTH_M if ready else 0.04)
    return ToolMotion(step_along_funnel(state, state.tool_position, goal), limit_turn(error), GRIPPER_OPEN_RAD)


def compute_place_goal(state: PrimitiveState, cube_index: int) -> FloatArray:
    """(3,) where the centre of the placed cube ends: on the anchor, or on the table if that is beside it."""
    goal = state.get_object_position(state.object_index) + state.offset
    on_cube = (
        state.object_index in state.cube_indices
        and math.hypot(*state.offset[:2]) < CUBE_SIZE_M
        and state.object_index != cube_index
    )
    goal[2] = (state.get_object_position(state.object_index)[2] + CUBE_SIZE_M) if on_cube else CUBE_SIZE_M / 2
    return goal


def place(state: PrimitiveState) -> ToolMotion:
    """Carry what is held to the target, let go, step aside, rise."""
    held = np.flatnonzero(state.observation.scene.held)
    if not len(held):
        return _retreat(state)
    cube = int(held[0])
    goal = compute_place_goal(state, cube)
    way = goal - state.get_object_position(cube)
    if math.hypot(way[0], way[1]) < 0.004 and way[2] > -0.004:
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_OPEN_RAD)
    error = wrap_quarter_turn(
        float(state.observation.scene.yaws[state.object_index] - state.observation.scene.yaws[cube])
    )
    return ToolMotion(
        step_along_funnel(state, state.get_object_position(cube), goal), limit_turn(error), GRIPPER_CLOSED_RAD
    )


def slide(state: PrimitiveState) -> ToolMotion:
    """Drag what is held along the table, let go, step aside, rise."""
    held = np.flatnonzero(state.observation.scene.held)
    if not len(held):
        return _retreat(state)
    cube = int(held[0])
    way = compute_slide_goal(state) - state.get_object_position(cube)
    low = PROPORTIONAL_GAIN * max(DRAG_HEIGHT_M - state.tool_position[2], way[2])
    way[2] = 0.0
    if is_within(way, 0.004):
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_OPEN_RAD)
    error = wrap_quarter_turn(
        float(state.observation.scene.yaws[state.object_index] - state.observation.scene.yaws[cube])
    )
    distance = math.hypot(way[0], way[1])
    drive = min(0.8 * MAX_DISPLACEMENT_M * state.style.speed_fraction, PROPORTIONAL_GAIN * distance + MIN_DRAG_STEP_M)
    return ToolMotion(way * (drive / distance) + (0.0, 0.0, low), limit_turn(error), GRIPPER_CLOSED_RAD)


def compute_slide_goal(state: PrimitiveState) -> FloatArray:
    """(3,) where the centre of a dragged cube ends."""
    goal = state.get_object_position(state.object_index) + state.offset
    goal[2] = CUBE_SIZE_M / 2
    return goal


def release(state: PrimitiveState) -> ToolMotion:
    """Open here, step aside, rise."""
    if state.observation.scene.held.any():
        return ToolMotion(ZERO_DISPLACEMENT, 0.0, GRIPPER_OPEN_RAD)
    return _retreat(state)


def _retreat(state: PrimitiveState) -> ToolMotion:
    """Leave the nearest cube: the fixed finger steps off sideways while the jaw opens, then up."""
    nearest = min(
        state.cube_indices, key=lambda i: float(np.sum((state.get_object_position(i) - state.tool_position) ** 2))
    )
    relative = state.tool_position - state.get_object_position(nearest)
    rise = RETREAT_HEIGHT_M - float(relative[2])
    aside = -FINGER_CLEARANCE_M - float(relative @ state.jaw_direction)
    clear = state.observation.gripper > 0.3 and aside > -0.003
    if relative[2] > 0.02 or math.hypot(relative[0], relative[1]) > 0.03:
        clear = True
    if clear:
        step = np.array(
            [0.0, 0.0, min(MAX_DISPLACEMENT_M * state.style.speed_fraction, PROPORTIONAL_GAIN * rise + 0.001)]
        )
        return ToolMotion(step, 0.0, GRIPPER_OPEN_RAD, done=rise < 0.004)
    return ToolMotion(state.jaw_direction * max(-0.0025, min(0.0, aside * PROPORTIONAL_GAIN)), 0.0, GRIPPER_OPEN_RAD)
