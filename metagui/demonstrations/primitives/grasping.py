"""Laws of what is held: taking it, putting it down, dragging it, letting go."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED, GRIPPER_OPEN, MAX_STEP, Motion
from metagui.arms.simulation.scene import CUBE
from metagui.demonstrations.primitives.primitive import GAIN, RISE, STILL, Situation, funnel, near, turning, wrap_square

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray

SIDESTEP = 0.006
"""The fixed finger keeps this far off a cube while going down or letting go, m: rising straight up tips cubes."""
DEEP = 0.002
"""The tool goes down to this far below a cube's middle to close around it, m, and low grasps rise from there."""
LOW = 0.014
"""Height of the tool while it drags a cube along the table, m: the cube hangs hardly above it."""
CREEP = 0.0015
"""Slowest that a cube is dragged towards its goal, m a decision: who learns from it must not come to rest before."""


def grasp(s: Situation) -> Motion:
    """Come down on a cube with the fixed finger a little off, close, lift."""
    cube = s.where(s.anchor)
    if s.now.scene.held[s.anchor]:
        rise = s.number("height", 0.075) - s.tool[2]
        step = np.array([0.0, 0.0, min(MAX_STEP * s.style.speed, GAIN * rise + 0.001)])
        return Motion(step, 0.0, GRIPPER_CLOSED, done=rise < 0.001)
    relative = s.tool - cube
    along = float(relative @ s.jaw)
    across = float(relative[1] * s.jaw[0] - relative[0] * s.jaw[1])
    if -0.010 < along < 0.005 and abs(across) < 0.005 and relative[2] < 0.001 and s.now.gripper > -0.05:
        return Motion(STILL, 0.0, GRIPPER_CLOSED)
    error = wrap_square(float(s.now.scene.yaws[s.anchor]) - s.now.tool_yaw)
    ready = s.now.gripper > 0.32 and abs(error) < 0.15
    goal = cube - SIDESTEP * s.jaw + (0.0, 0.0, -DEEP if ready else 0.04)
    return Motion(funnel(s, s.tool, goal), turning(error), GRIPPER_OPEN)


def place_goal(s: Situation, cube: int) -> FloatArray:
    """(3,) where the centre of the placed cube ends: on the anchor, or on the table if that is beside it."""
    goal = s.where(s.anchor) + s.offset
    on_cube = s.anchor in s.cubes and math.hypot(*s.offset[:2]) < CUBE and s.anchor != cube
    goal[2] = (s.where(s.anchor)[2] + CUBE) if on_cube else CUBE / 2
    return goal


def place(s: Situation) -> Motion:
    """Carry what is held to the target, let go, step aside, rise."""
    held = np.flatnonzero(s.now.scene.held)
    if not len(held):
        return _withdraw(s)
    cube = int(held[0])
    goal = place_goal(s, cube)
    way = goal - s.where(cube)
    if math.hypot(way[0], way[1]) < 0.004 and way[2] > -0.004:
        return Motion(STILL, 0.0, GRIPPER_OPEN)
    error = wrap_square(float(s.now.scene.yaws[s.anchor] - s.now.scene.yaws[cube]))
    return Motion(funnel(s, s.where(cube), goal), turning(error), GRIPPER_CLOSED)


def slide(s: Situation) -> Motion:
    """Drag what is held along the table, let go, step aside, rise."""
    held = np.flatnonzero(s.now.scene.held)
    if not len(held):
        return _withdraw(s)
    cube = int(held[0])
    way = slide_goal(s) - s.where(cube)
    low = GAIN * max(LOW - s.tool[2], way[2])
    way[2] = 0.0
    if near(way, 0.004):
        return Motion(STILL, 0.0, GRIPPER_OPEN)
    error = wrap_square(float(s.now.scene.yaws[s.anchor] - s.now.scene.yaws[cube]))
    distance = math.hypot(way[0], way[1])
    drive = min(0.8 * MAX_STEP * s.style.speed, GAIN * distance + CREEP)
    return Motion(way * (drive / distance) + (0.0, 0.0, low), turning(error), GRIPPER_CLOSED)


def slide_goal(s: Situation) -> FloatArray:
    """(3,) where the centre of a dragged cube ends."""
    goal = s.where(s.anchor) + s.offset
    goal[2] = CUBE / 2
    return goal


def release(s: Situation) -> Motion:
    """Open here, step aside, rise."""
    if s.now.scene.held.any():
        return Motion(STILL, 0.0, GRIPPER_OPEN)
    return _withdraw(s)


def _withdraw(s: Situation) -> Motion:
    """Leave the nearest cube: the fixed finger steps off sideways while the jaw opens, then up."""
    nearest = min(s.cubes, key=lambda i: float(np.sum((s.where(i) - s.tool) ** 2)))
    relative = s.tool - s.where(nearest)
    rise = RISE - float(relative[2])
    aside = -SIDESTEP - float(relative @ s.jaw)
    clear = s.now.gripper > 0.3 and aside > -0.003
    if relative[2] > 0.02 or math.hypot(relative[0], relative[1]) > 0.03:
        clear = True
    if clear:
        step = np.array([0.0, 0.0, min(MAX_STEP * s.style.speed, GAIN * rise + 0.001)])
        return Motion(step, 0.0, GRIPPER_OPEN, done=rise < 0.004)
    return Motion(s.jaw * max(-0.0025, min(0.0, aside * GAIN)), 0.0, GRIPPER_OPEN)
