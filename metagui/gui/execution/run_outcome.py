"""Outcome of a policy run: the message at its end, judged by what the takes of the task show. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from metagui.gui.core.messages import MessageKind


def describe_outcome(task: str, outcome: str, failures: Sequence[str] | None) -> tuple[str, MessageKind]:
    """Return the text and the kind of the message at the end of a run.

    ``failures`` is what the takes show and the run did not achieve; None if the run could not be judged.
    """
    if outcome == "stopped":
        return f"Stopped “{task}”; the arm holds.", "info"
    if outcome != "done":
        return f"“{task}” {outcome}; the arm holds. More takes, or takes from other scenes, usually help.", "warning"
    if failures is None:
        return (
            f"“{task}” has ended. Look at the scene: its success cannot be judged automatically.",
            "info",
        )
    if not failures:
        return f"Done: “{task}” achieved in a new scene what its takes show.", "success"
    return (
        f"“{task}” has ended, but not as in its takes: {failures[0]}. The arm holds; another take from a scene like "
        "this one usually helps.",
        "warning",
    )


def describe_failure(outcome: str, failures: Sequence[str]) -> str:
    """Return what a judged run did not achieve; empty if it did what the takes show."""
    if outcome != "done":
        return f"it {outcome or 'did not end'}"
    return failures[0] if failures else ""


def describe_stale_policy(task: str, adapted: Collection[str], present: Collection[str]) -> str:
    """Return a message if a policy was adapted to other takes than the task has now; empty if it was not."""
    added, removed = sorted(set(present) - set(adapted)), sorted(set(adapted) - set(present))
    if not adapted or not (added or removed):
        return ""
    changes = [f"take {name} is newer" for name in added] + [f"take {name} is not used any more" for name in removed]
    shown = ", ".join(changes[:3]) + (" …" if len(changes) > 3 else "")
    return f"The policy of “{task}” is older than its takes: {shown}. It runs as it is; press Adapt to renew it."
