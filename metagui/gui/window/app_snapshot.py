"""What the situation is, read off the session's parts: what is chosen, learnt, connected and under way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.gui.arm.capabilities import ObjectPlaceable

if TYPE_CHECKING:
    from metagui.gui.core.app_state import AppSnapshot
    from metagui.gui.window.session import Session


def take_snapshot(session: Session, task: str | None, take: str | None) -> AppSnapshot:
    """Return the situation in which ``task`` and ``take`` are chosen."""
    shelf, studies = session.library_model, session.learning
    row = shelf.find_task(task)
    found = replace(
        session.snapshot,
        task=task,
        take=take,
        learning=studies.learning_queue.state,
        take_count=len(shelf.usable_takes(task)),
        task_count=len(shelf.tasks),
        has_policy=row is not None and row.has_policy,
        prior_problem=studies.prior_problem,
        encoder_problem=studies.encoder_problem,
        undo_text=shelf.undo_stack.undoText() or None,
        redo_text=shelf.undo_stack.redoText() or None,
        just_saved=session.recording.newest_take is not None,
    )
    return add_arm_state(session, found)


def add_arm_state(session: Session, snapshot: AppSnapshot) -> AppSnapshot:
    """Return the situation with what there is to say about the arm."""
    desk, station, current = session.arm_controller, session.arm_connection, session.arm_connection.current
    simulated = current is None or current.is_simulated
    return replace(
        snapshot,
        arm_busy=desk.pending_count > 0,
        mode=session.mode_controller.mode,
        torque_off=desk.torque_off,
        simulated=simulated,
        needs_placement=current is not None and isinstance(desk.arm, ObjectPlaceable),
        on_port=not station.chosen.is_simulated,
        same_arm=current is None or current.key == station.chosen.key,
        reconnecting=station.reconnecting,
        counts_down=session.countdown_before_recording[simulated],
    )
