"""Messages and state changes while an arm is connected, calibrated, lost and found again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from metagui.arms.so101.calibration import NotCalibratedError
from metagui.gui.core.app_state import ArmActivity

if TYPE_CHECKING:
    from metagui.gui.arm.arm_connection import ArmConnection
    from metagui.gui.arm.arm_controller import ArmController
    from metagui.gui.core.app_state import AppState
    from metagui.gui.core.messages import Messages

_COMMAND_PATTERN = re.compile(r"`([^`]+)`")


class ConnectionFlow(QObject):
    """Connects and disconnects the selected arm, and reports how that went."""

    activity_changed = Signal(object)
    """An ArmActivity that follows from the connection."""
    interrupted = Signal(bool)
    """The arm stopped what it was doing because of an error; True if the arm itself is lost."""

    def __init__(
        self, connection: ArmConnection, controller: ArmController, state: AppState, messages: Messages
    ) -> None:
        super().__init__()
        self._connection, self._controller, self._state, self._messages = connection, controller, state, messages
        self._command = ""
        connection.arm_connected.connect(self._on_connected)
        connection.failed.connect(self._on_failure)
        controller.failed.connect(self._on_arm_failure)

    def toggle_connection(self) -> None:
        """Connect the selected arm, or disconnect it if it is connected."""
        current, chosen = self._connection.current, self._connection.chosen
        is_same = current is not None and current.key == chosen.key
        if self._state.activity is ArmActivity.CONNECTING or (self._state.activity is ArmActivity.READY and is_same):
            self.disconnect_arm()
        else:
            self.connect_chosen()

    def connect_chosen(self) -> None:
        """Connect the selected arm."""
        if not self._connection.chosen.is_simulated:
            self.activity_changed.emit(ArmActivity.CONNECTING)
        self._connection.connect_chosen()

    def connect_named(self, name: str) -> None:
        """Select and connect a named arm that was calibrated just now."""
        self._connection.choose_when_listed(f"arm:{name}")
        self._connection.scan()
        self.connect_chosen()

    def release_for_calibration(self) -> None:
        """Disconnect the arm so that the calibration wizard can open its port."""
        self.disconnect_arm()
        self.activity_changed.emit(ArmActivity.CALIBRATING)

    def end_calibration(self, message: str) -> None:
        """Leave the cancelled calibration; ``message`` describes the state of the arm, and may be empty."""
        self.activity_changed.emit(ArmActivity.NO_ARM)
        if message:
            self._messages.post(message)

    def begin_pose_check(self) -> None:
        """Keep the arm for the check of its pose: nothing else moves it meanwhile."""
        self.activity_changed.emit(ArmActivity.CHECKING_POSE)

    def end_pose_check(self) -> None:
        """Let the arm be used again after the check of its pose."""
        self.activity_changed.emit(ArmActivity.READY)

    def begin_camera_setup(self) -> None:
        """Keep the arm for the set-up of its camera: nothing else moves it meanwhile."""
        self.activity_changed.emit(ArmActivity.SETTING_UP_CAMERA)

    def end_camera_setup(self) -> None:
        """Let the arm be used again after the set-up of its camera."""
        self.activity_changed.emit(ArmActivity.READY)

    def disconnect_arm(self) -> None:
        """Hold and disconnect the arm."""
        self._connection.disconnect_arm()
        self.activity_changed.emit(ArmActivity.NO_ARM)

    def copy_command(self) -> None:
        """Copy the command in the last error message to the clipboard."""
        QGuiApplication.clipboard().setText(self._command)
        self._messages.post(f"Copied: {self._command}")

    def _on_connected(self, reconnected: bool) -> None:
        self.activity_changed.emit(ArmActivity.READY)
        current = self._connection.current
        if reconnected and current is not None:
            self._messages.post(f"{_capitalise(current.display_name)} is back and holds where it is.", "success")
        elif current is not None and not current.is_simulated:
            self._messages.post(f"Connected {current.display_name}; it holds where it is.", "success")

    def _on_failure(self, error: Exception) -> None:
        """Report why the arm cannot be connected, with the action that solves it."""
        self.activity_changed.emit(ArmActivity.ERROR)
        command = _COMMAND_PATTERN.search(str(error))
        self._command = command.group(1) if command else ""
        action = "calibrate" if isinstance(error, NotCalibratedError) else "copy_command" if command else "connect"
        self._messages.post_error(error, action)

    def _on_arm_failure(self, message: str, fatal: bool) -> None:
        """Report an error of the control loop, and reconnect an arm whose connection broke."""
        lost = self._connection.current
        self.interrupted.emit(fatal)
        if fatal:
            self.activity_changed.emit(ArmActivity.ERROR)
            if lost is not None and not lost.is_simulated and self._controller.connection_lost:
                self._connection.reconnect_lost_arm()
                message = f"{message} {_capitalise(lost.display_name)} is looked for and comes back by itself."
        self._messages.post(message, "error", "connect" if fatal else "")


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
