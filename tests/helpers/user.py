"""Simulated user of the window, which finds widgets and objects by what is visible and uses mouse and keys only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QTreeView, QWidget

from tests.helpers.clocks import PATIENCE_S, sleep

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HUE_RANGES_DEG = {"red": (355, 10), "green": (135, 160), "blue": (208, 225), "yellow": (43, 56), "violet": (258, 276)}
"""Hues of the objects, from and to, degrees."""
SCENE_VIEW_NAME = "3-D view of the arm"


class SimulatedUser:
    """Reads the pixels and labels of a window, and sends mouse and key events."""

    def __init__(self, window: QWidget) -> None:
        self.window = window
        self.longest_pause = 0.0
        """Longest time in which the window processed no events, s."""
        self.longest_work = 0.0
        """The same as processor time, which does not depend on the load of the machine, s."""
        self.messages: list[str] = []
        """Messages of the window, oldest first; a new message may replace one that was not read yet."""
        self._screenshots: list[tuple[Path, QImage]] = []

    # Reading the window

    def find_widget(self, name: str) -> QWidget:
        """Return the visible widget with an accessible name."""
        for widget in self.window.findChildren(QWidget):
            if widget.isVisible() and widget.accessibleName() == name:
                return widget
        raise AssertionError(f"no widget called {name!r} is visible")

    def can_see(self, name: str) -> bool:
        """Whether a widget with an accessible name is visible."""
        return any(w.isVisible() and w.accessibleName() == name for w in self.window.findChildren(QWidget))

    def find_button(self, text: str) -> QAbstractButton:
        """Return the visible button whose accessible name starts with ``text``."""
        for button in self.window.findChildren(QAbstractButton):
            if button.isVisible() and button.accessibleName().startswith(text):
                return button
        raise AssertionError(f"no button {text!r} is visible")

    def can_read(self, text: str) -> bool:
        """Whether a visible label contains ``text``."""
        return any(text in label.text() for label in self.window.findChildren(QLabel) if label.isVisible())

    def record_message(self, text: str, _kind: str, _action: str) -> None:
        """Add a message of the window; connect this to its signal."""
        self.messages.append(text)

    def was_shown(self, text: str) -> bool:
        """Whether any recorded message contains ``text``."""
        return any(text in message for message in self.messages)

    def read_state(self) -> str:
        """Return the state in the status bar."""
        names = [w.accessibleName() for w in self.window.findChildren(QLabel)]
        return next(n.removeprefix("State: ") for n in names if n.startswith("State: "))

    def grab_pixels(self, widget: QWidget) -> np.ndarray:
        """Return the pixels of a widget, (h, w, 3), 0 to 255."""
        image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)

    def find_object(self, colour: str) -> QPoint:
        """Return the position of an object of a colour in the 3-D view, pixels."""

        def find_pixels() -> tuple[np.ndarray, ...]:
            pixels = self.grab_pixels(self.find_widget(SCENE_VIEW_NAME))
            return np.nonzero(compute_hue_mask(pixels, *HUE_RANGES_DEG[colour]))

        self.wait_until(lambda: len(find_pixels()[0]) > 12, f"a {colour} object in the view")
        rows, columns = find_pixels()
        middle = int(np.median(columns)), int(np.median(rows))
        nearest = int(np.argmin((columns - middle[0]) ** 2 + (rows - middle[1]) ** 2))
        return QPoint(int(columns[nearest]), int(rows[nearest]))

    def take_screenshot(self, path: Path) -> None:
        """Take a screenshot for ``save_screenshots`` to write later, because writing delays the arm."""
        self._screenshots.append((path, self.window.grab().toImage()))

    def save_screenshots(self) -> None:
        """Write the screenshots."""
        for path, image in self._screenshots:
            path.parent.mkdir(parents=True, exist_ok=True)
            assert image.save(str(path)), path
        self._screenshots.clear()

    # Mouse and keys

    def press_button(self, text: str) -> None:
        """Click a button."""
        button = self.find_button(text)
        assert button.isEnabled(), f"{text!r} is disabled: {button.toolTip()}"
        self.click(button, button.rect().center())

    def click(self, widget: QWidget, position: QPoint, right: bool = False) -> None:
        """Move the mouse to a position in a widget and click."""
        point = self._move_mouse(widget, position)
        button = Qt.MouseButton.RightButton if right else Qt.MouseButton.LeftButton
        QTest.mouseClick(self.window.windowHandle(), button, Qt.KeyboardModifier.NoModifier, point)

    def hover(self, colour: str) -> None:
        """Move the mouse over an object in the 3-D view."""
        self.leave_view()
        self._move_mouse(self.find_widget(SCENE_VIEW_NAME), self.find_object(colour))

    def click_object(self, colour: str) -> None:
        """Click an object in the 3-D view."""
        self.leave_view()
        self.click(self.find_widget(SCENE_VIEW_NAME), self.find_object(colour))

    def leave_view(self) -> None:
        """Move the mouse out of the view, so that no hint covers an object, and wait for the view to be drawn."""
        QTest.mouseMove(self.window.windowHandle(), QPoint(5, self.window.height() - 5))
        self.pause(0.45)

    def drag(self, widget: QWidget, start: QPoint, displacement: QPoint) -> None:
        """Drag with the left button."""
        handle = self.window.windowHandle()
        point = self._move_mouse(widget, start)
        QTest.mousePress(handle, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
        for fraction in (0.3, 0.6, 1.0):
            QTest.mouseMove(handle, point + displacement * fraction)
            self.pause(0.02)
        QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point + displacement)

    def press_key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key."""
        QTest.keyClick(self.window.windowHandle(), key, modifier)

    def type_text(self, text: str) -> None:
        """Type into the widget that has the focus."""
        focus = QApplication.focusWidget()
        assert focus is not None, "no widget has the focus"
        QTest.keyClicks(focus, text)

    def select_task(self, name: str) -> None:
        """Click a task in the list, after it has been loaded."""
        self.wait_until(lambda: self.can_see("Tasks and takes"), "the list of tasks")
        tree = self.find_widget("Tasks and takes")
        assert isinstance(tree, QTreeView)
        for row in range(tree.model().rowCount()):
            index = tree.model().index(row, 0)
            if index.data() == name:
                tree.scrollTo(index)
                self.click(tree.viewport(), tree.visualRect(index).center())
                return
        raise AssertionError(f"there is no task {name!r} in the list")

    def _move_mouse(self, widget: QWidget, position: QPoint) -> QPoint:
        point = widget.mapTo(self.window, position)
        QTest.mouseMove(self.window.windowHandle(), point)
        self.pause(0.03)
        return point

    # Waiting

    def pause(self, seconds: float) -> None:
        """Process events for a time, s."""
        deadline = time.monotonic() + seconds
        while True:
            began, worked = time.monotonic(), time.thread_time()
            QApplication.processEvents()
            self.longest_pause = max(self.longest_pause, time.monotonic() - began)
            self.longest_work = max(self.longest_work, time.thread_time() - worked)
            if time.monotonic() >= deadline:
                return
            sleep(0.004)

    def wait_until(self, condition: Callable[[], bool], description: str = "") -> None:
        """Process events until a condition holds; fail after ``PATIENCE_S``."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (
                f"{description or condition} did not come within {PATIENCE_S:.0f} s; messages: {self.messages[-5:]}"
            )
            self.pause(0.02)


def wait_until_ready(window: QWidget) -> SimulatedUser:
    """Return a user of a window that has the focus and is connected to the simulated arm."""
    person = SimulatedUser(window)
    window.activateWindow()  # there may be no window manager to do it
    person.wait_until(window.isActiveWindow, "the window to be active")
    person.wait_until(lambda: person.read_state() == "Ready")
    return person


def compute_hue_mask(pixels: np.ndarray, min_hue: float, max_hue: float) -> np.ndarray:
    """Return the mask (h, w) of vivid pixels (h, w, 3) with a hue between two angles, degrees."""
    red, green, blue = (pixels[..., i] for i in range(3))
    maximum, minimum = pixels.max(axis=2), pixels.min(axis=2)
    span = np.maximum(maximum - minimum, 1)
    hue = np.where(
        maximum == red,
        (green - blue) / span % 6,
        np.where(maximum == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    hue = 60 * hue
    inside = (hue >= min_hue) & (hue <= max_hue) if min_hue <= max_hue else (hue >= min_hue) | (hue <= max_hue)
    return inside & (span > 0.35 * np.maximum(maximum, 1)) & (maximum > 60)
