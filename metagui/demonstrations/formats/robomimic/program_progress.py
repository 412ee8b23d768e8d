"""Judges an execution that does not say which instruction it carries out, such as that of a foreign policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.success import SuccessMonitor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Observation, SceneObject
    from metagui.demonstrations.demonstration import Instruction


class ProgramProgress:
    """Tests the instructions of a program one after the other, each as soon as it may be carried out."""

    def __init__(
        self, instructions: Sequence[Instruction], objects: Sequence[SceneObject], observation: Observation
    ) -> None:
        self._program = TaskProgram("judged", tuple(instructions))
        self._monitor = SuccessMonitor(self._program, objects)
        self.is_successful = False
        """True once everything is done; False for ever without instructions."""
        if instructions:
            self._monitor.begin_instruction(observation)

    def update(self, observation: Observation) -> None:
        """Add the state of one sample."""
        achieved, instructions = self._monitor.achieved, self._program.instructions
        if len(achieved) < len(instructions):
            self._monitor.update(observation)
            if not self._monitor.end_instruction(observation):
                achieved.pop()
            elif len(achieved) < len(instructions):
                self._monitor.begin_instruction(observation)
        self.is_successful = bool(instructions) and self._monitor.is_successful(observation)
