"""The teaching modes, and why one of them is not available now. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from metagui.arms.guiding import GuidingStiffness


@dataclass(frozen=True)
class TeachingMode:
    """A way to teach the arm: key, button text, icon, and a tooltip of one sentence."""

    key: str
    text: str
    icon: str
    tooltip: str


CLICK_MODE, HAND_MODE, LEADER_MODE, KEYBOARD_MODE, GAMEPAD_MODE = "click", "hand", "leader", "keys", "gamepad"

TEACHING_MODES: tuple[TeachingMode, ...] = (
    TeachingMode(CLICK_MODE, "Clicks", "goto", "Click in the view where the gripper should go."),
    TeachingMode(HAND_MODE, "Hand guiding", "hand", "Move the arm by hand: limp, or staying where you let it go."),
    TeachingMode(LEADER_MODE, "Leader", "leader", "Move a second arm by hand; this one follows it."),
    TeachingMode(
        KEYBOARD_MODE, "Keyboard", "keys", "Steer the gripper with the keyboard while the 3-D view has the focus."
    ),
    TeachingMode(GAMEPAD_MODE, "Gamepad", "gamepad", "Steer the gripper with a gamepad."),
)


class StiffnessChoice(NamedTuple):
    """A stiffness of hand guiding, with its text and its tooltip."""

    stiffness: GuidingStiffness
    text: str
    tooltip: str


STIFFNESS_CHOICES = (
    StiffnessChoice(GuidingStiffness.LIMP, "Limp", "The torque is off: hold the arm all the time."),
    StiffnessChoice(GuidingStiffness.SOFT, "Soft", "The arm stays where you let it go; a light push moves it."),
    StiffnessChoice(GuidingStiffness.MEDIUM, "Medium", "The arm stays where you let it go."),
    StiffnessChoice(GuidingStiffness.FIRM, "Firm", "The arm stays where you let it go, also with a heavier object."),
)


def find_mode(key: str) -> TeachingMode:
    """Return the mode with this key."""
    return next(mode for mode in TEACHING_MODES if mode.key == key)


@dataclass(frozen=True)
class ModeAvailability:
    """Hardware that decides which modes are available now."""

    arm_name: str = ""
    """Name of the connected arm; empty if there is none."""
    hand_guidable: bool = False
    """True if the arm can be guided by hand."""
    leader_count: int = 0
    """Number of other arms that can be the leader."""
    gamepad_problem: str = ""
    """Why no gamepad can be used; empty if one can."""


def explain_unavailable(key: str, availability: ModeAvailability) -> str | None:
    """Return why a mode is not available, for its tooltip; None if it is available."""
    if key == CLICK_MODE:
        return None
    if not availability.arm_name:
        return "Connect an arm first."
    if key == HAND_MODE and not availability.hand_guidable:
        return f"The {availability.arm_name} cannot be moved by hand. Connect an arm on a port."
    if key == LEADER_MODE and not availability.leader_count:
        return "No second arm is plugged in as a leader."
    return availability.gamepad_problem or None if key == GAMEPAD_MODE else None
