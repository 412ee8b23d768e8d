"""Human-like demonstrators: simulated people who guide the simulated arm by hand, each with habits of their own.

They share no code with the feedback laws of the scripted demonstrator. A person moves in minimum-jerk strokes (Flash
and Hogan, 1985), misses by millimetres and corrects visible errors, aligns before a contact, pauses, hesitates,
trembles, and sometimes grasps again. A policy trained on scripted takes only has never seen that.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_RATE_HZ, Command, UnreachableError, read_only_copy
from metagui.arms.control.loop import ControlLoop
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, inverse_kinematics
from metagui.arms.simulation.scene import CUBE_SIZE_M
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.primitives.primitive import FINGERTIP_OFFSET_M, wrap_quarter_turn
from metagui.demonstrations.recording.take_builder import InMemoryRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.arms.arm import FloatArray, Observation
    from metagui.demonstrations.demonstration import Demonstration, Instruction

    Motion = Generator[None, None, None]

DECISION_RATE_HZ = CONTROL_RATE_HZ / TICKS_PER_DECISION
MAX_HAND_GUIDED_TICKS = 4500
"""Maximum number of ticks of a take (90 s)."""
ALIGN_HEIGHT_M = 0.028
"""Height above a contact at which a person aligns, m."""
MIN_VISIBLE_ERROR_M = 0.003
"""Minimum error that a person sees and corrects, m."""
RELEASE_DISTANCE_M = 0.007
"""Distance by which the fixed finger is moved off a cube during release, m."""


@dataclass(frozen=True)
class HumanStyle:
    """Habits of one simulated person."""

    name: str
    speed: float
    """Mean speed of a stroke, m/s; the scripted demonstrator's maximum is 0.25."""
    speed_variation: float = 0.2
    """Standard deviation of the logarithm of a stroke's speed."""
    aim_error: float = 0.003
    """Standard deviation of a stroke's end, m."""
    align_duration: tuple[float, float] = (0.4, 1.2)
    """Minimum and maximum time spent above a contact, s."""
    pause_probability: float = 0.4
    """Probability of a pause between two instructions."""
    pause_duration: tuple[float, float] = (0.3, 1.2)
    """Minimum and maximum duration of a pause, s."""
    hesitation_probability: float = 0.15
    """Probability of a stop in the middle of a stroke."""
    tremor: float = 0.0010
    """Amplitude of the tremor, m."""
    regrasp_probability: float = 0.1
    """Probability that a grasp is repeated."""
    travel_height: float = 0.075
    """Height above the goal during travel, m."""
    curvature: float = 0.08
    """Standard deviation of a stroke's lateral deviation, as a fraction of its length."""
    gripper_opening: float = GRIPPER_OPEN_RAD
    """Angle to which the gripper is opened, rad."""


TUNING_STYLES = (
    HumanStyle(
        "brisk", 0.20, aim_error=0.003, align_duration=(0.2, 0.6), pause_probability=0.2,
        hesitation_probability=0.05, regrasp_probability=0.0,
    ),
    HumanStyle(
        "careful", 0.10, aim_error=0.002, align_duration=(1.0, 2.2), pause_probability=0.5, tremor=0.0008,
        travel_height=0.06,
    ),
    HumanStyle(
        "trembling", 0.13, speed_variation=0.35, aim_error=0.004, tremor=0.0020, regrasp_probability=0.2,
        curvature=0.15,
    ),
)  # fmt: skip
"""People on whom thresholds and choices may be tuned."""
HELD_OUT_STYLES = (
    HumanStyle(
        "hesitant", 0.09, speed_variation=0.4, align_duration=(0.6, 2.0), pause_probability=0.7,
        hesitation_probability=0.5, tremor=0.0012, regrasp_probability=0.15,
    ),
    HumanStyle(
        "clumsy", 0.16, aim_error=0.005, tremor=0.0015, regrasp_probability=0.5, travel_height=0.09, curvature=0.2,
        gripper_opening=0.55,
    ),
)  # fmt: skip
"""People on whom nothing may be tuned, for reports."""


class HumanDemonstrator:
    """Guides the arm by hand through instructions. Implements Controller: joint targets without an instruction."""

    def __init__(
        self, style: HumanStyle, arm: SimulatedArm, instructions: Sequence[Instruction], rng: np.random.Generator
    ) -> None:
        self._style, self._rng = style, rng
        self._names = [each.name for each in arm.objects]
        self._now = arm.observe_all()
        self._position = self._now.tool_position.copy()
        self._yaw, self._gripper = self._now.tool_yaw, float(self._now.gripper)
        self._waves = [(rng.uniform(3, 8), rng.uniform(0, 2 * np.pi, 3), rng.normal(size=3)) for _ in range(4)]
        self._decisions = 0
        self._joints = self._now.joints.positions[:-1]
        self._motion = self._carry_out(instructions)
        self.finished = False
        """True if the person has let go of the arm."""

    def decide(self, observation: Observation) -> Command | None:
        """Return the next joint targets, None at the end; out of reach the joints stay."""
        self._now = observation
        try:
            next(self._motion)
        except StopIteration:
            self.finished = True
            return None
        self._decisions += 1
        with contextlib.suppress(UnreachableError):
            self._joints = inverse_kinematics(self._position + self._compute_tremor(), self._yaw)
        return Command(read_only_copy(np.append(self._joints, self._gripper)))

    def _compute_tremor(self) -> FloatArray:
        """Return the current displacement (3,) by the tremor, m."""
        time = self._decisions / DECISION_RATE_HZ
        waves = [size * np.sin(2 * np.pi * rate * time + phase) for rate, phase, size in self._waves]
        return np.asarray(self._style.tremor * np.sum(waves, axis=0) / math.sqrt(2 * len(waves)))

    def _carry_out(self, instructions: Sequence[Instruction]) -> Motion:
        actions = {"reach": self._reach, "press": self._press, "grasp": self._grasp, "place": self._place}
        yield from self._wait(self._rng.uniform(0.2, 1.0))
        for index, instruction in enumerate(instructions):
            if index and self._rng.random() < self._style.pause_probability:
                yield from self._wait(self._rng.uniform(*self._style.pause_duration))
            yield from actions[instruction.action](instruction)
        yield from self._wait(self._rng.uniform(0.3, 1.0))

    # Actions

    def _reach(self, instruction: Instruction) -> Motion:
        """Go to a point relative to an object."""
        yield from self._stroke(self._compute_goal(instruction), 0.0)
        yield from self._correct(lambda: self._compute_goal(instruction))

    def _press(self, instruction: Instruction) -> Motion:
        """Close the gripper, descend on a cube until it is touched, rise."""
        yield from self._move_gripper(GRIPPER_CLOSED_RAD)
        cube = self._names.index(instruction.object_name)

        def above() -> FloatArray:
            return self._get_position(cube) - FINGERTIP_OFFSET_M * self._jaw_direction + (0.0, 0.0, ALIGN_HEIGHT_M)

        yield from self._align(above, 0.0)
        for _ in range(60):
            yield from self._descend()
            if self._now.scene.touched[cube]:
                break
        yield from self._rise()

    def _grasp(self, instruction: Instruction) -> Motion:
        """Open the gripper, align, descend, close, lift; sometimes open and close again before."""
        yield from self._move_gripper(self._style.gripper_opening)
        cube = self._names.index(instruction.object_name)
        again = self._rng.random() < self._style.regrasp_probability
        for _ in range(2 if again else 1):
            yaw = self._yaw + wrap_quarter_turn(float(self._now.scene.yaws[cube]) - self._yaw)

            def above() -> FloatArray:
                return self._get_position(cube) - 0.005 * self._jaw_direction + (0.0, 0.0, ALIGN_HEIGHT_M)

            if self._now.scene.held[cube]:
                yield from self._move_gripper(self._style.gripper_opening)
                yield from self._stroke(above(), yaw)
            yield from self._align(above, yaw + self._rng.normal(0.0, 0.04))
            yield from self._stroke(self._position - (0.0, 0.0, ALIGN_HEIGHT_M), self._yaw, exact=True)
            yield from self._move_gripper(GRIPPER_CLOSED_RAD)
        yield from self._rise()

    def _place(self, instruction: Instruction) -> Motion:
        """Carry the held cube above its goal, align, descend, release, move the fixed finger aside, rise."""
        held = np.flatnonzero(self._now.scene.held)
        if not len(held):
            return
        cube = int(held[0])
        target = self._names.index(instruction.object_name)

        def above() -> FloatArray:
            goal, height = self._compute_goal(instruction), self._get_position(target)[2]
            goal[2] = height + CUBE_SIZE_M if height > 0.005 else CUBE_SIZE_M / 2
            return goal + (self._now.tool_position - self._get_position(cube)) + (0.0, 0.0, ALIGN_HEIGHT_M)

        yield from self._align(above, self._yaw)
        for _ in range(80):
            if above()[2] - ALIGN_HEIGHT_M > self._now.tool_position[2] - 0.001:
                break
            yield from self._descend()
        yield from self._move_gripper(self._style.gripper_opening)
        yield from self._stroke(self._position - RELEASE_DISTANCE_M * self._jaw_direction, self._yaw, exact=True)
        yield from self._rise()

    # Parts of actions

    def _stroke(self, goal: FloatArray, yaw: float, exact: bool = False) -> Motion:
        """Move to a goal (3,) with minimum jerk, along a slight curve, sometimes with a stop."""
        style, rng, start, start_yaw = self._style, self._rng, self._position.copy(), self._yaw
        end = goal + (0.0 if exact else rng.normal(0.0, style.aim_error, 3))
        length = float(np.linalg.norm(end - start))
        speed = style.speed * math.exp(rng.normal(0.0, style.speed_variation))
        count = max(round(DECISION_RATE_HZ * max(length / speed, 0.25)), 1)
        aside = np.array([start[1] - end[1], end[0] - start[0], 0.0]) * rng.normal(0.0, style.curvature)
        hesitates = length > 0.04 and rng.random() < style.hesitation_probability
        stop = int(rng.uniform(0.3, 0.7) * count) if hesitates else -1
        for step in range(1, count + 1):
            time = step / count
            fraction = time**3 * (10 - 15 * time + 6 * time * time)
            self._position = start + fraction * (end - start) + math.sin(math.pi * fraction) * aside
            self._yaw = start_yaw + fraction * (yaw - start_yaw)
            yield
            if step == stop:
                yield from self._wait(rng.uniform(*style.pause_duration))

    def _align(self, above: Callable[[], FloatArray], yaw: float) -> Motion:
        """Travel high, descend to the point above a contact and correct the position there."""
        goal = above()
        if np.linalg.norm((goal - self._position)[:2]) > 0.03:
            clearance = max(self._style.travel_height - ALIGN_HEIGHT_M, 0.0) * self._rng.uniform(0.5, 1.0)
            height = max(self._position[2], goal[2]) + clearance
            middle = (self._position + goal) / 2
            yield from self._stroke(np.array([middle[0], middle[1], min(height, 0.14)]), (self._yaw + yaw) / 2)
        yield from self._stroke(goal, yaw)
        yield from self._wait(self._rng.uniform(*self._style.align_duration) / 2)
        yield from self._correct(above)
        yield from self._wait(self._rng.uniform(*self._style.align_duration) / 2)

    def _correct(self, goal: Callable[[], FloatArray]) -> Motion:
        """Correct a visible error of the position, at most twice."""
        for _ in range(2):
            error = goal() - self._now.tool_position
            size = float(np.linalg.norm(error))
            if size < MIN_VISIBLE_ERROR_M:
                return
            yield from self._wait(0.2)
            style, self._style = self._style, replace(self._style, aim_error=min(0.3 * size, 0.0015))
            yield from self._stroke(self._position + error, self._yaw)
            self._style = style

    def _descend(self) -> Motion:
        self._position = self._position - (0.0, 0.0, self._style.speed / DECISION_RATE_HZ / 4)
        yield

    def _rise(self) -> Motion:
        yield from self._stroke(self._position + (0.0, 0.0, self._rng.uniform(0.045, 0.06)), self._yaw)

    def _move_gripper(self, angle: float) -> Motion:
        """Open or close the gripper to an angle, rad, in about half a second."""
        start, count = self._gripper, max(round(DECISION_RATE_HZ * self._rng.uniform(0.3, 0.7)), 1)
        for step in range(1, count + 1):
            self._gripper = start + (angle - start) * step / count
            yield

    def _wait(self, duration: float) -> Motion:
        for _ in range(round(DECISION_RATE_HZ * duration)):
            yield

    def _get_position(self, index: int) -> FloatArray:
        return np.array(self._now.scene.positions[index])

    def _compute_goal(self, instruction: Instruction) -> FloatArray:
        offset: FloatArray = np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)))
        return self._get_position(self._names.index(instruction.object_name)) + offset

    @property
    def _jaw_direction(self) -> FloatArray:
        return np.array([math.cos(self._yaw), math.sin(self._yaw), 0.0])


def demonstrate_by_hand(
    task: str, instructions: Sequence[Instruction], style: HumanStyle, seed: int, name: str = "001"
) -> Demonstration | None:
    """Record a hand-guided take, without segments, in the scene of ``seed``; return None if it takes too long."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    recorder = InMemoryRecorder(task, arm, name, teaching_method="hand")
    loop.add_sink(recorder.on_tick)
    demonstrator = HumanDemonstrator(style, arm, instructions, np.random.default_rng([seed, 7]))
    loop.run_inline(demonstrator, MAX_HAND_GUIDED_TICKS)
    return recorder.stop() if demonstrator.finished else None
