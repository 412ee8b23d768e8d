"""Message about a take that was just saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.timing import summarise_timing

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.messages import MessageKind


def describe_saved(take: Demonstration, distance: float | None) -> tuple[str, MessageKind, str]:
    """Return the text, the kind and the action of the message about a saved take: is it good, and if not, what to do.

    ``distance`` is its mean distance to the other takes of its task, or None if that is unknown. The numbers of the
    timing are in the list of takes.
    """
    timing, saved = summarise_timing(take), f"Saved “{take.task}” take {take.name}"
    if take.success is False:
        text = f"{saved}, marked as failed: {take.notes.rstrip('.')}. It is not learnt from unless you mark it as a"
        return f"{text} success; Take again records another.", "warning", "again"
    if timing.is_rate_missed:
        missing = timing.missed / timing.rate_requested
        text = f"{saved}, but the computer was busy: {missing:.1f} s are missing in {take.duration:.1f} s"
        return f"{text}. It can be used; Take again records a better one.", "warning", "again"
    compared = "" if distance is None else f", {distance:.2f} from your other takes"
    return f"{saved}: a good take of {take.duration:.1f} s{compared}.", "success", "undo"
