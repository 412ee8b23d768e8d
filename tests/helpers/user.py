"""Someone in front of the window: finds things by what can be seen or read, and uses mouse and keys only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QTreeView, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HUES = {"red": (355, 10), "green": (135, 160), "blue": (208, 225), "yellow": (43, 56), "violet": (258, 276)}
"""Where on the colour circle things lie, degrees."""
VIEW = "3-D view of the arm"


class Person:
    """Eyes and a mouse."""

    def __init__(self, window: QWidget) -> None:
        self.window = window
        self.longest_pause = 0.0
        """Longest time the window did not answer, s."""
        self._pictures: list[tuple[Path, QImage]] = []

    # Seeing

    def named(self, name: str) -> QWidget:
        """Return the visible widget with an accessible name."""
        for widget in self.window.findChildren(QWidget):
            if widget.isVisible() and widget.accessibleName() == name:
                return widget
        raise AssertionError(f"there is nothing called {name!r} to be seen")

    def sees(self, name: str) -> bool:
        """Whether a widget with an accessible name can be seen."""
        return any(w.isVisible() and w.accessibleName() == name for w in self.window.findChildren(QWidget))

    def button(self, words: str) -> QAbstractButton:
        """Return the visible button whose name begins with these words."""
        for made in self.window.findChildren(QAbstractButton):
            if made.isVisible() and made.accessibleName().startswith(words):
                return made
        raise AssertionError(f"there is no button {words!r} to be seen")

    def reads(self, words: str) -> bool:
        """Whether a visible label contains these words."""
        return any(words in label.text() for label in self.window.findChildren(QLabel) if label.isVisible())

    def state(self) -> str:
        """Return the word in the status bar."""
        names = [w.accessibleName() for w in self.window.findChildren(QLabel)]
        return next(n.removeprefix("State: ") for n in names if n.startswith("State: "))

    def picture(self, widget: QWidget) -> np.ndarray:
        """Return what a widget looks like, (h, w, 3)."""
        image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)

    def where(self, colour: str) -> QPoint:
        """Return where in the 3-D view the thing of a colour is seen."""
        pixels = self.picture(self.named(VIEW))
        rows, columns = np.nonzero(_hue_mask(pixels, *HUES[colour]))
        assert len(rows) > 12, f"nothing {colour} is to be seen"
        middle = int(np.median(columns)), int(np.median(rows))
        nearest = int(np.argmin((columns - middle[0]) ** 2 + (rows - middle[1]) ** 2))
        return QPoint(int(columns[nearest]), int(rows[nearest]))

    def keep_picture(self, path: Path) -> None:
        """Keep a picture of the whole window, to be written by ``write_pictures``: writing holds up the arm."""
        self._pictures.append((path, self.window.grab().toImage()))

    def write_pictures(self) -> None:
        """Write the pictures that were kept."""
        for path, image in self._pictures:
            path.parent.mkdir(parents=True, exist_ok=True)
            assert image.save(str(path)), path
        self._pictures.clear()

    # Doing

    def press(self, words: str) -> None:
        """Click a button."""
        made = self.button(words)
        assert made.isEnabled(), f"{words!r} is disabled: {made.toolTip()}"
        self.click(made, made.rect().center())

    def click(self, widget: QWidget, place: QPoint, right: bool = False) -> None:
        """Move the mouse somewhere and click."""
        point = self._move(widget, place)
        which = Qt.MouseButton.RightButton if right else Qt.MouseButton.LeftButton
        QTest.mouseClick(self.window.windowHandle(), which, Qt.KeyboardModifier.NoModifier, point)

    def hover(self, colour: str) -> None:
        """Point at a thing in the 3-D view."""
        self.leave_view()
        self._move(self.named(VIEW), self.where(colour))

    def click_thing(self, colour: str) -> None:
        """Click a thing in the 3-D view."""
        self.leave_view()
        self.click(self.named(VIEW), self.where(colour))

    def leave_view(self) -> None:
        """Move the mouse aside, so that no hint covers anything, and let the picture settle."""
        QTest.mouseMove(self.window.windowHandle(), QPoint(5, self.window.height() - 5))
        self.pause(0.45)

    def drag(self, widget: QWidget, start: QPoint, way: QPoint) -> None:
        """Drag with the left button."""
        handle = self.window.windowHandle()
        point = self._move(widget, start)
        QTest.mousePress(handle, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)
        for share in (0.3, 0.6, 1.0):
            QTest.mouseMove(handle, point + way * share)
            self.pause(0.02)
        QTest.mouseRelease(handle, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point + way)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key."""
        QTest.keyClick(self.window.windowHandle(), key, modifier)

    def type(self, words: str) -> None:
        """Type into whatever has the focus."""
        focus = QApplication.focusWidget()
        assert focus is not None, "nothing has the focus"
        QTest.keyClicks(focus, words)

    def choose_task(self, name: str) -> None:
        """Click a task in the list, once that has been read."""
        self.wait_until(lambda: self.sees("Tasks and takes"), 20, "the list of tasks")
        tree = self.named("Tasks and takes")
        assert isinstance(tree, QTreeView)
        for row in range(tree.model().rowCount()):
            index = tree.model().index(row, 0)
            if index.data() == name:
                tree.scrollTo(index)
                self.click(tree.viewport(), tree.visualRect(index).center())
                return
        raise AssertionError(f"there is no task {name!r} in the list")

    def _move(self, widget: QWidget, place: QPoint) -> QPoint:
        point = widget.mapTo(self.window, place)
        QTest.mouseMove(self.window.windowHandle(), point)
        self.pause(0.03)
        return point

    # Waiting

    def pause(self, seconds: float) -> None:
        """Let the window work."""
        deadline = time.monotonic() + seconds
        while True:
            began = time.monotonic()
            QApplication.processEvents()
            self.longest_pause = max(self.longest_pause, time.monotonic() - began)
            if time.monotonic() >= deadline:
                return
            time.sleep(0.004)

    def wait_until(self, what: Callable[[], bool], seconds: float = 20.0, why: str = "") -> None:
        """Let the window work until something can be seen."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {why or what}"
            self.pause(0.02)


def _hue_mask(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return which pixels (h, w, 3) are vivid and of a hue between two angles, degrees."""
    red, green, blue = (pixels[..., i] for i in range(3))
    most, least = pixels.max(axis=2), pixels.min(axis=2)
    span = np.maximum(most - least, 1)
    hue = np.where(
        most == red,
        (green - blue) / span % 6,
        np.where(most == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    hue = 60 * hue
    inside = (hue >= low) & (hue <= high) if low <= high else (hue >= low) | (hue <= high)
    return inside & (span > 0.35 * np.maximum(most, 1)) & (most > 60)
