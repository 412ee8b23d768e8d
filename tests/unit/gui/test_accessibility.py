"""Every widget of the real window for people who use keys and screen readers: name, role, focus, contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible, QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QWidget,
)

from metagui.gui.similarity.maps.embedding_map import find_next_point
from metagui.gui.widgets import announcement
from tests.helpers.user import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.window.main_window import MainWindow

INPUTS = (QAbstractButton, QAbstractItemView, QAbstractSpinBox, QComboBox, QGraphicsView, QLineEdit)
SIGHTLESS_ROLES = (QAccessible.Role.NoRole, QAccessible.Role.Client)
MIN_CONTRAST = 4.5
MAX_TABS = 200


def list_inputs(window: QWidget) -> list[QWidget]:
    """Return the visible, enabled widgets with which a person does something, without those inside others."""
    found = [w for w in window.findChildren(QWidget) if isinstance(w, INPUTS) and w.isVisible() and w.isEnabled()]
    return [w for w in found if not w.objectName().startswith("qt_") and not isinstance(w.parent(), INPUTS)]


def is_reached_by_arrows(widget: QWidget, reached: set[QWidget]) -> bool:
    """Return whether the arrow keys lead to a button from another one of its group, as in every Qt program."""
    group = widget.group() if isinstance(widget, QAbstractButton) else None
    return group is not None and any(button in reached for button in group.buttons())


def describe(widget: QWidget) -> str:
    return f"{type(widget).__name__} {widget.accessibleName() or widget.objectName()!r}"


@pytest.fixture
def window(make_window: Callable[..., MainWindow]) -> MainWindow:
    out = make_window(("above red", "press red"))
    person = wait_until_ready(out)
    out.actions_["steps"].setChecked(True)
    person.pause(0.1)
    return out


def test_screen_readers_find_name_and_role_of_every_widget(window: MainWindow) -> None:
    problems = []
    for widget in list_inputs(window):
        interface = QAccessible.queryAccessibleInterface(widget)
        if not interface.text(QAccessible.Text.Name).strip():
            problems.append(f"{describe(widget)} has no name")
        if interface.role() in SIGHTLESS_ROLES and not isinstance(widget, QGraphicsView):
            problems.append(f"{describe(widget)} has the role {interface.role().name}")
    assert problems == []


def test_tab_reaches_every_widget(window: MainWindow) -> None:
    person = wait_until_ready(window)
    person.pause(0.3)
    inputs = list_inputs(window)
    window.arm_panel.view.setFocus()
    reached: set[QWidget] = set()
    for _ in range(MAX_TABS):
        focus = QApplication.focusWidget()
        assert focus is not None
        if focus in reached:
            break
        reached.add(focus)
        person.press_key(Qt.Key.Key_Tab)
    missed = [describe(w) for w in inputs if w not in reached and not is_reached_by_arrows(w, reached)]
    assert missed == []


@pytest.mark.parametrize("look", ["light", "dark"])
def test_texts_have_contrast(make_window: Callable[..., MainWindow], look: str) -> None:
    window = make_window(("above red", "press red"), look)
    person = wait_until_ready(window)
    window.actions_["steps"].setChecked(True)
    person.pause(0.1)
    faint, picture = [], window.grab().toImage()
    for widget in window.findChildren(QWidget):
        text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
        if text and widget.isVisible() and widget.isEnabled():
            contrast = measure_contrast(picture.copy(QRect(widget.mapTo(window, QPoint()), widget.size())))
            if contrast < MIN_CONTRAST:
                faint.append(f"{describe(widget)} {text!r}: {contrast:.1f}")
    assert faint == []


def measure_contrast(image: QImage) -> float:
    """Return the contrast ratio by WCAG 2 between the commonest colour and the one that differs most from it."""
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    pixels = rows[:, : 3 * rgb.width()].reshape(-1, 3)
    colours, counts = np.unique(pixels, axis=0, return_counts=True)
    parts = colours / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    luminances = linear @ np.array([0.2126, 0.7152, 0.0722])
    background = luminances[counts.argmax()]
    ratios = (np.maximum(luminances, background) + 0.05) / (np.minimum(luminances, background) + 0.05)
    return float(ratios.max())


def test_messages_and_cells_are_said(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(announcement.QAccessible, "isActive", lambda: True)
    monkeypatch.setattr(announcement.QAccessible, "updateAccessibility", lambda event: said.append(event.message()))
    person = wait_until_ready(window)
    window.show_notice("The cable was unplugged.")
    assert said == ["The cable was unplugged."]
    heat_map = window.similarity_panel.heat_map_page.heat_map
    person.press_button("Heat map")
    person.wait_until(heat_map.isVisible, "the heat map")
    heat_map.setFocus(Qt.FocusReason.TabFocusReason)
    assert "above red and press red" in said[-1]
    person.press_key(Qt.Key.Key_Down)
    assert "press red: " in said[-1], "the cell of the task with itself"


def test_arrow_keys_find_the_next_point() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.2], [3.0, 0.0], [0.1, 1.0], [-1.0, -0.5]])
    assert [find_next_point(points, 0, each) for each in ((1, 0), (-1, 0), (0, 1), (0, -1))] == [1, 4, 3, 0]
    assert find_next_point(points, 1, (1, 0)) == 2
    assert find_next_point(points, 2, (1, 0)) == 2, "there is nothing to the right"
