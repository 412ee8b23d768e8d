"""Laws of the closed gripper: pushing a cube somewhere, pressing one from above."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED, MAX_STEP, Motion
from metagui.demonstrations.primitives.primitive import (
    GAIN,
    RISE,
    TIP,
    Situation,
    funnel,
    near,
    neutral,
    turning,
    wrap_square,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

ROUND = 0.052
"""How far from the middle of another cube a pushed one goes round it, m; nearer than CLEAR they touch."""
CLEAR = 0.034


def push_goal(s: Situation) -> FloatArray:
    """(3,) where the centre of the pushed cube ends."""
    goal = s.where(s.target) + s.offset
    goal[2] = s.where(s.anchor)[2]
    return goal


def push(s: Situation) -> Motion:
    """Get behind a cube on the line to its goal, low and closed, then drive along the line, correcting sideways."""
    cube, goal = s.where(s.anchor), push_goal(s)
    left = (goal - cube)[:2]
    beyond = float((s.tool + TIP * s.jaw - cube)[:2] @ left) > 0.0  # pushed past it: better than going round it
    if near(left, 0.006 if beyond else 0.003):
        rise = cube[2] + RISE - s.tool[2]
        step = np.array([0.0, 0.0, min(MAX_STEP * s.style.speed, GAIN * rise + 0.001)])
        return Motion(step, neutral(s), GRIPPER_CLOSED, done=rise < 0.004)
    way = _round(s, left)
    distance = math.hypot(way[0], way[1])
    ahead = np.array([way[0] / distance, way[1] / distance, 0.0])
    side = np.array([-ahead[1], ahead[0], 0.0])
    turn = turning(wrap_square(math.atan2(ahead[1], ahead[0]) - s.now.tool_yaw))  # push with a face, not an edge
    tip = s.tool + TIP * s.jaw
    relative = tip - cube
    along, across = float(relative @ ahead), float(relative @ side)
    low = 0.012 - s.tool[2]
    if low > -0.010 and -0.055 < along < -0.012 and abs(across) < 0.012:
        drive = min(0.006 * s.style.speed, 0.25 * distance + 0.0007)
        drive *= 1.0 - min(abs(across) / 0.014, 0.8)
        step = ahead * drive - side * (GAIN * across) + (0.0, 0.0, GAIN * low)
        return Motion(step, turn, GRIPPER_CLOSED)
    behind = cube - 0.036 * ahead - TIP * s.jaw
    behind[2] = 0.012
    return Motion(funnel(s, s.tool, behind), turn, GRIPPER_CLOSED)


def _round(s: Situation, way: FloatArray) -> FloatArray:
    """(2,) the way that a pushed cube goes: straight, or round the other cube that it is to lie beside."""
    if s.target == s.anchor or s.target not in s.cubes:
        return way
    other = (s.where(s.target) - s.where(s.anchor))[:2]
    share = min(max(float(other @ way) / float(way @ way), 0.0), 1.0)
    nearest = share * way - other  # from the other cube to the straight way
    off = math.hypot(nearest[0], nearest[1])
    if share in (0.0, 1.0) or off > CLEAR:
        return way
    aside = nearest / off if off > 0.001 else np.array([-way[1], way[0]]) / math.hypot(way[0], way[1])
    return np.asarray(other + ROUND * aside)


def press(s: Situation) -> Motion:
    """Come down on a cube with closed fingers until it is touched, then rise."""
    cube = s.where(s.anchor)
    if s.memory.touched[s.anchor]:
        rise = cube[2] + RISE - s.tool[2]
        step = np.array([0.0, 0.0, min(MAX_STEP * s.style.speed, GAIN * rise + 0.001)])
        return Motion(step, 0.0, GRIPPER_CLOSED, done=rise < 0.004)
    ready = s.now.gripper < 0.0
    goal = cube - TIP * s.jaw + (0.0, 0.0, 0.014 if ready else 0.045)
    return Motion(funnel(s, s.tool, goal), neutral(s), GRIPPER_CLOSED)
