"""The ways to teach an arm, and why one of them cannot be had now. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TeachingMode:
    """One way to teach: its key, the words on its button, its icon and what it does in one sentence."""

    key: str
    text: str
    icon: str
    tooltip: str


CLICK_MODE, HAND_MODE, LEADER_MODE, KEYBOARD_MODE, GAMEPAD_MODE = "click", "hand", "leader", "keys", "gamepad"

TEACHING_MODES: tuple[TeachingMode, ...] = (
    TeachingMode(CLICK_MODE, "Clicks", "goto", "Click in the view where the gripper should go."),
    TeachingMode(HAND_MODE, "Hand", "hand", "The arm goes limp and you lead it."),
    TeachingMode(LEADER_MODE, "Leader", "leader", "Move a second arm by hand; this one follows it."),
    TeachingMode(KEYBOARD_MODE, "Keyboard", "keys", "Steer the gripper with keys while the view has the focus."),
    TeachingMode(GAMEPAD_MODE, "Gamepad", "gamepad", "Steer the gripper with a gamepad."),
)


def find_mode(key: str) -> TeachingMode:
    """Return the mode with a key."""
    return next(m for m in TEACHING_MODES if m.key == key)


@dataclass(frozen=True)
class ModeAvailability:
    """What there is to teach with now."""

    arm_name: str = ""
    """Name of the connected arm; empty where there is none."""
    hand_guidable: bool = False
    """Whether it can be led by hand."""
    leader_count: int = 0
    """How many other arms could lead it."""
    gamepad_problem: str = ""
    """Why no gamepad can be used, in words; empty if one can."""


def explain_unavailable(key: str, availability: ModeAvailability) -> str | None:
    """Return what a mode lacks, in words for its tooltip; None if it can be had."""
    if key == CLICK_MODE:
        return None
    if not availability.arm_name:
        return "Connect an arm first."
    if key == HAND_MODE and not availability.hand_guidable:
        return f"The {availability.arm_name} has no joints to take hold of. Connect an arm on a port."
    if key == LEADER_MODE and not availability.leader_count:
        return "No other arm is plugged in that could lead this one."
    return availability.gamepad_problem or None if key == GAMEPAD_MODE else None
