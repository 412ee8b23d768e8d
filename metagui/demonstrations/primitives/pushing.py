"""Feedback laws for the closed gripper: push a cube to a point, press a cube from above."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, ToolMotion
from metagui.arms.tables.table import CUBE_SIZE_M
from metagui.demonstrations.primitives.primitive import (
    FINGERTIP_OFFSET_M,
    PROPORTIONAL_GAIN,
    RETREAT_HEIGHT_M,
    RETREAT_TOLERANCE_M,
    PrimitiveState,
    is_within,
    limit_turn,
    step_along_funnel,
    step_upwards,
    turn_to_neutral,
    wrap_quarter_turn,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

DETOUR_RADIUS_M = 0.052
"""Distance from another cube's centre at which a pushed cube passes it, m."""
MIN_CUBE_DISTANCE_M = 0.034
"""Distance between two cubes' centres below which they touch, m."""
PUSH_HEIGHT_M = 0.012
"""Height of the tool during a push, m."""


def compute_push_goal(state: PrimitiveState) -> FloatArray:
    """Return the final centre (3,) of the pushed cube, m."""
    goal = state.get_object_position(state.target_index) + state.offset
    goal[2] = state.get_object_position(state.object_index)[2]
    return goal


def push(state: PrimitiveState) -> ToolMotion:
    """Move behind a cube on the line to its goal, then drive along the line, correcting sideways."""
    cube, goal = state.get_object_position(state.object_index), compute_push_goal(state)
    remaining = (goal - cube)[:2]
    tip = state.tool_position + FINGERTIP_OFFSET_M * state.jaw_direction
    # A cube that was pushed past its goal stays there: driving round it to push it back is worse.
    is_beyond = float((tip - cube)[:2] @ remaining) > 0.0
    if is_within(remaining, 0.006 if is_beyond else 0.003):
        rise = cube[2] + RETREAT_HEIGHT_M - state.tool_position[2]
        return _rise(state, rise, turn_to_neutral(state))
    displacement = _plan_detour(state, remaining)
    distance = math.hypot(displacement[0], displacement[1])
    ahead = np.array([displacement[0] / distance, displacement[1] / distance, 0.0])
    side = np.array([-ahead[1], ahead[0], 0.0])
    # The cube is pushed with a face of the fingers, not with an edge.
    turn = limit_turn(wrap_quarter_turn(math.atan2(ahead[1], ahead[0]) - state.observation.tool_yaw))
    relative = tip - cube
    along, across = float(relative @ ahead), float(relative @ side)
    descent = PUSH_HEIGHT_M - state.tool_position[2]
    own = state.objects[state.object_index]
    excess = (own.width - CUBE_SIZE_M) / 2
    if descent > -0.010 and -0.055 - excess < along < -0.012 - excess and abs(across) < 0.012:
        drive = min(0.006 * state.style.speed_fraction, 0.25 * distance + 0.0007)
        drive *= 1.0 - min(abs(across) / 0.014, 0.8)
        step = ahead * drive - side * (PROPORTIONAL_GAIN * across) + (0.0, 0.0, PROPORTIONAL_GAIN * descent)
        return ToolMotion(step, turn, GRIPPER_CLOSED_RAD)
    behind = cube - (0.036 + excess) * ahead - FINGERTIP_OFFSET_M * state.jaw_direction
    behind[2] = PUSH_HEIGHT_M
    return ToolMotion(step_along_funnel(state, state.tool_position, behind), turn, GRIPPER_CLOSED_RAD)


def press(state: PrimitiveState) -> ToolMotion:
    """Descend on a cube with closed fingers until it is touched, then rise."""
    cube = state.get_object_position(state.object_index)
    if state.memory.touched[state.object_index]:
        return _rise(state, cube[2] + RETREAT_HEIGHT_M - state.tool_position[2], 0.0)
    is_closed = state.observation.gripper < 0.0
    above = state.objects[state.object_index].support_height - CUBE_SIZE_M / 2
    goal = cube - FINGERTIP_OFFSET_M * state.jaw_direction + (0.0, 0.0, above + (0.014 if is_closed else 0.045))
    return ToolMotion(step_along_funnel(state, state.tool_position, goal), turn_to_neutral(state), GRIPPER_CLOSED_RAD)


def _rise(state: PrimitiveState, rise: float, turn: float) -> ToolMotion:
    """Return the next motion of a retreat with ``rise`` m left."""
    return ToolMotion(step_upwards(state, rise), turn, GRIPPER_CLOSED_RAD, done=rise < RETREAT_TOLERANCE_M)


def _plan_detour(state: PrimitiveState, displacement: FloatArray) -> FloatArray:
    """Return the displacement (2,) of a pushed cube, m: straight, or around the cube that is its target."""
    if state.target_index == state.object_index or state.target_index not in state.cube_indices:
        return displacement
    other = (state.get_object_position(state.target_index) - state.get_object_position(state.object_index))[:2]
    fraction = min(max(float(other @ displacement) / float(displacement @ displacement), 0.0), 1.0)
    nearest = fraction * displacement - other  # from the other cube to the straight line
    distance = math.hypot(nearest[0], nearest[1])
    if fraction in (0.0, 1.0) or distance > MIN_CUBE_DISTANCE_M:
        return displacement
    aside = (
        nearest / distance
        if distance > 0.001
        else np.array([-displacement[1], displacement[0]]) / math.hypot(displacement[0], displacement[1])
    )
    return np.asarray(other + DETOUR_RADIUS_M * aside)
