"""The motion generator: for every verb a feedback law from the present state to the next motion.

A law sees where things are now and little else, so that it recovers from whatever happened, and so that a policy
that sees the same can learn it. What it must remember of its segment (what was touched, how far it has gone round)
is in ``Memory``. The same laws carry out a person's clicks and drive the scripted demonstrators.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.kinematics import GRIPPER_CLOSED, GRIPPER_OPEN, MAX_STEP, MAX_TURN, Motion

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import BoolArray, FloatArray, Observation
    from metagui.demonstrations.demonstration import Click

GAIN = 0.35
"""Share of the remaining way covered in one decision, so that everything slows near its target."""
SIDESTEP = 0.006
"""The fixed finger keeps this far off a cube while going down or letting go, m: rising straight up tips cubes."""
TIP = -0.010
"""Middle of the closed fingers, from the tool along the jaw, m."""
RISE = 0.050
"""How far the tool rises above a cube it has finished with, m."""
LOW = 0.014
"""Height of a cube's centre that is dragged along the table, m: hardly above it."""
ROUND = 0.052
"""How far from the middle of another cube a pushed one goes round it, m; nearer than CLEAR they touch."""
CLEAR = 0.034
STILL = np.zeros(3)


@dataclass(frozen=True)
class Style:
    """How a demonstrator moves; people differ."""

    speed: float = 1.0
    """Share of the top speed."""
    slope: float = 2.5
    """How steeply the tool comes down on a target."""
    clearance: float = 0.055
    """How high above its target the tool travels, m."""
    wobble: float = 0.0
    """How unsteady the hand is: standard deviation of every step, as a share of its length."""
    seed: int = 0
    """Of the wobble."""
    tremble: float = 0.0
    """How far off its goals the arm wanders meanwhile, rad: so there is something to learn beside every path, and
    what is commanded there is right, where a wobble is wrong."""


@dataclass
class Memory:
    """What a law may remember of its own segment."""

    start: FloatArray
    """(3,) where the tool was when the click began."""
    touched: BoolArray
    """(A,) what has been touched since."""
    swept: float = 0.0
    """How far round a traced curve the tool has gone, rad, in the traced direction; of a path, the corners it met."""
    decisions: int = 0

    @classmethod
    def begin(cls, observation: Observation) -> Memory:
        """Start a segment at the present state."""
        return cls(observation.tool_position, np.zeros_like(observation.scene.touched))

    def update(self, observation: Observation) -> None:
        """Take in one more decision's state."""
        self.touched = self.touched | observation.scene.touched
        self.decisions += 1


@dataclass(frozen=True)
class Situation:
    """What a law sees: the click it carries out, the state now, and its names resolved to indices."""

    click: Click
    now: Observation
    memory: Memory
    style: Style
    anchor: int
    target: int
    """Index of the click's second anchor, or of the first again if it has none."""
    cubes: tuple[int, ...]

    @property
    def tool(self) -> FloatArray:
        """(3,) the tool's position."""
        return self.now.tool_position

    @property
    def jaw(self) -> FloatArray:
        """(3,) unit vector in which the moving jaw opens."""
        return np.array([math.cos(self.now.tool_yaw), math.sin(self.now.tool_yaw), 0.0])

    @property
    def keep(self) -> float:
        """Gripper target that changes nothing: open stays open, closed stays closed."""
        return GRIPPER_OPEN if self.now.gripper > 0.25 else GRIPPER_CLOSED

    def where(self, index: int) -> FloatArray:
        """(3,) position of an anchor."""
        return np.array(self.now.scene.positions[index])

    @property
    def offset(self) -> FloatArray:
        """(3,) the click's hidden offset."""
        return np.asarray(self.click.parameters.get("offset", (0.0, 0.0, 0.0)), dtype=np.float64)

    def number(self, name: str, default: float) -> float:
        """One of the click's numbers."""
        return float(self.click.parameters.get(name, default))


def wrap_square(angle: Any) -> Any:
    """Return the smallest turn that brings a square to ``angle``, in [-pi/4, pi/4), of numbers, arrays or tensors."""
    return (angle + math.pi / 4) % (math.pi / 2) - math.pi / 4


def _limited(way: FloatArray, most: float) -> FloatArray:
    """Return the next step along ``way``: a share of it, never more than ``most``."""
    length = math.sqrt(float(way @ way)) * GAIN
    return way * (GAIN if length <= most else GAIN * most / length)


def _turn(error: float) -> float:
    return max(-MAX_TURN, min(MAX_TURN, 0.5 * error))


def neutral(s: Situation) -> float:
    """Turn back to the jaw pointing forward."""
    return _turn(-s.now.tool_yaw)


def funnel(s: Situation, position: FloatArray, goal: FloatArray) -> FloatArray:
    """Step from ``position`` to ``goal`` so that height above it grows with distance: over, then down, in one law."""
    way = goal - position
    distance = math.hypot(way[0], way[1])
    lift = min(max(0.0, (distance - 0.004) * s.style.slope), s.style.clearance)
    climb = way[2] + lift
    free = 1.0 - min(max((climb - 0.004) / 0.02, 0.0), 1.0)
    most = MAX_STEP * s.style.speed
    across = _limited(np.array([way[0], way[1], 0.0]), most) * free
    vertical = max(-most, min(most, GAIN * climb))
    step = np.array([across[0], across[1], vertical])
    length = math.sqrt(float(step @ step))
    return step if length <= most else step * (most / length)


def _near(way: FloatArray, tolerance: float) -> bool:
    return float(way @ way) < tolerance * tolerance


def reach_goal(s: Situation) -> FloatArray:
    """(3,) where a reach ends."""
    return s.where(s.anchor) + s.offset


def reach(s: Situation) -> Motion:
    """Go to a point given from an anchor; whatever is held stays held."""
    goal = reach_goal(s)
    return Motion(funnel(s, s.tool, goal), neutral(s), s.keep, done=_near(goal - s.tool, 0.004))


def home(s: Situation) -> Motion:
    """Go to a point given from the table, and open if nothing is held."""
    gripper = GRIPPER_CLOSED if s.now.scene.held.any() else GRIPPER_OPEN
    goal = reach_goal(s)
    return Motion(funnel(s, s.tool, goal), neutral(s), gripper, done=_near(goal - s.tool, 0.004))


def move(s: Situation) -> Motion:
    """Go a short way from where the click began."""
    goal = s.memory.start + s.offset
    step = _limited(goal - s.tool, MAX_STEP * s.style.speed)
    return Motion(step, 0.0, s.keep, done=_near(goal - s.tool, 0.003))


def grasp(s: Situation) -> Motion:
    """Come down on a cube with the fixed finger a little off, close, lift."""
    cube = s.where(s.anchor)
    if s.now.scene.held[s.anchor]:
        rise = s.number("height", 0.075) - s.tool[2]
        step = np.array([0.0, 0.0, min(MAX_STEP * s.style.speed, GAIN * rise + 0.001)])
        return Motion(step, 0.0, GRIPPER_CLOSED, done=rise < 0.004)
    relative = s.tool - cube
    along = float(relative @ s.jaw)
    across = float(relative[1] * s.jaw[0] - relative[0] * s.jaw[1])
    if -0.010 < along < 0.005 and abs(across) < 0.005 and relative[2] < 0.004 and s.now.gripper > -0.05:
        return Motion(STILL, 0.0, GRIPPER_CLOSED)
    error = wrap_square(float(s.now.scene.yaws[s.anchor]) - s.now.tool_yaw)
    ready = s.now.gripper > 0.32 and abs(error) < 0.15
    goal = cube - SIDESTEP * s.jaw + (0.0, 0.0, 0.0 if ready else 0.04)
    return Motion(funnel(s, s.tool, goal), _turn(error), GRIPPER_OPEN)


def place_goal(s: Situation, cube: int) -> FloatArray:
    """(3,) where the centre of the placed cube ends: on the anchor, or on the table if that is beside it."""
    goal = s.where(s.anchor) + s.offset
    size = 0.025
    on_cube = s.anchor in s.cubes and math.hypot(*s.offset[:2]) < size and s.anchor != cube
    goal[2] = (s.where(s.anchor)[2] + size) if on_cube else size / 2
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
    return Motion(funnel(s, s.where(cube), goal), _turn(error), GRIPPER_CLOSED)


def slide(s: Situation) -> Motion:
    """Drag what is held along the table, let go, step aside, rise."""
    held = np.flatnonzero(s.now.scene.held)
    if not len(held):
        return _withdraw(s)
    cube = int(held[0])
    way = slide_goal(s) - s.where(cube)
    low = GAIN * way[2]
    way[2] = 0.0
    if _near(way, 0.003):
        return Motion(STILL, 0.0, GRIPPER_OPEN)
    error = wrap_square(float(s.now.scene.yaws[s.anchor] - s.now.scene.yaws[cube]))
    step = _limited(way, 0.8 * MAX_STEP * s.style.speed) + (0.0, 0.0, low)
    return Motion(step, _turn(error), GRIPPER_CLOSED)


def slide_goal(s: Situation) -> FloatArray:
    """(3,) where the centre of a dragged cube ends."""
    goal = s.where(s.anchor) + s.offset
    goal[2] = LOW
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
    if _near(left, 0.006 if beyond else 0.003):
        rise = cube[2] + RISE - s.tool[2]
        step = np.array([0.0, 0.0, min(MAX_STEP * s.style.speed, GAIN * rise + 0.001)])
        return Motion(step, neutral(s), GRIPPER_CLOSED, done=rise < 0.004)
    way = _round(s, left)
    distance = math.hypot(way[0], way[1])
    ahead = np.array([way[0] / distance, way[1] / distance, 0.0])
    side = np.array([-ahead[1], ahead[0], 0.0])
    turn = _turn(wrap_square(math.atan2(ahead[1], ahead[0]) - s.now.tool_yaw))  # push with a face, not an edge
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


@dataclass(frozen=True)
class Ellipse:
    """A closed curve to trace: centre and two perpendicular half-axes, (3,) each, m."""

    centre: FloatArray
    first: FloatArray
    second: FloatArray
    direction: float

    def coordinates(self, point: FloatArray) -> tuple[float, float, FloatArray]:
        """Return the two coordinates in units of the half-axes, and what sticks out of the plane, (3,) m."""
        relative = point - self.centre
        u = float(relative @ self.first) / float(self.first @ self.first)
        v = float(relative @ self.second) / float(self.second @ self.second)
        return u, v, relative - u * self.first - v * self.second


def traced_ellipse(s: Situation) -> Ellipse:
    """Return the circle or ellipse a trace click asks for."""
    radius = s.number("radius", 0.03)
    centre = s.where(s.anchor) + s.offset
    first = np.array([radius, 0.0, 0.0])
    second = np.array([0.0, radius * s.number("ratio", 1.0), 0.0])
    if s.click.parameters.get("plane") == "vertical":
        second = second[[0, 2, 1]]
    return Ellipse(centre, first, second, math.copysign(1.0, s.number("direction", 1.0)))


def trace(s: Situation) -> Motion:
    """Follow a line or a zigzag, or go once round a circle or an ellipse."""
    if s.click.parameters.get("shape", "circle") in ("line", "zigzag"):
        return _trace_path(s)
    curve = traced_ellipse(s)
    u, v, out = curve.coordinates(s.tool)
    rho = max(math.hypot(u, v), 1e-6)
    error = (1.0 - rho) / rho * (u * curve.first + v * curve.second) if rho > 0.05 else curve.first
    tangent = curve.direction * (u * curve.second - v * curve.first) / rho
    tangent = tangent / max(math.sqrt(float(tangent @ tangent)), 1e-6)
    astray = math.sqrt(float(error @ error)) + math.sqrt(float(out @ out))
    on = 1.0 - min(astray / 0.012, 1.0)
    most = MAX_STEP * s.style.speed
    if on == 0.0:
        nearest = s.tool + error - out
        return Motion(funnel(s, s.tool, nearest), neutral(s), s.keep)
    step = tangent * (on * 0.7 * most) + GAIN * (error - out)
    turned = curve.direction * float(step @ (u * curve.second - v * curve.first)) / (rho * _square(curve))
    s.memory.swept += turned
    return Motion(step, neutral(s), s.keep, done=s.memory.swept > 2 * math.pi + 0.1)


def _square(curve: Ellipse) -> float:
    """Mean squared half-axis, m^2: turns a step along the curve into an angle."""
    return float(curve.first @ curve.first + curve.second @ curve.second) / 2


def traced_corners(s: Situation) -> FloatArray:
    """(C, 3) the corners of a traced line (its two ends) or zigzag (four, in three strokes)."""
    angle, half = s.number("angle", 0.0), s.number("length", 0.06) / 2
    ahead = np.array([math.cos(angle), math.sin(angle), 0.0])
    aside = np.array([-ahead[1], ahead[0], 0.0])
    along, across = np.array([-half, half]), np.zeros(2)
    if s.click.parameters.get("shape") == "zigzag":
        width = s.number("width", 0.03) / 2
        along, across = np.linspace(-half, half, 4), np.array([-width, width, -width, width])
    return np.asarray(s.where(s.anchor) + s.offset + along[:, None] * ahead + across[:, None] * aside)


def _trace_path(s: Situation) -> Motion:
    """Go to the first corner, then from corner to corner, correcting sideways and slowing before each."""
    corners = traced_corners(s)
    if s.memory.swept == 0.0 and _near(corners[0] - s.tool, 0.005):
        s.memory.swept = 1.0
    stroke = max(int(s.memory.swept), 1)
    first, last = corners[stroke - 1], corners[stroke]
    length = math.sqrt(float((last - first) @ (last - first)))
    ahead = (last - first) / length
    along = float((s.tool - first) @ ahead)
    astray = s.tool - first - along * ahead
    off = math.sqrt(float(astray @ astray))
    if s.memory.swept == 0.0 or along < -0.006 or off > 0.010:
        return Motion(funnel(s, s.tool, first), neutral(s), s.keep)
    there = along > length - 0.003
    if there and stroke < len(corners) - 1:
        s.memory.swept += 1.0
    most = 0.7 * MAX_STEP * s.style.speed
    drive = min(most, GAIN * max(length - along, 0.0) + 0.001) * (1.0 - 0.8 * off / 0.010)
    done = there and stroke == len(corners) - 1
    return Motion(ahead * drive - GAIN * astray, neutral(s), s.keep, done=done)


LAWS: dict[str, Callable[[Situation], Motion]] = {
    "reach": reach,
    "grasp": grasp,
    "place": place,
    "slide": slide,
    "release": release,
    "push": push,
    "press": press,
    "trace": trace,
    "move": move,
    "home": home,
}
