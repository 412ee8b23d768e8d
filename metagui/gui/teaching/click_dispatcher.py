"""A person's clicks and buttons as motions: queues what can be done, says why the rest cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.gui.teaching.click_teacher import ClickTeacher, ExpectedGrasp, make_home, make_jog, make_release

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Instruction
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.arm.capabilities import SceneArm
    from metagui.gui.teaching.click_teacher import Proposal


class ClickDispatcher(QObject):
    """The tool in hand, what the hand holds, and whether the scene has been touched."""

    tool_changed = Signal(str)
    instruction_added = Signal(object)
    """A Click that was queued."""
    queue_finished = Signal()
    """The arm has done all that was asked."""
    message_posted = Signal(str, str, str)

    def __init__(self, controller: ArmController, seed: int | None = None) -> None:
        super().__init__()
        self._controller = controller
        self._rng = np.random.default_rng(seed)
        self.click_teacher = ClickTeacher(controller.arm.objects)
        self.scene_used = False
        """Whether anything was done in this scene."""
        controller.ticked.connect(self._on_tick)
        controller.instruction_failed.connect(self._on_instruction_failed)

    def set_arm(self, arm: SceneArm) -> None:
        """Another arm is connected: what its hand holds and what stands where is its own."""
        self.click_teacher.objects = arm.objects
        self.click_teacher.pushed_object, self.click_teacher.expected_grasp = None, ExpectedGrasp()
        self.scene_used = False

    def choose_tool(self, action: str) -> None:
        """Take up another tool."""
        if action != self.click_teacher.action:
            self.click_teacher.choose_tool(action)
        self.tool_changed.emit(action)

    def dispatch(self, proposal: Proposal) -> None:
        """Carry out what was clicked in the view, or say why not."""
        if proposal.is_refused:
            self.message_posted.emit(f"{proposal.hint}. The arm stays where it is.", "warning", "")
            return
        self.click_teacher.accept(proposal)
        if proposal.instruction is not None:
            self.add_instruction(proposal.instruction)
        self.tool_changed.emit(self.click_teacher.action)

    def add_instruction(self, instruction: Instruction) -> None:
        """Queue one motion."""
        self.scene_used = True
        self._controller.add_instructions(instruction)
        self.instruction_added.emit(instruction)

    def jog_up(self) -> None:
        """Raise the gripper a little."""
        self.add_instruction(make_jog(up=True))

    def jog_down(self) -> None:
        """Lower it a little."""
        self.add_instruction(make_jog(up=False))

    def go_home(self) -> None:
        """Bring the arm back over the table."""
        self.add_instruction(make_home())

    def release_object(self) -> None:
        """Let go here."""
        self.click_teacher.expected_grasp = ExpectedGrasp()
        self.add_instruction(make_release())
        self.choose_tool("grasp")

    def randomise_scene(self) -> None:
        """Scatter the scene anew; the arm is home and holds nothing."""
        self._controller.randomise_scene(int(self._rng.integers(2**31)))
        self.scene_used = False
        self.click_teacher.expected_grasp = ExpectedGrasp()
        self.choose_tool("grasp" if self.click_teacher.action == "place" else self.click_teacher.action)

    def _on_tick(self, tick: Tick) -> None:
        """Once the arm rests, what it holds is seen rather than expected."""
        if self._controller.pending_count == 0:
            held = zip(self._controller.arm.objects, tick.observation.scene.held, strict=True)
            self.click_teacher.expected_grasp = ExpectedGrasp(
                next((anchor.name for anchor, is_held in held if is_held), None)
            )
            self.queue_finished.emit()

    def _on_instruction_failed(self, reason: str) -> None:
        self.click_teacher.expected_grasp = ExpectedGrasp()
        self.message_posted.emit(reason, "warning", "")
