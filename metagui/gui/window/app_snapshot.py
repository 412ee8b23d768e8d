"""Snapshot of the program's state, read from its parts: selection, learning, connection and activity. Qt-free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.gui.arm.capabilities import ObjectPlaceable

if TYPE_CHECKING:
    from metagui.gui.core.app_state import AppSnapshot
    from metagui.gui.library.library_model import LibraryModel
    from metagui.gui.window.session_parts import ArmParts, LearningParts, RecordingParts, TeachingParts


def take_snapshot(
    before: AppSnapshot,
    library: LibraryModel,
    arm: ArmParts,
    teaching: TeachingParts,
    recording: RecordingParts,
    learning: LearningParts,
) -> AppSnapshot:
    """Return ``before`` with all but the selection and the activity of the arm read from the parts."""
    row, prior, undo_stack = library.find_task(before.task), learning.prior, library.undo_stack
    known, simulated = _read_arm(before, arm)
    return replace(
        known,
        learning=learning.queue.state,
        take_count=len(library.usable_takes(before.task)),
        task_count=len(library.tasks),
        read_only=bool(library.write_problem),
        has_policy=row is not None and row.has_policy,
        prior_problem=prior.problem,
        encoder_problem=prior.encoder_problem,
        own_encoder=prior.encoder is not None and prior.encoder.is_own,
        undo_text=undo_stack.undoText() or None,
        redo_text=undo_stack.redoText() or None,
        newest_take=recording.controller.newest_take,
        mode=teaching.modes.mode,
        has_steps=bool(teaching.steps.steps),
        counts_down=recording.controller.countdown_enabled[simulated],
    )


def _read_arm(before: AppSnapshot, arm: ArmParts) -> tuple[AppSnapshot, bool]:
    """Return ``before`` with what is known of the arm, and whether it is the simulated one."""
    connection, controller, current = arm.connection, arm.controller, arm.connection.current
    simulated = current is None or current.is_simulated
    known = replace(
        before,
        arm_busy=controller.pending_count > 0,
        torque_off=controller.torque_off,
        limp=controller.is_limp,
        simulated=simulated,
        needs_placement=current is not None and isinstance(controller.arm, ObjectPlaceable),
        has_camera=arm.camera.is_on,
        on_port=not connection.chosen.is_simulated,
        named_arm=current is not None and bool(current.name),
        same_arm=current is None or current.key == connection.chosen.key,
        reconnecting=connection.reconnecting,
        alarm=controller.alarm,
        overloaded=controller.is_overloaded,
    )
    return known, simulated
