"""The whole window without a screen: accessible names, sizes, shortcuts, empty panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QModelIndex, QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QWidget,
)

from metagui.gui.similarity.neighbour_list import CELL_MARGINS_PX
from metagui.gui.widgets.eliding_label import ElidingLabel
from metagui.gui.widgets.toast import ToastMessage
from metagui.gui.window.main_window import choose_first_size
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.user import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.main_window import MainWindow

INTERACTIVE = (QAbstractButton, QAbstractItemView, QComboBox, QGraphicsView, QLineEdit, QProgressBar)


def _own(widget: QWidget) -> bool:
    """Return True for a visible widget of the program, False for a part that Qt creates inside another one."""
    return not widget.objectName().startswith("qt_") and widget.isVisible()


def test_interactive_widgets_have_accessible_names(make_window: Callable[..., MainWindow]) -> None:
    window = make_window(("above red", "press red"))
    wait_until_ready(window)
    nameless = [
        f"{type(w).__name__} {w.objectName()}"
        for w in window.findChildren(QWidget)
        if isinstance(w, INTERACTIVE) and _own(w) and not w.accessibleName() and not isinstance(w.parent(), INTERACTIVE)
    ]
    assert nameless == []


@pytest.mark.parametrize("size", [(1024, 680), (1278, 688), (1280, 800), (1600, 1000)])
def test_no_text_is_clipped(make_window: Callable[..., MainWindow], size: tuple[int, int]) -> None:
    window = make_window(("above red", "press red"), size=size)
    person = wait_until_ready(window)
    person.select_task("press red")
    person.pause(0.2)
    clipped = [
        f"{type(w).__name__} {w.text()!r}: {w.width()} < {w.minimumSizeHint().width()}"
        for w in window.findChildren(QWidget)
        if isinstance(w, QAbstractButton | QLabel)
        and w.isVisible()
        and not isinstance(w, ElidingLabel)
        and not isinstance(w.parent(), QLineEdit)
        and w.width() < w.minimumSizeHint().width()
    ]
    assert clipped == []
    assert window.width() == size[0]


def test_cut_texts_of_lists_and_labels_have_a_tooltip(make_window: Callable[..., MainWindow]) -> None:
    """What does not fit at the smallest size is told in full by the tooltip, and nothing is cut without one."""
    window = make_window(("above red", "press red"), size=(1024, 680))
    person = wait_until_ready(window)
    window.task_list.select("press red", "001")
    person.pause(0.3)
    checked, silent = 0, []
    for view in window.findChildren(QAbstractItemView):
        if not _own(view):
            continue
        for index in list_visible_indices(view):
            checked += 1
            shown, tooltip = str(index.data() or ""), str(index.data(Qt.ItemDataRole.ToolTipRole) or "")
            is_cut = view.fontMetrics().horizontalAdvance(shown) > view.visualRect(index).width() - CELL_MARGINS_PX
            if is_cut and shown not in tooltip:
                silent.append(f"{view.accessibleName()}: {shown!r}")
    for label in window.findChildren(ElidingLabel):
        if label.isVisible() and label.text().endswith("…") and len(label.toolTip()) < len(label.text()):
            silent.append(repr(label.text()))
    assert silent == []
    assert checked > 1


def list_visible_indices(view: QAbstractItemView) -> list[QModelIndex]:
    """Return the indices of all cells that are visible in a view, those inside others included."""
    found, waiting = [], [QModelIndex()]
    while waiting:
        parent = waiting.pop()
        for row in range(view.model().rowCount(parent)):
            for column in range(view.model().columnCount(parent)):
                index = view.model().index(row, column, parent)
                waiting += [index] if column == 0 else []
                if view.visualRect(index).intersects(view.viewport().rect()):
                    found.append(index)
    return found


@pytest.mark.parametrize(
    ("screen", "expected"),
    [((1280, 720), (1278, 688)), ((1920, 1080), (1440, 900)), ((3840, 2160), (1440, 900)), ((800, 600), (1024, 680))],
)
def test_first_window_fits_the_screen(screen: tuple[int, int], expected: tuple[int, int]) -> None:
    """1280 × 720 is also a screen of 1920 × 1080 at 150 %."""
    assert choose_first_size(QSize(*screen)) == QSize(*expected)


@pytest.mark.parametrize("size", [(1024, 680), (1600, 1000)])
def test_long_messages_show_all_lines(make_window: Callable[..., MainWindow], size: tuple[int, int]) -> None:
    window = make_window(size=size)
    person = wait_until_ready(window)
    for number in range(3):
        text = f"Message {number} says what happened, what is safe and what to do. " * (2 + number)
        window.toast_area.show_message(ToastMessage(text, "error", window.actions_["undo"]))
    person.pause(0.2)
    for toast in window.toast_area.toasts:
        assert toast._label.height() >= toast._label.heightForWidth(toast._label.width())
        assert toast.rect().contains(toast._label.geometry())
    area, newest = window.toast_area.viewport(), window.toast_area.toasts[-1]
    assert area.rect().contains(newest.mapTo(area, newest.rect().bottomLeft()))
    assert window.rect().contains(window.toast_area.mapTo(window, window.toast_area.rect().bottomLeft()))


def test_blue_button_is_the_next_step(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window = make_window(("above red", "press red"))
    (tmp_path / "library" / "press red" / "adapted.safetensors").touch()
    person = wait_until_ready(window)
    accent = QColor(window.theme.colours.accent)

    def find_blue() -> list[str]:
        buttons = (window.top_bar.adapt_button, window.top_bar.run_button)
        images = [(button, button.grab().toImage()) for button in buttons if button.isEnabled()]
        return [b.text().split(" ")[0] for b, image in images if image.pixelColor(image.width() // 2, 4) == accent]

    person.select_task("above red")
    person.wait_until(lambda: find_blue() == ["Adapt"])
    person.select_task("press red")
    person.wait_until(lambda: find_blue() == ["Run"])


def test_tooltip_of_disabled_button_gives_the_reason(make_window: Callable[..., MainWindow]) -> None:
    window = make_window()
    person = wait_until_ready(window)
    adapt = person.find_button("Adapt")
    assert not adapt.isEnabled()
    assert "Choose a task" in adapt.toolTip()
    assert (
        "press Adapt first" in person.find_button("Run").toolTip()
        or "Choose a task" in person.find_button("Run").toolTip()
    )
    assert person.find_button("Stop").isEnabled()


def test_empty_panels_explain_what_to_do(make_window: Callable[..., MainWindow]) -> None:
    window = make_window()
    person = wait_until_ready(window)
    for words in ("No tasks yet", "Record a few takes", "record a second one"):
        person.wait_until(lambda words=words: person.can_read(words), words)  # type: ignore[misc]


def test_f1_shows_shortcuts_and_any_key_hides_them(make_window: Callable[..., MainWindow]) -> None:
    window = make_window()
    person = wait_until_ready(window)
    person.press_key(Qt.Key.Key_F1)
    assert window.shortcuts_page.isVisible()
    assert person.can_read("Ctrl+Return")
    person.press_key(Qt.Key.Key_A)
    assert not window.shortcuts_page.isVisible()


def test_sizes_and_colours_are_restored(make_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    first = make_window(size=(1300, 820))
    wait_until_ready(first)
    first._splitters["main"].setSizes([400, 880])
    kept = first._splitters["main"].sizes()
    first.actions_["dark"].trigger()
    first.close()
    second = make_window(size=(1300, 820))
    assert second._splitters["main"].sizes() == pytest.approx(kept, abs=3)
    assert second.settings.value("window/colours") == "dark"


def test_without_opengl_the_view_shows_the_reason(
    make_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    from metagui.arms.simulation import renderer

    def missing(*_size: int) -> None:
        raise renderer.RenderingError("The 3-D view cannot be drawn: no OpenGL here.")

    monkeypatch.setattr("metagui.gui.scene.renderer_opening.SceneRenderer", missing)
    window = make_window(("press red",))
    person = wait_until_ready(window)
    person.wait_until(lambda: "no OpenGL" in window.arm_panel.view.problem, "the reason")
    assert person.find_button("Record").isEnabled()
    assert not window.arm_panel.view.grab().isNull()


def test_selected_take_is_plotted_and_replayed(make_window: Callable[..., MainWindow]) -> None:
    window = make_window(("press red", "above red"))
    person = wait_until_ready(window)
    person.select_task("press red")
    person.press_key(Qt.Key.Key_Right)
    person.press_key(Qt.Key.Key_Down)
    person.wait_until(lambda: len(window.joint_plot._boundary_lines) == 1, "the boundaries of the take")
    window.actions_["replay"].trigger()
    person.wait_until(lambda: person.can_read("Replaying take 001"), "the replay")
    window.actions_["replay"].trigger()
    person.wait_until(lambda: not person.can_read("Replaying"), "the end of the replay")


def test_search_field_filters_the_tasks(make_window: Callable[..., MainWindow]) -> None:
    window = make_window(("press red", "above red"))
    person = wait_until_ready(window)
    person.wait_until(lambda: window.task_list.tree.model().rowCount() == 2)
    person.press_key(Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    person.type_text("PRESS")
    assert window.task_list.tree.model().rowCount() == 1


def test_window_is_painted_before_what_takes_time_begins(make_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = make_window()
    begun: list[bool] = []
    window.shown.connect(lambda: begun.append(True))
    assert begun == [], "show() alone begins nothing"
    qtbot.waitUntil(lambda: len(begun) == 1, timeout=PATIENCE_MS)
    window.repaint()
    assert len(begun) == 1
