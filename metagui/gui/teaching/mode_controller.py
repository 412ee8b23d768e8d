"""The way the arm is taught now: who moves it while nothing runs, and what has to be opened and closed for that."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError, HandGuidable
from metagui.arms.so101 import arm_registry
from metagui.arms.teleoperation.leader import LeaderController
from metagui.arms.teleoperation.velocity import VelocityController
from metagui.gui.core.task_queue import BackgroundQueue
from metagui.gui.teaching.gamepad_teleop import GamepadTeleop
from metagui.gui.teaching.modes import (
    CLICK_MODE,
    GAMEPAD_MODE,
    HAND_MODE,
    KEYBOARD_MODE,
    LEADER_MODE,
    ModeAvailability,
    explain_unavailable,
)

if TYPE_CHECKING:
    from metagui.arms.so101.so101_arm import SO101Arm
    from metagui.gui.arm.arm_choices import ArmChoice
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController

GRIPPER_OPEN_ABOVE_RAD = math.radians(25)
"""A gripper more open than this counts as open, rad."""


class ModeController(QObject):
    """One mode at a time; ``clicks`` is where everything returns to."""

    changed = Signal()
    """Another mode is in force, or the arm went limp, holds again, follows or stopped following."""
    message_posted = Signal(str, str, str)

    def __init__(self, controller: ArmController, connection: ArmConnection) -> None:
        super().__init__()
        self.mode = CLICK_MODE
        self.following = False
        """Whether the arm follows a leader."""
        self.velocity_controller: VelocityController | None = None
        """What keys or a gamepad steer, while that is the mode."""
        self._controller, self._connection = controller, connection
        self._leader: SO101Arm | None = None
        self._port_queue = BackgroundQueue()
        self._gamepad = GamepadTeleop(self)
        self._gamepad.gamepad_lost.connect(self._on_gamepad_lost)
        self._generation = 0
        controller.failed.connect(self._on_failure)

    # What there is

    def availability(self) -> ModeAvailability:
        """Return what there is to teach with now."""
        arm = self._controller.arm
        if not self._controller.is_connected:
            return ModeAvailability()
        return ModeAvailability(
            arm.name, isinstance(arm, HandGuidable), len(self.available_leaders()), self._gamepad.problem
        )

    def available_leaders(self) -> list[ArmChoice]:
        """Return the arms that could lead the connected one."""
        current = self._connection.current
        return [
            choice
            for choice in self._connection.choices
            if not choice.is_simulated and choice.present and (current is None or choice.device != current.device)
        ]

    def find_gamepad(self) -> None:
        """See whether a gamepad is there; called before the modes are shown, because looking takes a moment."""
        self._gamepad.find_gamepad()
        self.changed.emit()

    # Choosing

    def choose(self, key: str) -> None:
        """Teach in another way; what the old one opened is closed, and a limp arm holds."""
        missing = explain_unavailable(key, self.availability())
        if missing:
            self.message_posted.emit(missing, "warning", "")
        elif key != self.mode:
            self._leave_mode()
            self.mode = key
            if key in (KEYBOARD_MODE, GAMEPAD_MODE) and self._controller.is_connected:
                self.velocity_controller = VelocityController()
                self._controller.set_teaching_controller(self.velocity_controller)
            if key == GAMEPAD_MODE:
                self._gamepad.set_target(self.velocity_controller, self.is_gripper_open())
        self.changed.emit()

    def is_gripper_open(self) -> bool:
        """Whether the gripper is open now."""
        now = self._controller.latest_tick
        return now is None or now.observation.gripper > GRIPPER_OPEN_ABOVE_RAD

    def _leave_mode(self) -> None:
        """End what the mode in force has begun."""
        self.stop_following()
        if self._controller.torque_off:
            self._set_torque_off(False)
        self._stop_teleoperation()
        self._controller.set_teaching_controller(None)

    def _stop_teleoperation(self) -> None:
        self._gamepad.set_target(None)
        self.velocity_controller = None

    def _on_gamepad_lost(self) -> None:
        self.choose(CLICK_MODE)
        self.message_posted.emit(
            "The gamepad was unplugged; the arm holds. Plug it in and choose it again.", "warning", ""
        )

    def reset(self) -> None:
        """Another arm, or none: teach by clicks again."""
        self.stop_following()
        self._stop_teleoperation()
        self.mode = CLICK_MODE
        self.changed.emit()

    # By hand

    def toggle_torque(self) -> None:
        """Make the arm limp, or hold it; chooses the mode."""
        if self.mode != HAND_MODE:
            self.choose(HAND_MODE)
        if self.mode == HAND_MODE:
            self._set_torque_off(not self._controller.torque_off)
        self.changed.emit()

    def _set_torque_off(self, torque_off: bool) -> None:
        try:
            self._controller.set_torque_off(torque_off)
        except ArmError as error:
            self.message_posted.emit(str(error), "error", "")

    # By a leader

    def follow(self, choice: ArmChoice) -> None:
        """Open the leader, let it go limp, and let the arm follow it."""
        self.stop_following()
        self._port_queue.submit(
            partial(self._open_leader, choice),
            partial(self._on_leader_opened, self._generation),
            self._on_leader_failed,
        )

    def _open_leader(self, choice: ArmChoice) -> SO101Arm:
        """Return the leader, limp; called in another thread. Raises ArmError."""
        leader = arm_registry.make_usb_arm(choice.address, self._connection.registry)
        leader.connect()
        try:
            leader.start_hand_guiding()
        except ArmError:
            leader.disconnect()
            raise
        return leader

    def _on_leader_opened(self, generation: int, leader: SO101Arm) -> None:
        if generation != self._generation or self.mode != LEADER_MODE or not self._controller.is_connected:
            self._port_queue.submit(partial(leader.disconnect, disable_torque=True))
            return
        self._leader, self.following = leader, True
        self._controller.set_teaching_controller(LeaderController(leader))
        self.changed.emit()

    def _on_leader_failed(self, error: Exception) -> None:
        self.message_posted.emit(f"The leader cannot be used. {error}", "error", "")
        self.changed.emit()

    def stop_following(self) -> None:
        """Let the arm hold where it is; the leader is let go, limp."""
        self._generation += 1
        leader, self._leader = self._leader, None
        if leader is not None:
            self.following = False
            self._controller.set_teaching_controller(None)
            self._port_queue.submit(partial(leader.disconnect, disable_torque=True), None, self._on_leader_failed)
            self.changed.emit()

    # Whatever happens

    def halt(self) -> None:
        """Stop was pressed: the arm holds, and follows nobody."""
        self.stop_following()
        self.changed.emit()

    def _on_failure(self, _message: str, fatal: bool) -> None:
        """Whoever moved the arm failed: back to clicks."""
        if fatal or self.mode != CLICK_MODE:
            self.reset()

    def close(self) -> None:
        """Let a leader go, end every thread."""
        self.stop_following()
        self._gamepad.close()
        self._port_queue.close()
