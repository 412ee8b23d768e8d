"""Table of all motion primitives: the feedback law of every action, and the points to which it moves.

The same laws carry out a user's instructions and drive the scripted demonstrators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, ToolMotion
from metagui.demonstrations.primitives.grasping import (
    compute_place_goal,
    compute_slide_goal,
    get_grasp_height,
    grasp,
    place,
    release,
    slide,
)
from metagui.demonstrations.primitives.primitive import (
    PrimitiveState,
    is_within,
    limit_step,
    step_along_funnel,
    turn_to_neutral,
)
from metagui.demonstrations.primitives.pushing import compute_push_goal, press, push
from metagui.demonstrations.primitives.tracing import compute_corners, compute_ellipse, is_polyline, trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray

REACH_DONE_DISTANCE_M = 0.004
"""Distance to the goal at which a reach is done, m."""
MOVE_DONE_DISTANCE_M = 0.003
"""Distance to the goal at which a move is done, m."""


@dataclass(frozen=True)
class Primitive:
    """One action: its law and the points to which it moves."""

    law: Callable[[PrimitiveState], ToolMotion]
    """Feedback law from the current state to the next motion."""
    goals: Callable[[PrimitiveState], list[FloatArray]]
    """Tool positions, (3,) m each, that must be within reach before the law starts."""
    reference: Callable[[PrimitiveState], tuple[int, FloatArray]] | None = None
    """Index of the object that the offset is relative to, and the point (3,), m; None if there is no such point."""


def compute_reach_goal(state: PrimitiveState) -> FloatArray:
    """Return the final tool position (3,) of a reach, m."""
    return state.get_object_position(state.object_index) + state.offset


def compute_move_goal(state: PrimitiveState) -> FloatArray:
    """Return the final tool position (3,) of a move, m."""
    return state.memory.start_position + state.offset


def reach(state: PrimitiveState) -> ToolMotion:
    """Go to a point relative to an object, with the gripper as it is."""
    return _go_to(state, compute_reach_goal(state), state.current_gripper_target)


def home(state: PrimitiveState) -> ToolMotion:
    """Go to a point relative to the table, and open the gripper unless it holds an object."""
    gripper = GRIPPER_CLOSED_RAD if state.observation.scene.held.any() else GRIPPER_OPEN_RAD
    return _go_to(state, compute_reach_goal(state), gripper)


def move(state: PrimitiveState) -> ToolMotion:
    """Move by the offset from the position where the instruction began."""
    remaining = compute_move_goal(state) - state.tool_position
    step = limit_step(remaining, state.max_step)
    return ToolMotion(step, 0.0, state.current_gripper_target, done=is_within(remaining, MOVE_DONE_DISTANCE_M))


def _go_to(state: PrimitiveState, goal: FloatArray, gripper: float) -> ToolMotion:
    step = step_along_funnel(state, state.tool_position, goal)
    done = is_within(goal - state.tool_position, REACH_DONE_DISTANCE_M)
    return ToolMotion(step, turn_to_neutral(state), gripper, done=done)


def _compute_grasp_goals(state: PrimitiveState) -> list[FloatArray]:
    cube = state.get_object_position(state.object_index)
    return [cube, cube + (0.0, 0.0, get_grasp_height(state))]


def _compute_trace_goals(state: PrimitiveState) -> list[FloatArray]:
    if is_polyline(state):
        return list(compute_corners(state))
    curve = compute_ellipse(state)
    return [curve.centre + side for h in (curve.first_half_axis, curve.second_half_axis) for side in (h, -h)]


PRIMITIVES: dict[str, Primitive] = {
    "reach": Primitive(reach, lambda s: [compute_reach_goal(s)], lambda s: (s.object_index, compute_reach_goal(s))),
    "grasp": Primitive(grasp, _compute_grasp_goals),
    "place": Primitive(
        place, lambda s: [compute_place_goal(s, -1)], lambda s: (s.object_index, compute_place_goal(s, -1))
    ),
    "slide": Primitive(slide, lambda s: [compute_slide_goal(s)], lambda s: (s.object_index, compute_slide_goal(s))),
    "release": Primitive(release, lambda s: []),
    "push": Primitive(
        push,
        lambda s: [s.get_object_position(s.object_index), compute_push_goal(s)],
        lambda s: (s.target_index, compute_push_goal(s)),
    ),
    "press": Primitive(press, lambda s: [s.get_object_position(s.object_index) + (0.0, 0.0, 0.03)]),
    "trace": Primitive(trace, _compute_trace_goals, lambda s: (s.object_index, compute_reach_goal(s))),
    "move": Primitive(move, lambda s: [compute_move_goal(s)]),
    "home": Primitive(home, lambda s: [compute_reach_goal(s)]),
}
"""Primitive of every action in ``ACTION_PARAMETERS``."""


def compute_goals(state: PrimitiveState) -> list[FloatArray]:
    """Return the tool positions, (3,) m each, that an instruction needs to reach."""
    return PRIMITIVES[state.instruction.action].goals(state)
