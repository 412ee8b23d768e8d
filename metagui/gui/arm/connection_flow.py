"""From a chosen arm to one that holds and waits: connecting, losing and finding it again, in words."""

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

_COMMAND_PATTERN = re.compile(r"`([^`]+)`")


class ConnectionFlow(QObject):
    """Says which state the arm is in; what it was doing when it was lost is ended by whoever listens."""

    state_changed = Signal(object)
    """A State."""
    interrupted = Signal(bool)
    """Whatever the arm was doing is over; whether the arm itself is lost."""
    message_posted = Signal(str, str, str)

    def __init__(self, connection: ArmConnection, controller: ArmController) -> None:
        super().__init__()
        self.connection = connection
        self._command = ""
        connection.arm_connected.connect(self._on_connected)
        connection.failed.connect(self._on_failure)
        connection.registry_problem_found.connect(self._on_problem)
        connection.arm_named.connect(self._on_named)
        connection.naming_failed.connect(self._on_naming_failed)
        controller.failed.connect(self._on_arm_failure)
        self._controller = controller

    def toggle_connection(self, state: ArmActivity) -> None:
        """Connect the chosen arm, or let go of it if it is the one that is connected."""
        station = self.connection
        same = station.current is not None and station.current.key == station.chosen.key
        if state is ArmActivity.CONNECTING or (state is ArmActivity.READY and same):
            self.disconnect_arm()
        else:
            self.connect_chosen()

    def connect_chosen(self) -> None:
        """Connect the chosen arm."""
        if not self.connection.chosen.is_simulated:
            self.state_changed.emit(ArmActivity.CONNECTING)
        self.connection.connect_chosen()

    def connect_named(self, name: str) -> None:
        """Choose a named arm that was calibrated just now, and connect it."""
        self.connection.choose_when_listed(f"arm:{name}")
        self.connection.scan()
        self.connect_chosen()

    def release_for_calibration(self) -> None:
        """Let go of the arm, so that it can be calibrated."""
        self.disconnect_arm()
        self.state_changed.emit(ArmActivity.CALIBRATING)

    def end_calibration(self, message: str) -> None:
        """The calibration was cancelled; ``words`` say what that leaves."""
        self.state_changed.emit(ArmActivity.NO_ARM)
        if message:
            self.message_posted.emit(message, "info", "")

    def disconnect_arm(self) -> None:
        """Hold and let go of the arm."""
        self.connection.disconnect_arm()
        self.state_changed.emit(ArmActivity.NO_ARM)

    def _on_connected(self, reconnected: bool) -> None:
        self.state_changed.emit(ArmActivity.READY)
        current = self.connection.current
        if reconnected and current is not None:
            self.message_posted.emit(
                f"{_capitalise(current.display_name)} is back and holds where it is.", "success", ""
            )
        elif current is not None and not current.is_simulated:
            self.message_posted.emit(f"Connected {current.display_name}; it holds where it is.", "success", "")

    def _on_failure(self, error: Exception) -> None:
        """Say why it cannot be connected, with the button that mends it."""
        self.state_changed.emit(ArmActivity.ERROR)
        command = _COMMAND_PATTERN.search(str(error))
        self._command = command.group(1) if command else ""
        mends = "calibrate" if isinstance(error, NotCalibratedError) else "copy_command" if command else "connect"
        self.message_posted.emit(str(error), "error", mends)

    def copy_command(self) -> None:
        """Put the command of the last message where it can be pasted from."""
        QGuiApplication.clipboard().setText(self._command)
        self.message_posted.emit(f"Copied: {self._command}", "info", "")

    def _on_named(self, name: str) -> None:
        self.message_posted.emit(f"This arm is called “{name}” from now on, whatever port it is on.", "success", "")

    def _on_naming_failed(self, error: Exception) -> None:
        self.message_posted.emit(str(error), "warning", "name_arm")

    def _on_problem(self, message: str) -> None:
        self.message_posted.emit(message, "error", "")

    def _on_arm_failure(self, message: str, fatal: bool) -> None:
        """The arm broke off what it was doing; a lost one is looked for."""
        lost = self.connection.current
        self.interrupted.emit(fatal)
        if fatal:
            self.state_changed.emit(ArmActivity.ERROR)
            if lost is not None and not lost.is_simulated and self._controller.connection_lost:
                self.connection.reconnect_lost_arm()
                message = f"{message} {_capitalise(lost.display_name)} is looked for and comes back by itself."
                self.message_posted.emit(message, "error", "connect")
                return
        self.message_posted.emit(message, "error", "connect" if fatal else "")


def _capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]
