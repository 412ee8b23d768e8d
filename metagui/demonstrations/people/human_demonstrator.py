"""Human-like demonstrators: simulated people who guide the simulated arm by hand, each with habits of their own.

They share no code with the feedback laws of the scripted demonstrator. A person moves in minimum-jerk strokes, misses
by millimetres and corrects visible errors, aligns before a contact, pauses, hesitates, trembles, and sometimes grasps
again. A policy trained on scripted takes only has never seen that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import CUBE_SIZE_M
from metagui.demonstrations.people.curves import compute_drawn_path
from metagui.demonstrations.people.hand import ALIGN_HEIGHT_M, Hand
from metagui.demonstrations.primitives.primitive import FINGERTIP_OFFSET_M, wrap_quarter_turn
from metagui.demonstrations.recording.take_builder import InMemoryRecorder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Command, FloatArray, Observation, Scene
    from metagui.demonstrations.demonstration import Demonstration, Instruction
    from metagui.demonstrations.people.habits import HumanStyle
    from metagui.demonstrations.people.hand import Motion

MAX_HAND_GUIDED_TICKS = 4500
"""Maximum number of ticks of a take (90 s)."""
RELEASE_DISTANCE_M = 0.007
"""Distance by which the fixed finger is moved off a cube during release, m."""
DRAG_TOOL_HEIGHT_M = 0.014
"""Height of the tool while a cube is dragged, m."""
PUSH_TOOL_HEIGHT_M, PUSH_DISTANCE_M = 0.012, 0.036
"""Height of the tool during a push, and distance of the fingertips behind the cube's centre at its beginning, m."""
PUSHED_CUBE_DISTANCE_M, PUSH_TOLERANCE_M, MAX_PUSHES = 0.019, 0.007, 4
"""Distance of the fingertips from the centre of a pushed cube, error that is left, both m, and number of tries."""


class HumanDemonstrator(Hand):
    """Guides the arm by hand through instructions. Implements Controller: joint targets without an instruction."""

    def __init__(
        self, style: HumanStyle, scene: Scene, first: Observation, instructions: Sequence[Instruction],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        super().__init__(style, first, rng)
        self._names = [each.name for each in scene.objects]
        self._motion = self._carry_out(instructions)
        self.action_index = -1
        """Index of the instruction that is carried out, -1 before the first."""
        self.finished = False
        """True if the person has let go of the arm."""

    def decide(self, observation: Observation) -> Command | None:
        """Return the next joint targets, None at the end."""
        self._now = observation
        try:
            next(self._motion)
        except StopIteration:
            self.finished = True
            return None
        return self._make_command()

    def _carry_out(self, instructions: Sequence[Instruction]) -> Motion:
        actions = {
            "reach": self._reach, "press": self._press, "grasp": self._grasp, "place": self._place,
            "slide": self._slide, "push": self._push, "trace": self._trace,
        }  # fmt: skip
        yield from self._wait(self._rng.uniform(0.2, 1.0))
        for index, instruction in enumerate(instructions):
            if index and self._rng.random() < self._style.pause_probability:
                yield from self._wait(self._rng.uniform(*self._style.pause_duration))
            self.action_index = index
            yield from actions[instruction.action](instruction)
        yield from self._wait(self._rng.uniform(0.3, 1.0))

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
        height = instruction.parameters.get("height")
        yield from self._rise(None if height is None else float(height) + 0.002)

    def _place(self, instruction: Instruction) -> Motion:
        """Carry the held cube above its goal, align, descend, release, move the fixed finger aside, rise."""
        held = np.flatnonzero(self._now.scene.held)
        if not len(held):
            return
        cube = int(held[0])
        target = self._names.index(instruction.object_name)

        def above() -> FloatArray:
            goal, height = self._compute_goal(instruction), self._get_position(target)[2]
            beside = float(np.linalg.norm((goal - self._get_position(target))[:2])) > CUBE_SIZE_M
            goal[2] = height + CUBE_SIZE_M if height > 0.005 and not beside else CUBE_SIZE_M / 2
            return goal + (self._now.tool_position - self._get_position(cube)) + (0.0, 0.0, ALIGN_HEIGHT_M)

        yield from self._align(above, self._yaw)
        for _ in range(80):
            if above()[2] - ALIGN_HEIGHT_M > self._now.tool_position[2] - 0.001:
                break
            yield from self._descend()
        yield from self._let_go()

    def _slide(self, instruction: Instruction) -> Motion:
        """Drag the held cube along the table to its goal, correct its place, release it."""
        held = np.flatnonzero(self._now.scene.held)
        if not len(held):
            return
        cube = int(held[0])

        def goal() -> FloatArray:
            place = self._compute_goal(instruction) + (self._now.tool_position - self._get_position(cube))
            place[2] = DRAG_TOOL_HEIGHT_M
            return np.asarray(place)

        start = np.array([*self._position[:2], DRAG_TOOL_HEIGHT_M])
        yield from self._stroke(start, self._yaw, exact=True)
        yield from self._follow(np.linspace(start, goal(), 20))
        yield from self._correct(goal)
        yield from self._let_go()

    def _let_go(self) -> Motion:
        """Open the gripper, move the fixed finger aside, rise."""
        yield from self._move_gripper(self._style.gripper_opening)
        yield from self._stroke(self._position - RELEASE_DISTANCE_M * self._jaw_direction, self._yaw, exact=True)
        yield from self._rise()

    def _push(self, instruction: Instruction) -> Motion:
        """Go behind a cube, push it along the line to its goal, look, and push again from behind if it is off."""
        cube = self._names.index(instruction.object_name)
        yield from self._move_gripper(GRIPPER_CLOSED_RAD)
        for attempt in range(MAX_PUSHES):
            way = (self._compute_push_goal(instruction) - self._get_position(cube))[:2]
            distance = float(np.linalg.norm(way))
            if distance < PUSH_TOLERANCE_M:
                break
            ahead = np.array([*way / distance, 0.0])
            yaw = self._yaw + wrap_quarter_turn(math.atan2(ahead[1], ahead[0]) - self._yaw)
            tip = FINGERTIP_OFFSET_M * np.array([math.cos(yaw), math.sin(yaw), 0.0])
            level = self._get_position(cube) - tip
            level[2] = PUSH_TOOL_HEIGHT_M
            behind = level - PUSH_DISTANCE_M * ahead
            if attempt:
                yield from self._stroke(self._position + (0.0, 0.0, 0.04), self._yaw)
            yield from self._travel(behind + (0.0, 0.0, ALIGN_HEIGHT_M), yaw)
            yield from self._wait(self._rng.uniform(*self._style.align_duration) / 2)
            yield from self._stroke(behind, yaw, exact=True)
            yield from self._follow(np.linspace(behind, level + (distance - PUSHED_CUBE_DISTANCE_M) * ahead, 20))
            yield from self._wait(0.2)
        yield from self._rise()

    def _trace(self, instruction: Instruction) -> Motion:
        """Go to the beginning of a curve, correct the position there, draw the curve."""
        centre = self._compute_goal(instruction)
        path = centre + compute_drawn_path(instruction.parameters, self._position - centre)
        yield from self._travel(path[0], 0.0)
        yield from self._correct(lambda: path[0])
        yield from self._follow(path)

    def _get_position(self, index: int) -> FloatArray:
        return np.array(self._now.scene.positions[index])

    def _compute_goal(self, instruction: Instruction) -> FloatArray:
        offset: FloatArray = np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)))
        return self._get_position(self._names.index(instruction.object_name)) + offset

    def _compute_push_goal(self, instruction: Instruction) -> FloatArray:
        offset: FloatArray = np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)))
        return self._get_position(self._names.index(instruction.target_name or instruction.object_name)) + offset


def demonstrate_by_hand(
    task: str, instructions: Sequence[Instruction], style: HumanStyle, seed: int, name: str = "001"
) -> Demonstration | None:
    """Record a hand-guided take, without segments, in the scene of ``seed``; return None if it takes too long."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    recorder = InMemoryRecorder(task, arm, name, teaching_method="hand")
    loop.add_sink(recorder.on_tick)
    rng = np.random.default_rng([seed, 7])
    demonstrator = HumanDemonstrator(style, arm, arm.observe_all(), instructions, rng)
    loop.run_inline(demonstrator, MAX_HAND_GUIDED_TICKS)
    return recorder.stop() if demonstrator.finished else None
