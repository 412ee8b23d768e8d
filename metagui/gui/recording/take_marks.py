"""Decides whether a take that has just ended may be learnt from, and says why not. Qt-free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.programs.program_controller import ProgramController
    from metagui.demonstrations.programs.success import InstructionResult

INTERRUPTED_NOTE = "The arm reported an error before the take was finished."
"""Notes of a take that an error of the arm ended."""
UNFINISHED_NOTE = "The take was ended before its last step was done."
"""Notes of a take that the user ended in the middle of a step."""


class TakeWatch:
    """Watches the instructions of one take, from its start on."""

    def __init__(self, program_controller: ProgramController) -> None:
        self._program_controller = program_controller
        self._first_result = len(program_controller.results)

    def mark(self, take: Demonstration, interrupted: bool) -> Demonstration:
        """Return the take, marked as failed with the reason in its notes if it is not a good example."""
        if take.success is not None:
            return take
        problem = self._find_problem(interrupted)
        return replace(take, success=False, notes=problem) if problem else take

    @property
    def results(self) -> Sequence[InstructionResult]:
        """How the instructions of the take ended so far."""
        return self._program_controller.results[self._first_result :]

    def _find_problem(self, interrupted: bool) -> str:
        if interrupted:
            return INTERRUPTED_NOTE
        failed = next((result for result in self.results if not result.achieved), None)
        if failed is not None:
            return f"{failed.describe()}."
        return UNFINISHED_NOTE if self._program_controller.pending_count else ""
