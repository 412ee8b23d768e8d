"""Message about a take that was just saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.timing import summarise_timing

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.core.messages import MessageKind


def describe_saved(take: Demonstration, distance: float | None) -> tuple[str, MessageKind]:
    """Return the text and kind of the message about a saved take.

    ``distance`` is its mean distance to the other takes of its task, or None if that is unknown.
    """
    timing = summarise_timing(take)
    text = f"Saved “{take.task}” take {take.name} ({take.duration:.1f} s, {timing.rate_reached:.1f} Hz"
    text += f", {timing.missed} missed)" if timing.missed else ")"
    if distance is not None:
        text += f" · {distance:.2f} from your other takes"
    if timing.is_rate_missed:
        text += f". Marked: {timing}"
    has_failed = take.success is False
    if has_failed:
        text += f". Marked as failed: {take.notes.rstrip('.')}. It is not learnt from unless you mark it as a success"
    return text, "warning" if timing.is_rate_missed or has_failed else "success"
