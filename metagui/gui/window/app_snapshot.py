"""What the situation is, read off the session's parts: what is chosen, learnt, connected and under way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.gui.arm.capabilities import Markable

if TYPE_CHECKING:
    from metagui.gui.core.app_state import Situation
    from metagui.gui.window.session import Session


def outlook(session: Session, task: str | None, take: str | None) -> Situation:
    """Return the situation in which ``task`` and ``take`` are chosen."""
    shelf, studies = session.shelf, session.studies
    row = shelf.task(task)
    found = replace(
        session.situation,
        task=task,
        take=take,
        learning=studies.learner.state,
        takes=len(shelf.usable(task)),
        tasks=len(shelf.tasks),
        adapted=row is not None and row.adapted,
        prior_problem=studies.problem,
        encoder_problem=studies.encoder_problem,
        undo=shelf.undo_stack.undoText() or None,
        redo=shelf.undo_stack.redoText() or None,
        just_saved=session.taking.newest is not None,
    )
    return with_arm(session, found)


def with_arm(session: Session, situation: Situation) -> Situation:
    """Return the situation with what there is to say about the arm."""
    desk, station, current = session.desk, session.station, session.station.current
    simulated = current is None or current.simulated
    return replace(
        situation,
        busy=desk.pending > 0,
        mode=session.modes.mode,
        limp=desk.limp,
        simulated=simulated,
        markable=current is not None and isinstance(desk.arm, Markable),
        port=not station.chosen.simulated,
        same_arm=current is None or current.key == station.chosen.key,
        looking=station.looking,
        counts_in=session.counts_in[simulated],
    )
