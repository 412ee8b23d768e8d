"""The motion generator: for every verb a feedback law from the present state to the next motion.

The same laws carry out a person's clicks and drive the scripted demonstrators.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.kinematics import GRIPPER_CLOSED, GRIPPER_OPEN, MAX_STEP, Motion
from metagui.demonstrations.primitives.grasping import grasp, place, release, slide
from metagui.demonstrations.primitives.primitive import Situation, funnel, limited, near, neutral
from metagui.demonstrations.primitives.pushing import press, push
from metagui.demonstrations.primitives.tracing import trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import FloatArray


def reach_goal(s: Situation) -> FloatArray:
    """(3,) where a reach ends."""
    return s.where(s.anchor) + s.offset


def reach(s: Situation) -> Motion:
    """Go to a point given from an anchor; whatever is held stays held."""
    goal = reach_goal(s)
    return Motion(funnel(s, s.tool, goal), neutral(s), s.keep, done=near(goal - s.tool, 0.004))


def home(s: Situation) -> Motion:
    """Go to a point given from the table, and open if nothing is held."""
    gripper = GRIPPER_CLOSED if s.now.scene.held.any() else GRIPPER_OPEN
    goal = reach_goal(s)
    return Motion(funnel(s, s.tool, goal), neutral(s), gripper, done=near(goal - s.tool, 0.004))


def move(s: Situation) -> Motion:
    """Go a short way from where the click began."""
    goal = s.memory.start + s.offset
    step = limited(goal - s.tool, MAX_STEP * s.style.speed)
    return Motion(step, 0.0, s.keep, done=near(goal - s.tool, 0.003))


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
