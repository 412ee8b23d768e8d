"""The system's sound when a take is saved, at each second of a countdown, and when something went wrong."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication


class Sounds(QObject):
    """Makes the sound, if it is switched on; connect the slots to what they are named after."""

    def __init__(self, parent: QObject, enabled: bool) -> None:
        super().__init__(parent)
        self.enabled = enabled

    def on_take_saved(self, _take: object) -> None:
        """Sound: who guides an arm by hand looks at the arm, not at the screen."""
        self.play()

    def on_count(self, seconds: int, _text: str) -> None:
        """Sound at each second of a countdown."""
        if seconds > 0:
            self.play()

    def on_message(self, _text: str, kind: str, _action: str) -> None:
        """Sound for an error."""
        if kind == "error":
            self.play()

    def play(self) -> None:
        """Make the sound of the system, unless it is switched off."""
        if self.enabled:
            QApplication.beep()
