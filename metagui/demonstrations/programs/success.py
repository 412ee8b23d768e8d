"""Whether a program was achieved: what a person would look at, as numbers, for scripts and policies alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from metagui.demonstrations.primitives.grasping import compute_place_goal, compute_slide_goal
from metagui.demonstrations.primitives.primitive import PrimitiveMemory, PrimitiveState
from metagui.demonstrations.primitives.pushing import compute_push_goal
from metagui.demonstrations.primitives.registry import compute_reach_goal
from metagui.demonstrations.primitives.tracing import POLYLINE_SHAPES, compute_corners, compute_ellipse
from metagui.demonstrations.programs.program import TaskProgram, make_primitive_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction

REACH_TOLERANCE_M = 0.012
"""How near counts as there, for the tool, m."""
PLACE_TOLERANCE_M = 0.015
"""How near counts as there, for a cube, m."""
MIN_LIFT_HEIGHT_M = 0.040
"""How high a lifted cube's centre must be, m."""
MAX_DRAG_HEIGHT_M = 0.026
"""How high a dragged cube's centre may come, m: half its edge off the table."""
CURVE_TOLERANCE_M = 0.008
"""How near a traced curve the tool must pass, m."""


class SuccessMonitor:
    """Watches one execution of a program, click by click; ``success`` when all of them were achieved and lasted."""

    def __init__(self, program: TaskProgram, objects: Sequence[SceneObject]) -> None:
        self.program = program
        self.objects = objects
        self.achieved: list[bool] = []
        self._start_state: PrimitiveState | None = None
        self._tool_path: list[FloatArray] = []
        self._touched = np.zeros(len(objects), dtype=bool)
        self._cube_index = -1
        self._max_cube_height = 0.0
        self._final_goals: dict[int, FloatArray] = {}

    def begin_instruction(self, observation: Observation) -> None:
        """A click starts here."""
        click = self.program.instructions[len(self.achieved)]
        self._start_state = make_primitive_state(
            click, self.objects, observation, PrimitiveMemory.from_observation(observation)
        )
        self._tool_path = []
        self._touched = observation.scene.touched.copy()
        held = np.flatnonzero(observation.scene.held)
        self._cube_index = int(held[0]) if len(held) else -1
        self._max_cube_height = 0.0

    def update(self, observation: Observation) -> None:
        """Take in one decision's state."""
        self._tool_path.append(observation.tool_position)
        self._touched |= observation.scene.touched
        self._max_cube_height = max(
            self._max_cube_height,
            float(observation.scene.positions[self._cube_index, 2]) if self._cube_index >= 0 else 0.0,
        )

    def end_instruction(self, observation: Observation) -> bool:
        """The click is said to be done; return whether it was."""
        if self._start_state is None:
            raise RuntimeError("Judge.end() before begin()")
        click = self._start_state.instruction
        s = make_primitive_state(click, self.objects, observation, self._start_state.memory)
        ok = bool(_CHECKS[click.action](self, s))
        self.achieved.append(ok)
        return ok

    def is_successful(self, observation: Observation) -> bool:
        """Whether every click was achieved and what was moved is still where it was put."""
        there = all(
            np.linalg.norm(observation.scene.positions[cube] - goal) < PLACE_TOLERANCE_M + 0.005
            for cube, goal in self._final_goals.items()
        )
        return len(self.achieved) == len(self.program.instructions) and all(self.achieved) and there

    def _check_reach(self, state: PrimitiveState) -> bool:
        return _compute_distance(state.tool_position, compute_reach_goal(state)) < REACH_TOLERANCE_M

    def _check_move(self, state: PrimitiveState) -> bool:
        return _compute_distance(state.tool_position, state.memory.start_position + state.offset) < REACH_TOLERANCE_M

    def _check_grasp(self, state: PrimitiveState) -> bool:
        self._final_goals.pop(state.object_index, None)
        height = float(state.get_object_position(state.object_index)[2])
        lifted = (
            height < MAX_DRAG_HEIGHT_M
            if state.get_parameter("height", 0.075) < MIN_LIFT_HEIGHT_M
            else height > MIN_LIFT_HEIGHT_M
        )
        return bool(state.observation.scene.held[state.object_index]) and lifted

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
        return (
            self._max_cube_height < MAX_DRAG_HEIGHT_M
            and _compute_distance(state.get_object_position(self._cube_index), goal) < PLACE_TOLERANCE_M
        )

    def _check_release(self, state: PrimitiveState) -> bool:
        return not state.observation.scene.held.any()

    def _check_push(self, state: PrimitiveState) -> bool:
        goal = compute_push_goal(state)
        self._final_goals[state.object_index] = goal
        return _compute_distance(state.get_object_position(state.object_index), goal) < PLACE_TOLERANCE_M

    def _check_press(self, state: PrimitiveState) -> bool:
        if self._start_state is None or not self._touched[state.object_index]:
            return False
        return (
            _compute_distance(
                state.get_object_position(state.object_index), self._start_state.get_object_position(state.object_index)
            )
            < 0.02
        )

    def _check_trace(self, state: PrimitiveState) -> bool:
        curve = _sample_curve(state)
        path = np.array(self._tool_path)
        near = np.linalg.norm(curve[:, None] - path[None], axis=2).min(axis=1)
        return float(np.mean(near < CURVE_TOLERANCE_M)) >= 0.9


_CHECKS = {
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


def _compute_distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.linalg.norm(a - b))


def _sample_curve(state: PrimitiveState, count: int = 40) -> FloatArray:
    """(count, 3) points along the curve a trace click asks for."""
    share = np.linspace(0.0, 1.0, count)
    if state.instruction.parameters.get("shape") in POLYLINE_SHAPES:
        corners = compute_corners(state)
        at = np.linspace(0.0, 1.0, len(corners))
        return np.column_stack([np.interp(share, at, corners[:, axis]) for axis in range(3)])
    curve = compute_ellipse(state)
    angle = 2 * math.pi * share[:, None]
    return curve.centre + np.cos(angle) * curve.first_half_axis + np.sin(angle) * curve.second_half_axis


def describe_outcome(achieved: Sequence[bool], instructions: Sequence[Instruction]) -> str:
    """Say in words which clicks were achieved."""
    done = sum(achieved)
    return f"{done} of {len(instructions)} clicks achieved"
