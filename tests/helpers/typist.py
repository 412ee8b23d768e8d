"""A person without a mouse, who reads what a screen reader says of the widget with the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QComboBox, QWidget

from metagui.gui.window.main_window import MainWindow
from tests.helpers.qt import session_of
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from metagui.gui.window.session import Session

CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)
MAX_TABS = 90


class Typist(SimulatedUser):
    """A person who uses keys only, and reads what a screen reader says of the widget with the focus."""

    @property
    def focus(self) -> QWidget:
        """The widget with the focus."""
        found = QApplication.focusWidget()
        assert found is not None, "no widget has the focus"
        return found

    @property
    def session(self) -> Session:
        """What the window shows."""
        assert isinstance(self.window, MainWindow)
        return session_of(self.window)

    def tab_to(self, name: str) -> QWidget:
        """Press Tab until the widget with an accessible name has the focus."""
        for _ in range(MAX_TABS):
            if self.focus.accessibleName() == name:
                return self.focus
            self.press_key(Qt.Key.Key_Tab)
            self.pause(0.01)
        raise AssertionError(f"{name!r} is not reached by Tab")

    def choose(self, box_name: str, text: str) -> None:
        """Choose an entry of a box with the arrow keys."""
        box = self.tab_to(box_name)
        assert isinstance(box, QComboBox)
        self.press_key(Qt.Key.Key_Home)
        for _ in range(box.count()):
            if box.currentText().startswith(text):
                return
            self.press_key(Qt.Key.Key_Down)
        raise AssertionError(f"{text!r} cannot be chosen in {box_name!r}: {box.currentText()!r}")

    def begin_take(self, task: str) -> None:
        """Record a take of a new task, and go to the form of steps."""
        self.press_key(Qt.Key.Key_N, CTRL)
        self.type_text(task)
        self.press_key(Qt.Key.Key_Return)
        self.press_key(Qt.Key.Key_F9)
        self.wait_until(lambda: self.read_state().startswith("Recording"), "recording")
        self.press_key(Qt.Key.Key_4, CTRL)

    def give_step(self, action: str, object_name: str) -> None:
        """Let the arm do something, from the form of steps."""
        self.choose("Action of the step", action)
        self.choose("Object of the step", object_name)
        self.press_key(Qt.Key.Key_Return)
        self.pause(0.05)

    def select_by_keys(self, task: str, take: int | None = None) -> None:
        """Go to a task in the list by keys, and to one of its takes."""
        self.press_key(Qt.Key.Key_1, CTRL)
        self.press_key(Qt.Key.Key_Home)
        for _ in range(MAX_TABS):
            if self.session.state.snapshot.task == task:
                break
            self.press_key(Qt.Key.Key_Down)
            self.pause(0.02)
        assert self.session.state.snapshot.task == task
        if take is not None:
            self.press_key(Qt.Key.Key_Right)
            for _ in range(take):
                self.press_key(Qt.Key.Key_Down)
            assert self.session.state.snapshot.take == f"{take:03}"
