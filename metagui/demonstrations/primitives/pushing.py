"""Laws of the closed gripper: pushing a cube somewhere, pressing one from above."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, MAX_DISPLACEMENT_M, ToolMotion
from metagui.demonstrations.primitives.primitive import (
    FINGERTIP_OFFSET_M,
    PROPORTIONAL_GAIN,
    RETREAT_HEIGHT_M,
    PrimitiveState,
    is_within,
    limit_turn,
    step_along_funnel,
    turn_to_neutral,
    wrap_quarter_turn,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

DETOUR_RADIUS_M = 0.052
"""How far from the middle of another cube a pushed one goes round it, m; nearer than CLEAR they touch."""
MIN_CUBE_DISTANCE_M = 0.034


def compute_push_goal(state: PrimitiveState) -> FloatArray:
    """(3,) where the centre of the pushed cube ends."""
    goal = state.get_object_position(state.target_index) + state.offset
    goal[2] = state.get_object_position(state.object_index)[2]
    return goal


def push(state: PrimitiveState) -> ToolMotion:
    """Get behind a cube on the line to its goal, low and closed, then drive along the line, correcting sideways."""
    cube, goal = state.get_object_position(state.object_index), compute_push_goal(state)
    left = (goal - cube)[:2]
    beyond = (
        float((state.tool_position + FINGERTIP_OFFSET_M * state.jaw_direction - cube)[:2] @ left) > 0.0
    )  # pushed past it: better than going round it
    if is_within(left, 0.006 if beyond else 0.003):
        rise = cube[2] + RETREAT_HEIGHT_M - state.tool_position[2]
        step = np.array(
            [0.0, 0.0, min(MAX_DISPLACEMENT_M * state.style.speed_fraction, PROPORTIONAL_GAIN * rise + 0.001)]
        )
        return ToolMotion(step, turn_to_neutral(state), GRIPPER_CLOSED_RAD, done=rise < 0.004)
    way = _plan_detour(state, left)
    distance = math.hypot(way[0], way[1])
    ahead = np.array([way[0] / distance, way[1] / distance, 0.0])
    side = np.array([-ahead[1], ahead[0], 0.0])
    turn = limit_turn(
        wrap_quarter_turn(math.atan2(ahead[1], ahead[0]) - state.observation.tool_yaw)
    )  # push with a face, not an edge
    tip = state.tool_position + FINGERTIP_OFFSET_M * state.jaw_direction
    relative = tip - cube
    along, across = float(relative @ ahead), float(relative @ side)
    low = 0.012 - state.tool_position[2]
    if low > -0.010 and -0.055 < along < -0.012 and abs(across) < 0.012:
        drive = min(0.006 * state.style.speed_fraction, 0.25 * distance + 0.0007)
        drive *= 1.0 - min(abs(across) / 0.014, 0.8)
        step = ahead * drive - side * (PROPORTIONAL_GAIN * across) + (0.0, 0.0, PROPORTIONAL_GAIN * low)
        return ToolMotion(step, turn, GRIPPER_CLOSED_RAD)
    behind = cube - 0.036 * ahead - FINGERTIP_OFFSET_M * state.jaw_direction
    behind[2] = 0.012
    return ToolMotion(step_along_funnel(state, state.tool_position, behind), turn, GRIPPER_CLOSED_RAD)


def _plan_detour(state: PrimitiveState, displacement: FloatArray) -> FloatArray:
    """(2,) the way that a pushed cube goes: straight, or round the other cube that it is to lie beside."""
    if state.target_index == state.object_index or state.target_index not in state.cube_indices:
        return displacement
    other = (state.get_object_position(state.target_index) - state.get_object_position(state.object_index))[:2]
    share = min(max(float(other @ displacement) / float(displacement @ displacement), 0.0), 1.0)
    nearest = share * displacement - other  # from the other cube to the straight way
    off = math.hypot(nearest[0], nearest[1])
    if share in (0.0, 1.0) or off > MIN_CUBE_DISTANCE_M:
        return displacement
    aside = (
        nearest / off
        if off > 0.001
        else np.array([-displacement[1], displacement[0]]) / math.hypot(displacement[0], displacement[1])
    )
    return np.asarray(other + DETOUR_RADIUS_M * aside)


def press(state: PrimitiveState) -> ToolMotion:
    """Come down on a cube with closed fingers until it is touched, then rise."""
    cube = state.get_object_position(state.object_index)
    if state.memory.touched[state.object_index]:
        rise = cube[2] + RETREAT_HEIGHT_M - state.tool_position[2]
        step = np.array(
            [0.0, 0.0, min(MAX_DISPLACEMENT_M * state.style.speed_fraction, PROPORTIONAL_GAIN * rise + 0.001)]
        )
        return ToolMotion(step, 0.0, GRIPPER_CLOSED_RAD, done=rise < 0.004)
    ready = state.observation.gripper < 0.0
    goal = cube - FINGERTIP_OFFSET_M * state.jaw_direction + (0.0, 0.0, 0.014 if ready else 0.045)
    return ToolMotion(step_along_funnel(state, state.tool_position, goal), turn_to_neutral(state), GRIPPER_CLOSED_RAD)
