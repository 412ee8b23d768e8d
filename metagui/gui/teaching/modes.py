"""The ways to teach an arm, and why one of them cannot be had now. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """One way to teach: its key, the words on its button, its icon and what it does in one sentence."""

    key: str
    text: str
    icon: str
    tooltip: str


CLICK, HAND, LEADER, KEYS, GAMEPAD = "click", "hand", "leader", "keys", "gamepad"

MODES: tuple[Mode, ...] = (
    Mode(CLICK, "Clicks", "goto", "Click in the view where the gripper should go."),
    Mode(HAND, "Hand", "hand", "The arm goes limp and you lead it."),
    Mode(LEADER, "Leader", "leader", "Move a second arm by hand; this one follows it."),
    Mode(KEYS, "Keyboard", "keys", "Steer the gripper with keys while the view has the focus."),
    Mode(GAMEPAD, "Gamepad", "gamepad", "Steer the gripper with a gamepad."),
)


def mode(key: str) -> Mode:
    """Return the mode with a key."""
    return next(m for m in MODES if m.key == key)


@dataclass(frozen=True)
class Offer:
    """What there is to teach with now."""

    arm: str = ""
    """Name of the connected arm; empty where there is none."""
    guidable: bool = False
    """Whether it can be led by hand."""
    leaders: int = 0
    """How many other arms could lead it."""
    gamepad: str = ""
    """Why no gamepad can be used, in words; empty if one can."""


def why_no_mode(key: str, offer: Offer) -> str | None:
    """Return what a mode lacks, in words for its tooltip; None if it can be had."""
    if key == CLICK:
        return None
    if not offer.arm:
        return "Connect an arm first."
    if key == HAND and not offer.guidable:
        return f"The {offer.arm} has no joints to take hold of. Connect an arm on a port."
    if key == LEADER and not offer.leaders:
        return "No other arm is plugged in that could lead this one."
    return offer.gamepad or None if key == GAMEPAD else None
