"""The steps of the present take: what was asked of the arm, how each ended, and changes of those that still wait."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.demonstrations.programs.program import describe_instruction
from metagui.gui.teaching.steps.step_numbers import list_numbers_of, read_numbers

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Instruction
    from metagui.demonstrations.programs.program_controller import ProgramController
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.teaching.click_dispatcher import ClickDispatcher


class StepStatus(Enum):
    """How far a step is; the value is its text."""

    WAITING = "waits"
    RUNNING = "is being done"
    DONE = "done"
    FAILED = "not achieved"
    STOPPED = "not done"
    CHANGED = "changed; record again"


@dataclass(frozen=True)
class Step:
    """One instruction to the arm, and how far it is."""

    instruction: Instruction
    status: StepStatus
    program: ProgramController
    """The queue that carries it out."""
    index: int
    """Number of the step in that queue."""

    @property
    def is_open(self) -> bool:
        """True if the step is not over."""
        return self.status in (StepStatus.WAITING, StepStatus.RUNNING)

    def describe(self) -> str:
        """Return the step with its numbers as text."""
        text = describe_instruction(self.instruction)
        values = read_numbers(self.instruction)
        numbers = [f"{each.text.lower()} {values[each.key]:.0f}" for each in list_numbers_of(self.instruction)]
        return f"{text}, {', '.join(numbers)} mm" if numbers else text


class StepList(QObject):
    """Follows the steps of one take; steps that wait can be changed at once, others before they are recorded again."""

    changed = Signal()

    def __init__(self, controller: ArmController, clicks: ClickDispatcher) -> None:
        super().__init__()
        self._controller = controller
        self.steps: tuple[Step, ...] = ()
        self._is_over = False
        clicks.instruction_added.connect(self._add)
        controller.ticked.connect(self._follow)

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The instructions of all steps, in order."""
        return tuple(step.instruction for step in self.steps)

    @property
    def is_changed(self) -> bool:
        """True if steps that the arm has done already were changed since."""
        return any(step.status is StepStatus.CHANGED for step in self.steps)

    @property
    def is_busy(self) -> bool:
        """True while the arm has steps to do."""
        return any(step.is_open for step in self.steps)

    def clear(self) -> None:
        """Forget all steps, because a take begins."""
        self._is_over = False
        self._set(())

    def end_take(self) -> None:
        """Keep the steps of a take that has ended until the next step is given."""
        self._is_over = True

    def explain_fixed(self, index: int) -> str:
        """Return why a step cannot be changed now; empty if it can."""
        if not 0 <= index < len(self.steps):
            return "Choose a step first."
        if self.steps[index].status is StepStatus.RUNNING:
            return "The arm is doing this step; press Stop first."
        if self.is_busy and not self.steps[index].is_open:
            return "This step is done; wait until the arm has finished the others."
        return ""

    def remove(self, index: int) -> None:
        """Remove a step."""
        if not self.explain_fixed(index):
            self._change([*self.steps[:index], *self.steps[index + 1 :]], index)

    def move(self, index: int, by: int) -> bool:
        """Move a step up (-1) or down (1); return False if that is not possible."""
        other = index + by
        if self.explain_fixed(index) or self.explain_fixed(other):
            return False
        steps = list(self.steps)
        steps[index], steps[other] = steps[other], steps[index]
        self._change(steps, min(index, other))
        return True

    def replace_step(self, index: int, instruction: Instruction) -> None:
        """Change the numbers of a step."""
        if not self.explain_fixed(index) and instruction != self.steps[index].instruction:
            steps = list(self.steps)
            steps[index] = replace(steps[index], instruction=instruction)
            self._change(steps, index)

    def _change(self, steps: list[Step], first: int) -> None:
        """Set the steps, of which those from ``first`` on differ; the arm's queue follows."""
        if self.is_busy:
            waiting = [step.instruction for step in steps if step.status is StepStatus.WAITING]
            if not self._replace_waiting(waiting):
                return
            begin = len(steps) - len(waiting)
            start = self._controller.program_controller.received_count - len(waiting)
            steps[begin:] = [replace(step, index=start + i) for i, step in enumerate(steps[begin:])]
        else:
            steps[first:] = [replace(step, status=StepStatus.CHANGED) for step in steps[first:]]
            if first == len(steps) and steps:  # the last step was removed
                steps[-1] = replace(steps[-1], status=StepStatus.CHANGED)
        self._set(tuple(steps))

    def _replace_waiting(self, instructions: list[Instruction]) -> bool:
        """Give the arm other waiting steps; return False if one of the old ones has begun meanwhile."""
        loop, program = self._controller.loop, self._controller.program_controller
        if loop is None:
            return False
        with loop.between_ticks():
            if program.waiting_count != sum(step.status is StepStatus.WAITING for step in self.steps):
                return False
            program.replace_waiting(*instructions)
        return True

    def _add(self, instruction: Instruction) -> None:
        if self._is_over:
            self.clear()
        program = self._controller.program_controller
        index = program.received_count - 1
        self._set((*self.steps, Step(instruction, StepStatus.WAITING, program, index)))

    def _follow(self, _tick: object) -> None:
        """Read how far the steps are."""
        self._set(tuple(self._update(step) for step in self.steps))

    def _update(self, step: Step) -> Step:
        if not step.is_open:
            return step
        program, status = step.program, StepStatus.WAITING
        if step.index < len(program.results):
            result = program.results[step.index]
            failed = StepStatus.FAILED if result.is_finished else StepStatus.STOPPED
            status = StepStatus.DONE if result.achieved else failed
        elif program is not self._controller.program_controller:
            status = StepStatus.STOPPED
        elif step.index < program.received_count - program.waiting_count:
            status = StepStatus.RUNNING
        return step if status is step.status else replace(step, status=status)

    def _set(self, steps: tuple[Step, ...]) -> None:
        if steps != self.steps:
            self.steps = steps
            self.changed.emit()
