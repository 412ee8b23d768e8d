"""Success tests of task programs: numeric conditions on the result, equal for scripts and policies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.tables.table import CUBE_SIZE_M
from metagui.demonstrations.primitives.grasping import compute_place_goal, compute_slide_goal, get_grasp_height
from metagui.demonstrations.primitives.primitive import PrimitiveMemory, PrimitiveState
from metagui.demonstrations.primitives.pushing import compute_push_goal
from metagui.demonstrations.primitives.registry import compute_move_goal, compute_reach_goal
from metagui.demonstrations.primitives.tracing import compute_corners, compute_ellipse, is_polyline
from metagui.demonstrations.programs.instruction_state import make_primitive_state
from metagui.demonstrations.programs.program import TaskProgram, describe_instruction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction

REACH_TOLERANCE_M = 0.012
"""Maximum distance of the tool from its goal, m."""
PLACE_TOLERANCE_M = 0.015
"""Maximum distance of a cube from its goal, m."""
DRIFT_TOLERANCE_M = 0.005
"""Distance by which a cube may exceed the place tolerance at the end of the program, m."""
PRESS_TOLERANCE_M = 0.02
"""Maximum displacement of a pressed cube, m."""
MIN_LIFT_HEIGHT_M = 0.040
"""Minimum height of a lifted cube's centre, m."""
MAX_DRAG_HEIGHT_M = 0.026
"""Maximum height of the centre of a dragged cube of 25 mm, m: half its edge above the table."""
CURVE_TOLERANCE_M = 0.008
"""Maximum distance of the tool from a traced curve, m."""
MIN_CURVE_FRACTION = 0.9
"""Minimum fraction of a traced curve that the tool must pass within the tolerance."""


@dataclass(frozen=True)
class InstructionResult:
    """How one instruction ended."""

    instruction: Instruction
    achieved: bool
    problem: str = ""
    """Why it was not achieved, as a part of a sentence; empty if it was."""
    is_finished: bool = True
    """True if it ran to its end; False if it was given up or stopped, or never started."""

    def describe(self) -> str:
        """Return the instruction and its problem as text."""
        return f"“{describe_instruction(self.instruction)}” was not achieved: {self.problem}"


class SuccessMonitor:
    """Observes one execution of a program and tests every instruction when it ends."""

    def __init__(self, program: TaskProgram, objects: Sequence[SceneObject]) -> None:
        self.program = program
        self.objects = objects
        self.achieved: list[bool] = []
        """True for every ended instruction that was achieved."""
        self._start_state: PrimitiveState | None = None
        self._tool_path: list[FloatArray] = []
        self._touched = np.zeros(len(objects), dtype=bool)
        self._cube_index = -1
        self._max_cube_height = 0.0
        self._final_goals: dict[int, FloatArray] = {}

    def begin_instruction(self, observation: Observation) -> None:
        """Start the next instruction of the program."""
        instruction = self.program.instructions[len(self.achieved)]
        self._start_state = make_primitive_state(
            instruction, self.objects, observation, PrimitiveMemory.from_observation(observation)
        )
        self._tool_path = []
        self._touched = observation.scene.touched.copy()
        held = np.flatnonzero(observation.scene.held)
        self._cube_index = int(held[0]) if len(held) else -1
        self._max_cube_height = 0.0

    def update(self, observation: Observation) -> None:
        """Add the state of one decision."""
        self._tool_path.append(observation.tool_position)
        self._touched |= observation.scene.touched
        height = float(observation.scene.positions[self._cube_index, 2]) if self._cube_index >= 0 else 0.0
        self._max_cube_height = max(self._max_cube_height, height)

    def end_instruction(self, observation: Observation) -> bool:
        """End the instruction; return whether it was achieved."""
        if self._start_state is None:
            raise RuntimeError("SuccessMonitor.end_instruction() was called before begin_instruction()")
        instruction = self._start_state.instruction
        state = make_primitive_state(instruction, self.objects, observation, self._start_state.memory)
        achieved = bool(CHECKS[instruction.action](self, state))
        self.achieved.append(achieved)
        return achieved

    def describe_shortfall(self, observation: Observation) -> str:
        """Return how far the result of the instruction that ended last is from its goal, as a part of a sentence."""
        if self._start_state is None:
            return "it was not started"
        instruction = self._start_state.instruction
        state = make_primitive_state(instruction, self.objects, observation, self._start_state.memory)
        moved = state.object_index if instruction.action == "push" else self._cube_index
        goals = {"push": compute_push_goal, "slide": compute_slide_goal, "reach": compute_reach_goal}
        if instruction.action == "place":
            goal = self._final_goals.get(moved)
        else:
            goal = goals[instruction.action](state) if instruction.action in goals else None
        if goal is None or (instruction.action != "reach" and moved < 0):
            return "the scene does not show it"
        name = "gripper" if instruction.action == "reach" else self.objects[moved].name
        position = state.tool_position if instruction.action == "reach" else state.get_object_position(moved)
        return f"the {name} is {1000 * _compute_distance(position, goal):.0f} mm from its goal"

    def is_successful(self, observation: Observation) -> bool:
        """Whether every instruction was achieved and every moved cube is still at its goal."""
        in_place = all(
            np.linalg.norm(observation.scene.positions[cube] - goal) < PLACE_TOLERANCE_M + DRIFT_TOLERANCE_M
            for cube, goal in self._final_goals.items()
        )
        return len(self.achieved) == len(self.program.instructions) and all(self.achieved) and in_place

    def _check_reach(self, state: PrimitiveState) -> bool:
        return _compute_distance(state.tool_position, compute_reach_goal(state)) < REACH_TOLERANCE_M

    def _check_move(self, state: PrimitiveState) -> bool:
        return _compute_distance(state.tool_position, compute_move_goal(state)) < REACH_TOLERANCE_M

    def _check_grasp(self, state: PrimitiveState) -> bool:
        self._final_goals.pop(state.object_index, None)
        height = float(state.get_object_position(state.object_index)[2])
        is_low_grasp = get_grasp_height(state) < MIN_LIFT_HEIGHT_M
        is_lifted = (
            height < _get_max_drag_height(state, state.object_index) if is_low_grasp else height > MIN_LIFT_HEIGHT_M
        )
        return bool(state.observation.scene.held[state.object_index]) and is_lifted

    def _check_place(self, state: PrimitiveState) -> bool:
        if self._cube_index < 0 or state.observation.scene.held.any() or self._start_state is None:
            return False
        goal = compute_place_goal(
            state if state.object_index != self._cube_index else self._start_state, self._cube_index
        )
        self._final_goals[self._cube_index] = goal
        return _compute_distance(state.get_object_position(self._cube_index), goal) < PLACE_TOLERANCE_M

    def _check_slide(self, state: PrimitiveState) -> bool:
        if self._cube_index < 0 or state.observation.scene.held.any():
            return False
        goal = compute_slide_goal(state)
        self._final_goals[self._cube_index] = goal
        distance = _compute_distance(state.get_object_position(self._cube_index), goal)
        return self._max_cube_height < _get_max_drag_height(state, self._cube_index) and distance < PLACE_TOLERANCE_M

    def _check_release(self, state: PrimitiveState) -> bool:
        return not state.observation.scene.held.any()

    def _check_push(self, state: PrimitiveState) -> bool:
        goal = compute_push_goal(state)
        self._final_goals[state.object_index] = goal
        return _compute_distance(state.get_object_position(state.object_index), goal) < PLACE_TOLERANCE_M

    def _check_press(self, state: PrimitiveState) -> bool:
        if self._start_state is None or not self._touched[state.object_index]:
            return False
        before = self._start_state.get_object_position(state.object_index)
        return _compute_distance(state.get_object_position(state.object_index), before) < PRESS_TOLERANCE_M

    def _check_trace(self, state: PrimitiveState) -> bool:
        curve = _sample_curve(state)
        path = np.array(self._tool_path)
        distance = np.linalg.norm(curve[:, None] - path[None], axis=2).min(axis=1)
        return float(np.mean(distance < CURVE_TOLERANCE_M)) >= MIN_CURVE_FRACTION


def judge_instruction(
    instruction: Instruction, objects: Sequence[SceneObject], observation: Observation
) -> SuccessMonitor:
    """Return a monitor of one instruction that starts at ``observation``."""
    monitor = SuccessMonitor(TaskProgram("", (instruction,)), objects)
    monitor.begin_instruction(observation)
    return monitor


CHECKS = {
    "reach": SuccessMonitor._check_reach,
    "home": SuccessMonitor._check_reach,
    "move": SuccessMonitor._check_move,
    "grasp": SuccessMonitor._check_grasp,
    "place": SuccessMonitor._check_place,
    "slide": SuccessMonitor._check_slide,
    "release": SuccessMonitor._check_release,
    "push": SuccessMonitor._check_push,
    "press": SuccessMonitor._check_press,
    "trace": SuccessMonitor._check_trace,
}
"""Success test of every action."""


def _compute_distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.linalg.norm(a - b))


def _get_max_drag_height(state: PrimitiveState, index: int) -> float:
    """Return the maximum height of a dragged object's centre, m."""
    return MAX_DRAG_HEIGHT_M + (state.objects[index].resting_height - CUBE_SIZE_M / 2)


def _sample_curve(state: PrimitiveState, count: int = 40) -> FloatArray:
    """Return points (count, 3) along the curve of a trace instruction, m."""
    fractions = np.linspace(0.0, 1.0, count)
    if is_polyline(state):
        corners = compute_corners(state)
        at = np.linspace(0.0, 1.0, len(corners))
        return np.column_stack([np.interp(fractions, at, corners[:, axis]) for axis in range(3)])
    curve = compute_ellipse(state)
    angle = 2 * math.pi * fractions[:, None]
    return curve.centre + np.cos(angle) * curve.first_half_axis + np.sin(angle) * curve.second_half_axis
