"""Hints for the first minutes: at most three, one at a time, each until it was followed or dismissed. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection


@dataclass(frozen=True)
class Hint:
    """One hint: what to do next, when it helps, and how to know that it was followed."""

    key: str
    text: str
    helps: Callable[[AppSnapshot], bool]
    """Whether it fits the state of the program."""
    followed: Callable[[AppSnapshot], bool]
    """Whether the person has just done it."""


HINTS: tuple[Hint, ...] = (
    Hint(
        "run",
        "Press Run: the arm does the selected task in a new scene that no take showed.",
        lambda snapshot: snapshot.has_policy,
        lambda snapshot: snapshot.state is ArmActivity.RUNNING,
    ),
    Hint(
        "adapt",
        "Press Adapt: the program learns the selected task from its takes. Two or three takes in different scenes are "
        "better than one.",
        lambda snapshot: snapshot.take_count > 0 and not snapshot.has_policy,
        lambda snapshot: snapshot.learning is LearningActivity.ADAPTING,
    ),
    Hint(
        "record",
        "Teach a task of your own: press New task, then Record, and click in the view what the gripper should do. "
        "Press Finish when it is done.",
        lambda snapshot: True,
        lambda snapshot: snapshot.newest_take is not None,
    ),
)
"""All hints; the first one that helps is shown."""


def is_between_steps(snapshot: AppSnapshot) -> bool:
    """Return whether another hint may be shown: while something is going on, the window must not move."""
    return snapshot.state is ArmActivity.READY and snapshot.learning is LearningActivity.IDLE


def choose_hint(snapshot: AppSnapshot, done: Collection[str]) -> Hint | None:
    """Return the hint that fits the state, or None; ``done`` has the keys of those that are not shown any more."""
    return next((hint for hint in HINTS if hint.helps(snapshot) and hint.key not in done), None)


def find_followed(snapshot: AppSnapshot) -> set[str]:
    """Return the keys of the hints that the person has just followed."""
    return {hint.key for hint in HINTS if hint.followed(snapshot)}
