"""The way the arm is taught now: who moves it while nothing runs, and what has to be opened and closed for that."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError, Guidable
from metagui.arms.so101 import arm_registry
from metagui.arms.teleoperation.leader import LeaderController
from metagui.arms.teleoperation.velocity import VelocityController
from metagui.gui.core.task_queue import Errands
from metagui.gui.teaching.gamepad_teleop import PadPilot
from metagui.gui.teaching.modes import CLICK, GAMEPAD, HAND, KEYS, LEADER, Offer, why_no_mode

if TYPE_CHECKING:
    from metagui.arms.so101.so101_arm import FeetechArm
    from metagui.gui.arm.arm_choices import ArmChoice
    from metagui.gui.arm.arm_connection import Station
    from metagui.gui.arm.arm_controller import ArmDesk

WIDE = math.radians(25)
"""A gripper more open than this counts as open, rad."""


class TeachModes(QObject):
    """One mode at a time; ``clicks`` is where everything returns to."""

    changed = Signal()
    """Another mode is in force, or the arm went limp, holds again, follows or stopped following."""
    said = Signal(str, str, str)

    def __init__(self, desk: ArmDesk, station: Station) -> None:
        super().__init__()
        self.mode = CLICK
        self.following = False
        """Whether the arm follows a leader."""
        self.velocity: VelocityController | None = None
        """What keys or a gamepad steer, while that is the mode."""
        self._desk, self._station = desk, station
        self._leader: FeetechArm | None = None
        self._lines = Errands()
        self._pad = PadPilot(self)
        self._pad.lost.connect(self._on_pad_lost)
        self._turn = 0
        desk.failed.connect(self._on_failure)

    # What there is

    def offer(self) -> Offer:
        """Return what there is to teach with now."""
        arm = self._desk.arm
        if not self._desk.connected:
            return Offer()
        return Offer(arm.name, isinstance(arm, Guidable), len(self.leaders()), self._pad.problem)

    def leaders(self) -> list[ArmChoice]:
        """Return the arms that could lead the connected one."""
        current = self._station.current
        return [
            choice
            for choice in self._station.choices
            if not choice.simulated and choice.present and (current is None or choice.device != current.device)
        ]

    def look_for_gamepad(self) -> None:
        """See whether a gamepad is there; called before the modes are shown, because looking takes a moment."""
        self._pad.look()
        self.changed.emit()

    # Choosing

    def choose(self, key: str) -> None:
        """Teach in another way; what the old one opened is closed, and a limp arm holds."""
        missing = why_no_mode(key, self.offer())
        if missing:
            self.said.emit(missing, "warning", "")
        elif key != self.mode:
            self._leave()
            self.mode = key
            if key in (KEYS, GAMEPAD) and self._desk.connected:
                self.velocity = VelocityController()
                self._desk.teach_with(self.velocity)
            if key == GAMEPAD:
                self._pad.steer(self.velocity, self.gripper_open())
        self.changed.emit()

    def gripper_open(self) -> bool:
        """Whether the gripper is open now."""
        now = self._desk.latest
        return now is None or now.observation.gripper > WIDE

    def _leave(self) -> None:
        """End what the mode in force has begun."""
        self.unfollow()
        if self._desk.limp:
            self._set_limp(False)
        self._end_steering()
        self._desk.teach_with(None)

    def _end_steering(self) -> None:
        self._pad.steer(None)
        self.velocity = None

    def _on_pad_lost(self) -> None:
        self.choose(CLICK)
        self.said.emit("The gamepad was unplugged; the arm holds. Plug it in and choose it again.", "warning", "")

    def reset(self) -> None:
        """Another arm, or none: teach by clicks again."""
        self.unfollow()
        self._end_steering()
        self.mode = CLICK
        self.changed.emit()

    # By hand

    def toggle_limp(self) -> None:
        """Make the arm limp, or hold it; chooses the mode."""
        if self.mode != HAND:
            self.choose(HAND)
        if self.mode == HAND:
            self._set_limp(not self._desk.limp)
        self.changed.emit()

    def _set_limp(self, limp: bool) -> None:
        try:
            self._desk.set_limp(limp)
        except ArmError as error:
            self.said.emit(str(error), "error", "")

    # By a leader

    def follow(self, choice: ArmChoice) -> None:
        """Open the leader, let it go limp, and let the arm follow it."""
        self.unfollow()
        self._lines.run(partial(self._opened, choice), partial(self._on_leader, self._turn), self._on_no_leader)

    def _opened(self, choice: ArmChoice) -> FeetechArm:
        """Return the leader, limp; called in another thread. Raises ArmError."""
        leader = arm_registry.usb_arm(choice.address, self._station.book)
        leader.connect()
        try:
            leader.guide()
        except ArmError:
            leader.disconnect()
            raise
        return leader

    def _on_leader(self, turn: int, leader: FeetechArm) -> None:
        if turn != self._turn or self.mode != LEADER or not self._desk.connected:
            self._lines.run(partial(leader.disconnect, release=True))
            return
        self._leader, self.following = leader, True
        self._desk.teach_with(LeaderController(leader))
        self.changed.emit()

    def _on_no_leader(self, error: Exception) -> None:
        self.said.emit(f"The leader cannot be used. {error}", "error", "")
        self.changed.emit()

    def unfollow(self) -> None:
        """Let the arm hold where it is; the leader is let go, limp."""
        self._turn += 1
        leader, self._leader = self._leader, None
        if leader is not None:
            self.following = False
            self._desk.teach_with(None)
            self._lines.run(partial(leader.disconnect, release=True), None, self._on_no_leader)
            self.changed.emit()

    # Whatever happens

    def halt(self) -> None:
        """Stop was pressed: the arm holds, and follows nobody."""
        self.unfollow()
        self.changed.emit()

    def _on_failure(self, _message: str, fatal: bool) -> None:
        """Whoever moved the arm failed: back to clicks."""
        if fatal or self.mode != CLICK:
            self.reset()

    def close(self) -> None:
        """Let a leader go, end every thread."""
        self.unfollow()
        self._pad.close()
        self._lines.close()
