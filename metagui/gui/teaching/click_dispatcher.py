"""Clicks and buttons as instructions: queues those that are possible and reports why others are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.gui.teaching.click_teacher import ClickTeacher, ExpectedGrasp, make_home, make_jog, make_release

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Instruction
    from metagui.demonstrations.programs.success import InstructionResult
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.core.messages import Messages
    from metagui.gui.teaching.click_teacher import Proposal


class ClickDispatcher(QObject):
    """Sends instructions to the arm, and tracks the active tool, the held object and whether the scene was used."""

    tool_changed = Signal(str)
    instruction_added = Signal(object)
    """An Instruction that was queued."""
    queue_finished = Signal()
    """All instructions have been carried out; emitted at each poll without pending ones."""

    def __init__(self, controller: ArmController, messages: Messages, seed: int | None = None) -> None:
        super().__init__()
        self._controller, self._messages = controller, messages
        self._rng = np.random.default_rng(seed)
        self._reported_problem = ""
        self._reported_result: InstructionResult | None = None
        self.click_teacher = ClickTeacher(controller.arm.objects)
        self.scene_used = False
        """True once anything was done in the present scene."""
        controller.ticked.connect(self._on_tick)

    def set_arm(self, arm: SceneArm) -> None:
        """Use the objects of another arm, with nothing held and an unused scene."""
        self.click_teacher.objects = arm.objects
        self.click_teacher.pushed_object, self.click_teacher.expected_grasp = None, ExpectedGrasp()
        self.scene_used = False

    def choose_tool(self, action: str) -> None:
        """Select the tool for the next click."""
        if action != self.click_teacher.action:
            self.click_teacher.choose_tool(action)
        self.tool_changed.emit(action)

    def dispatch(self, proposal: Proposal) -> None:
        """Carry out a click in the view, or post why it is not possible."""
        if proposal.is_refused:
            self._messages.post(f"{proposal.hint}. The arm stays where it is.", "warning")
            return
        self.click_teacher.accept(proposal)
        if proposal.instruction is not None:
            self.add_instruction(proposal.instruction)
        self.tool_changed.emit(self.click_teacher.action)

    def add_instruction(self, instruction: Instruction) -> None:
        """Queue one instruction."""
        self.scene_used = True
        self._reported_problem = ""
        self._controller.add_instructions(instruction)
        self.instruction_added.emit(instruction)

    def jog_up(self) -> None:
        """Raise the gripper by one step."""
        self.add_instruction(make_jog(up=True))

    def jog_down(self) -> None:
        """Lower the gripper by one step."""
        self.add_instruction(make_jog(up=False))

    def go_home(self) -> None:
        """Move the arm to its home pose."""
        self.add_instruction(make_home())

    def release_object(self) -> None:
        """Open the gripper here."""
        self.click_teacher.expected_grasp = ExpectedGrasp()
        self.add_instruction(make_release())
        self.choose_tool("grasp")

    def randomise_scene(self) -> None:
        """Randomise the scene; the arm is at home and holds nothing."""
        self._controller.randomise_scene(int(self._rng.integers(2**31)))
        self.scene_used = False
        self.click_teacher.expected_grasp = ExpectedGrasp()
        self.choose_tool("grasp" if self.click_teacher.action == "place" else self.click_teacher.action)

    def _on_tick(self, tick: Tick) -> None:
        """Take the held object from the observation once the arm rests, and report a failed instruction."""
        if self._controller.pending_count == 0:
            held = zip(self._controller.arm.objects, tick.observation.scene.held, strict=True)
            self.click_teacher.expected_grasp = ExpectedGrasp(
                next((scene_object.name for scene_object, is_held in held if is_held), None)
            )
            self.queue_finished.emit()
        self._report_result()
        problem = self._controller.instruction_problem
        if problem and problem != self._reported_problem:
            self._reported_problem = problem
            self.click_teacher.expected_grasp = ExpectedGrasp()
            self._messages.post(problem, "warning")

    def _report_result(self) -> None:
        """Report an instruction that ran to its end but was not achieved."""
        results = self._controller.program_controller.results
        newest = results[-1] if results else None
        if newest is self._reported_result:
            return
        self._reported_result = newest
        if newest is not None and newest.is_finished and not newest.achieved:
            text = newest.describe()
            self._messages.post(
                f"{text}. The arm holds; put it right with more clicks, or record the take again.", "warning"
            )
