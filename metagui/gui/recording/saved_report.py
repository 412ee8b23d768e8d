"""Message about a take that was just saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.recording.recorder import CUT_OFF_NOTE
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
    is_cut_off = take.notes == CUT_OFF_NOTE
    if is_cut_off:
        text += ". The recording was cut off, so the take is marked as failed"
    return text, "warning" if timing.is_rate_missed or is_cut_off else "success"
