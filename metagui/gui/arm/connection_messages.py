"""From a chosen arm to one that holds and waits: connecting, losing and finding it again, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QGuiApplication

from metagui.arms.so101.calibration import NotCalibratedError
from metagui.gui.core.app_state import State

if TYPE_CHECKING:
    from metagui.gui.arm.arm_connection import Station
    from metagui.gui.arm.arm_controller import ArmDesk

_COMMAND = re.compile(r"`([^`]+)`")


class ArmFlow(QObject):
    """Says which state the arm is in; what it was doing when it was lost is ended by whoever listens."""

    became = Signal(object)
    """A State."""
    interrupted = Signal(bool)
    """Whatever the arm was doing is over; whether the arm itself is lost."""
    said = Signal(str, str, str)

    def __init__(self, station: Station, desk: ArmDesk) -> None:
        super().__init__()
        self.station = station
        self._command = ""
        station.opened.connect(self._on_open)
        station.failed.connect(self._on_failure)
        station.problem.connect(self._on_problem)
        station.named.connect(self._on_named)
        station.failed_to_name.connect(self._on_no_name)
        desk.failed.connect(self._on_arm_failure)
        self._desk = desk

    def toggle(self, state: State) -> None:
        """Connect the chosen arm, or let go of it if it is the one that is connected."""
        station = self.station
        same = station.current is not None and station.current.key == station.chosen.key
        if state is State.CONNECTING or (state is State.READY and same):
            self.let_go()
        else:
            self.connect_chosen()

    def connect_chosen(self) -> None:
        """Connect the chosen arm."""
        if not self.station.chosen.simulated:
            self.became.emit(State.CONNECTING)
        self.station.connect_chosen()

    def use(self, name: str) -> None:
        """Choose a named arm that was calibrated just now, and connect it."""
        self.station.wish(f"arm:{name}")
        self.station.scan()
        self.connect_chosen()

    def calibrate(self) -> None:
        """Let go of the arm, so that it can be calibrated."""
        self.let_go()
        self.became.emit(State.CALIBRATING)

    def end_calibration(self, words: str) -> None:
        """The calibration was cancelled; ``words`` say what that leaves."""
        self.became.emit(State.NO_ARM)
        if words:
            self.said.emit(words, "info", "")

    def let_go(self) -> None:
        """Hold and let go of the arm."""
        self.station.let_go()
        self.became.emit(State.NO_ARM)

    def _on_open(self, back: bool) -> None:
        self.became.emit(State.READY)
        current = self.station.current
        if back and current is not None:
            self.said.emit(f"{_capital(current.called)} is back and holds where it is.", "success", "")
        elif current is not None and not current.simulated:
            self.said.emit(f"Connected {current.called}; it holds where it is.", "success", "")

    def _on_failure(self, error: Exception) -> None:
        """Say why it cannot be connected, with the button that mends it."""
        self.became.emit(State.ERROR)
        command = _COMMAND.search(str(error))
        self._command = command.group(1) if command else ""
        mends = "calibrate" if isinstance(error, NotCalibratedError) else "copy_command" if command else "connect"
        self.said.emit(str(error), "error", mends)

    def copy_command(self) -> None:
        """Put the command of the last message where it can be pasted from."""
        QGuiApplication.clipboard().setText(self._command)
        self.said.emit(f"Copied: {self._command}", "info", "")

    def _on_named(self, name: str) -> None:
        self.said.emit(f"This arm is called “{name}” from now on, whatever port it is on.", "success", "")

    def _on_no_name(self, error: Exception) -> None:
        self.said.emit(str(error), "warning", "name_arm")

    def _on_problem(self, words: str) -> None:
        self.said.emit(words, "error", "")

    def _on_arm_failure(self, message: str, fatal: bool) -> None:
        """The arm broke off what it was doing; a lost one is looked for."""
        lost = self.station.current
        self.interrupted.emit(fatal)
        if fatal:
            self.became.emit(State.ERROR)
            if lost is not None and not lost.simulated and self._desk.lost:
                self.station.look_for_lost()
                message = f"{message} {_capital(lost.called)} is looked for and comes back by itself."
                self.said.emit(message, "error", "connect")
                return
        self.said.emit(message, "error", "connect" if fatal else "")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
