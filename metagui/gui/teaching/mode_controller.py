"""Teaching modes: switches between clicks, hand guiding, leader, keyboard and gamepad, and opens what they need."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from metagui.arms.arm import ArmError, HandGuidable
from metagui.arms.guiding import GuidingStiffness
from metagui.arms.so101 import arm_registry
from metagui.arms.teleoperation.leader import LeaderController
from metagui.arms.teleoperation.velocity import VelocityController
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.core.background_queue import BackgroundQueue
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
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.countdown import Countdown
    from metagui.gui.core.messages import Messages

GRIPPER_OPEN_ABOVE_RAD = math.radians(25)
"""Gripper angle above which the gripper counts as open, rad."""


class ModeController(QObject):
    """Holds the active teaching mode; errors and new arms return to clicks."""

    changed = Signal()
    """The mode, the torque, the leader or the availability of a gamepad has changed."""

    def __init__(
        self,
        controller: ArmController,
        connection: ArmConnection,
        countdown: Countdown,
        state: AppState,
        messages: Messages,
    ) -> None:
        super().__init__()
        self.mode = CLICK_MODE
        self.stiffness = GuidingStiffness.LIMP
        """Stiffness of hand guiding."""
        self.following = False
        """True while the arm follows a leader."""
        self.velocity_controller: VelocityController | None = None
        """Controller that the keyboard or the gamepad commands in their modes, else None."""
        self._controller, self._connection = controller, connection
        self._countdown, self._state, self._messages = countdown, state, messages
        self._leader: SO101Arm | None = None
        self._port_queue = BackgroundQueue(messages.post_error)
        self._gamepad = GamepadTeleop(self)
        self._gamepad.gamepad_lost.connect(self._on_gamepad_lost)
        self._generation = 0
        controller.failed.connect(self._on_failure)

    # Availability

    def availability(self) -> ModeAvailability:
        """Return which modes are possible now."""
        arm = self._controller.arm
        if not self._controller.is_connected:
            return ModeAvailability()
        return ModeAvailability(
            arm.name, isinstance(arm, HandGuidable), len(self.available_leaders()), self._gamepad.problem
        )

    def available_leaders(self) -> list[ArmChoice]:
        """Return the arms that can be the leader of the connected one."""
        current = self._connection.current
        return [
            choice
            for choice in self._connection.choices
            if not choice.is_simulated and choice.present and (current is None or choice.device != current.device)
        ]

    def find_gamepad(self) -> None:
        """Look for a gamepad; called before the modes are shown, because it takes a moment."""
        self._gamepad.find_gamepad()
        self.changed.emit()

    # Switching modes

    def choose(self, key: str) -> None:
        """Switch to another mode: the old one is closed, and the arm holds if its torque was off."""
        problem = explain_unavailable(key, self.availability())
        if problem:
            self._messages.post(problem, "warning")
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
        """Return True if the gripper is open now, or if that is unknown."""
        now = self._controller.latest_tick
        return now is None or now.observation.gripper > GRIPPER_OPEN_ABOVE_RAD

    def _leave_mode(self) -> None:
        """Close what the active mode has opened."""
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
        self._messages.post("The gamepad was unplugged; the arm holds. Plug it in and choose it again.", "warning")

    def reset(self) -> None:
        """Return to clicks, because the arm or its state has changed."""
        self.stop_following()
        self._stop_teleoperation()
        self.mode = CLICK_MODE
        self.changed.emit()

    # Hand guiding

    def choose_stiffness(self, stiffness: str) -> None:
        """Choose the stiffness of the next hand guiding."""
        self.stiffness = GuidingStiffness(stiffness)
        self.changed.emit()

    def toggle_torque(self) -> None:
        """Hold the arm, or let it be guided; when idle, a countdown gives time to take hold of one that gets limp."""
        is_idle = self._state.activity is ArmActivity.READY
        if self._controller.torque_off or not is_idle or self.stiffness is not GuidingStiffness.LIMP:
            self.switch_torque()
        else:
            self.choose(HAND_MODE)
            self._countdown.start("The torque goes off: hold the arm", self._on_countdown_finished)

    def _on_countdown_finished(self) -> None:
        self._state.request(ArmActivity.READY)
        self.switch_torque()

    def switch_torque(self) -> None:
        """Start or end hand guiding at once, in its mode."""
        if self.mode != HAND_MODE:
            self.choose(HAND_MODE)
        if self.mode == HAND_MODE:
            self._set_torque_off(not self._controller.torque_off)
        self.changed.emit()

    def _set_torque_off(self, torque_off: bool) -> None:
        try:
            self._controller.set_torque_off(torque_off, self.stiffness)
        except ArmError as error:
            self._messages.post_error(error)

    # Leader

    def follow(self, choice: ArmChoice) -> None:
        """Open the leader, switch its torque off, and let the arm follow it."""
        self.stop_following()
        self._port_queue.submit(
            partial(self._open_leader, choice),
            partial(self._on_leader_opened, self._generation),
            self._on_leader_failed,
        )

    def _open_leader(self, choice: ArmChoice) -> SO101Arm:
        """Return the open leader with its torque off; called in another thread. Raises ArmError."""
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
        self._messages.post(f"The leader cannot be used. {error}", "error")
        self.changed.emit()

    def stop_following(self) -> None:
        """Hold the arm, and disconnect the leader with its torque off."""
        self._generation += 1
        leader, self._leader = self._leader, None
        if leader is not None:
            self.following = False
            self._controller.set_teaching_controller(None)
            self._port_queue.submit(partial(leader.disconnect, disable_torque=True), None, self._on_leader_failed)
            self.changed.emit()

    # Stop and errors

    def halt(self) -> None:
        """Stop following a leader; the arm holds."""
        self.stop_following()
        self.changed.emit()

    def _on_failure(self, _message: str, fatal: bool) -> None:
        """Return to clicks after an error of the control loop."""
        if fatal or self.mode != CLICK_MODE:
            self.reset()

    def close(self) -> None:
        """Disconnect the leader and end all threads."""
        self.stop_following()
        self._gamepad.close()
        self._port_queue.close()
