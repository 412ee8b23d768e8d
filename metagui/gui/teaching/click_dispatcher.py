"""A person's clicks and buttons as motions: queues what can be done, says why the rest cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal

from metagui.gui.teaching.click_teacher import Hand, Teacher, home, nudge, release

if TYPE_CHECKING:
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Click
    from metagui.gui.arm.arm_controller import ArmDesk
    from metagui.gui.arm.capabilities import DeskArm
    from metagui.gui.teaching.click_teacher import Proposal


class Steering(QObject):
    """The tool in hand, what the hand holds, and whether the scene has been touched."""

    tool_changed = Signal(str)
    clicked = Signal(object)
    """A Click that was queued."""
    rested = Signal()
    """The arm has done all that was asked."""
    said = Signal(str, str, str)

    def __init__(self, desk: ArmDesk, seed: int | None = None) -> None:
        super().__init__()
        self._desk = desk
        self._rng = np.random.default_rng(seed)
        self.teacher = Teacher(desk.arm.anchors)
        self.scene_used = False
        """Whether anything was done in this scene."""
        desk.ticked.connect(self._on_tick)
        desk.refused.connect(self._on_refusal)

    def begin(self, arm: DeskArm) -> None:
        """Another arm is connected: what its hand holds and what stands where is its own."""
        self.teacher.anchors = arm.anchors
        self.teacher.first, self.teacher.hand = None, Hand()
        self.scene_used = False

    def choose_tool(self, verb: str) -> None:
        """Take up another tool."""
        if verb != self.teacher.verb:
            self.teacher.choose(verb)
        self.tool_changed.emit(verb)

    def propose(self, proposal: Proposal) -> None:
        """Carry out what was clicked in the view, or say why not."""
        if proposal.refused:
            self.said.emit(f"{proposal.hint}. The arm stays where it is.", "warning", "")
            return
        self.teacher.accept(proposal)
        if proposal.click is not None:
            self.click(proposal.click)
        self.tool_changed.emit(self.teacher.verb)

    def click(self, click: Click) -> None:
        """Queue one motion."""
        self.scene_used = True
        self._desk.click(click)
        self.clicked.emit(click)

    def up(self) -> None:
        """Raise the gripper a little."""
        self.click(nudge(up=True))

    def down(self) -> None:
        """Lower it a little."""
        self.click(nudge(up=False))

    def home(self) -> None:
        """Bring the arm back over the table."""
        self.click(home())

    def release(self) -> None:
        """Let go here."""
        self.teacher.hand = Hand()
        self.click(release())
        self.choose_tool("grasp")

    def randomise(self) -> None:
        """Scatter the scene anew; the arm is home and holds nothing."""
        self._desk.randomise(int(self._rng.integers(2**31)))
        self.scene_used = False
        self.teacher.hand = Hand()
        self.choose_tool("grasp" if self.teacher.verb == "place" else self.teacher.verb)

    def _on_tick(self, tick: Tick) -> None:
        """Once the arm rests, what it holds is seen rather than expected."""
        if self._desk.pending == 0:
            held = zip(self._desk.arm.anchors, tick.observation.scene.held, strict=True)
            self.teacher.hand = Hand(next((anchor.name for anchor, is_held in held if is_held), None))
            self.rested.emit()

    def _on_refusal(self, words: str) -> None:
        self.teacher.hand = Hand()
        self.said.emit(words, "warning", "")
