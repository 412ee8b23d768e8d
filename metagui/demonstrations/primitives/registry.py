"""The motion generator: for every verb a feedback law from the present state to the next motion.

The same laws carry out a person's clicks and drive the scripted demonstrators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, MAX_DISPLACEMENT_M, ToolMotion
from metagui.demonstrations.primitives.grasping import grasp, place, release, slide
from metagui.demonstrations.primitives.primitive import (
    PrimitiveState,
    is_within,
    limit_step,
    step_along_funnel,
    turn_to_neutral,
)
from metagui.demonstrations.primitives.pushing import press, push
from metagui.demonstrations.primitives.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray


def compute_reach_goal(state: PrimitiveState) -> FloatArray:
    """(3,) where a reach ends."""
    return state.get_object_position(state.object_index) + state.offset


def reach(state: PrimitiveState) -> ToolMotion:
    """Go to a point given from an anchor; whatever is held stays held."""
    goal = compute_reach_goal(state)
    return ToolMotion(
        step_along_funnel(state, state.tool_position, goal),
        turn_to_neutral(state),
        state.current_gripper_target,
        done=is_within(goal - state.tool_position, 0.004),
    )


def home(state: PrimitiveState) -> ToolMotion:
    """Go to a point given from the table, and open if nothing is held."""
    gripper = GRIPPER_CLOSED_RAD if state.observation.scene.held.any() else GRIPPER_OPEN_RAD
    goal = compute_reach_goal(state)
    return ToolMotion(
        step_along_funnel(state, state.tool_position, goal),
        turn_to_neutral(state),
        gripper,
        done=is_within(goal - state.tool_position, 0.004),
    )


def move(state: PrimitiveState) -> ToolMotion:
    """Go a short way from where the click began."""
    goal = state.memory.start_position + state.offset
    step = limit_step(goal - state.tool_position, MAX_DISPLACEMENT_M * state.style.speed_fraction)
    return ToolMotion(step, 0.0, state.current_gripper_target, done=is_within(goal - state.tool_position, 0.003))


PRIMITIVES: dict[str, Callable[[PrimitiveState], ToolMotion]] = {
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
