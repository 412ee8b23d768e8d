"""Outcome of a policy run: what success means for a task, and the message at the end of the run. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.success import SuccessMonitor
    from metagui.gui.core.messages import MessageKind


def describe_outcome(
    task: str, outcome: str, success_monitor: SuccessMonitor | None, is_success: bool
) -> tuple[str, MessageKind]:
    """Return the text and the kind of the message at the end of a run."""
    if outcome == "stopped":
        return f"Stopped “{task}”; the arm holds.", "info"
    if outcome != "done":
        return f"“{task}” {outcome}; the arm holds. More takes, or takes from other scenes, usually help.", "warning"
    if success_monitor is None:
        return (
            f"“{task}” has ended. Look at the scene: its success cannot be judged automatically.",
            "info",
        )
    if is_success:
        return f"Done: “{task}” succeeded in a new scene.", "success"
    done, total = sum(success_monitor.achieved), len(success_monitor.program.instructions)
    return f"“{task}” has ended, but only {done} of {total} instructions were achieved.", "warning"


def program_from_take(take: Demonstration) -> TaskProgram | None:
    """Return the task program of a take, or None if a segment has no instruction."""
    instructions = tuple(s.instruction for s in take.segments if isinstance(s.instruction, Instruction))
    if not instructions or len(instructions) != len(take.segments):
        return None
    return TaskProgram(take.task, instructions)
