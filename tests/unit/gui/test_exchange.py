"""Export and import in the window: dialogs, progress, cancel, questions, reports, and dropped files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from metagui.demonstrations.storage.library import Library
from metagui.gui.exchange.export_dialog import ExportDialog
from metagui.gui.exchange.import_dialog import ImportDialog
from tests.helpers.clocks import PATIENCE_S
from tests.helpers.exchange import export, list_all_takes, read_demonstrations
from tests.helpers.lerobot import check_v30, write_v30
from tests.helpers.qt import session_of
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from metagui.gui.exchange.exchange_dialog import ExchangeDialog
    from metagui.gui.window.main_window import MainWindow

PATIENCE_MS = int(PATIENCE_S * 1000)
TASKS = ("above red", "press red")


@pytest.fixture
def window(make_window: Callable[..., MainWindow], qtbot: QtBot) -> MainWindow:
    opened = make_window(TASKS)
    qtbot.waitUntil(lambda: opened.task_list.model.rowCount() == 2, timeout=PATIENCE_MS)
    return opened


def open_dialog(window: MainWindow, key: str) -> Any:
    """Trigger an action of the menu, and return the dialog that opens."""
    window.actions_[key].trigger()
    kind = ExportDialog if key == "export" else ImportDialog
    (dialog,) = window.findChildren(kind)
    assert dialog.isVisible()
    return dialog


def click(button: QWidget) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def type_text(field: QWidget, text: object) -> None:
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(field, str(text))


def wait_for_end(dialog: ExchangeDialog, qtbot: QtBot) -> str:
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=PATIENCE_MS)
    return dialog.report.toPlainText()


def keep_picture(widget: QWidget, name: str) -> None:
    """Store a picture to look at, if a folder for pictures is named."""
    if folder := os.environ.get("METAGUI_TEST_PICTURES"):
        widget.grab().save(str(Path(folder) / f"{name}.png"))


def drop_files(target: QWidget, *paths: Path) -> bool:
    """Drag files onto a widget and drop them; return whether they were accepted."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    action, buttons = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    modifiers = Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(20, 20), action, data, buttons, modifiers)
    QApplication.sendEvent(target, enter)
    drop = QDropEvent(QPointF(20, 20), action, data, buttons, modifiers)
    QApplication.sendEvent(target, drop)
    return enter.isAccepted() and drop.isAccepted()


def test_both_are_in_the_menu(window: MainWindow) -> None:
    menu = window.top_bar.inner_menus["library ▸"]
    assert menu.menuAction() in window.top_bar._menu_button.menu().actions()
    texts = [action.text() for action in menu.actions()]
    assert {"Import …", "Export …"} <= set(texts)


def test_export_writes_what_the_form_says(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    window.task_list.select("press red")
    dialog = open_dialog(window, "export")
    assert dialog.task_box.currentText() == "press red"
    dialog.format_box.setCurrentText("LeRobot v3.0")
    assert dialog.unit_box.isVisible()
    assert not dialog.length_box.isVisible()
    dialog.unit_box.setCurrentText("Radians")
    type_text(dialog.path_field, tmp_path / "set")
    keep_picture(dialog, "export")
    click(dialog.start_button)
    text = wait_for_end(dialog, qtbot)
    assert f"Written: 2 takes, {check_v30(tmp_path / 'set')['total_frames']} samples" in text
    assert "Joint angles are in radians" in text
    keep_picture(dialog, "export-done")
    assert not Path(dialog.path_field.text()).exists()


def test_existing_file_is_refused_with_reason(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "mine.hdf5").write_text("mine")
    dialog = open_dialog(window, "export")
    type_text(dialog.path_field, tmp_path / "mine.hdf5")
    click(dialog.start_button)
    assert "exists already. Nothing was written" in wait_for_end(dialog, qtbot)
    assert (tmp_path / "mine.hdf5").read_text() == "mine"
    type_text(dialog.path_field, " ")
    click(dialog.start_button)
    assert "enter a name" in dialog.report.toPlainText()


def test_cancelled_export_leaves_nothing(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    library = session_of(window).library.library
    for take in generate_example_takes()["lift blue"] * 10:
        library.add_take(take)
    dialog = open_dialog(window, "export")
    dialog.format_box.setCurrentText("LeRobot v3.0")
    type_text(dialog.path_field, tmp_path / "set")
    click(dialog.start_button)
    assert dialog.cancel_button.isVisible()
    click(dialog.cancel_button)
    assert "Cancelled. The file that was being written was removed" in wait_for_end(dialog, qtbot)
    assert not [path for path in tmp_path.iterdir() if "set" in path.name and path.name != "settings.ini"]
    assert dialog.start_button.isVisible()


def test_failed_and_damaged_takes_are_named(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    library = session_of(window).library.library
    library.set_success("press red", "001", False)
    path = library.get_take_info("above red", "001").path
    path.write_bytes(path.read_bytes()[:2000])
    dialog = open_dialog(window, "export")
    dialog.task_box.setCurrentIndex(0)
    type_text(dialog.path_field, tmp_path / "all.hdf5")
    click(dialog.start_button)
    text = wait_for_end(dialog, qtbot)
    assert "Written: 2 takes" in text
    assert "Left out as marked failed: 1." in text
    assert "Left out (1):\n- Task 'above red', take 001" in text


def test_import_asks_and_then_adds(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = open_dialog(window, "import")
    type_text(dialog.path_field, write_v30(tmp_path / "set"))
    assert not dialog.answers.isVisible()
    click(dialog.start_button)
    assert "does not say in which unit" in wait_for_end(dialog, qtbot)
    assert dialog.answers.unit_box.isVisible()
    assert "--" not in dialog.report.toPlainText()
    click(dialog.start_button)
    assert "what stands on the table" in wait_for_end(dialog, qtbot)
    click(dialog.answers.placed_button)
    box, numbers = dialog.answers.object_boxes["red cube"]
    click(box)
    numbers[1].setValue(10.0)
    keep_picture(dialog, "import-questions")
    click(dialog.start_button)
    text = wait_for_end(dialog, qtbot)
    assert "Imported: 2 takes from set, as Put the cube away." in text
    qtbot.waitUntil(lambda: window.task_list.model.rowCount() == 3, timeout=PATIENCE_MS)
    take = session_of(window).library.library.load_take("Put the cube away", "001")
    assert take.object_positions[0, 0, :2].tolist() == pytest.approx([0.2, 0.1], abs=1e-3)
    keep_picture(dialog, "import-done")
    click(dialog.start_button)
    assert "Left out (2):" in wait_for_end(dialog, qtbot)


def test_questions_of_another_file_are_asked_afresh(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    dialog = open_dialog(window, "import")
    type_text(dialog.path_field, write_v30(tmp_path / "set"))
    click(dialog.start_button)
    wait_for_end(dialog, qtbot)
    assert dialog.answers.isVisible()
    type_text(dialog.path_field, tmp_path / "nowhere")
    assert not dialog.answers.isVisible()
    click(dialog.start_button)
    assert "nowhere cannot be imported: it does not exist" in wait_for_end(dialog, qtbot)


def test_dropped_files_are_imported(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    other = Library(tmp_path / "other")
    for task in ("lift blue", "above green"):
        other.add_take(generate_example_takes()[task][0])
    export(other.list_takes("lift blue"), tmp_path / "a.hdf5")
    export(other.list_takes("above green"), tmp_path / "b", "lerobot")
    assert drop_files(window.task_list.tree.viewport(), tmp_path / "a.hdf5", tmp_path / "b")
    (dialog,) = window.findChildren(ImportDialog)
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: window.task_list.model.rowCount() == 4, timeout=PATIENCE_MS)
    assert {"lift blue", "above green"} <= set(session_of(window).library.library.list_tasks())


def test_dropped_text_is_not_accepted(window: MainWindow) -> None:
    data = QMimeData()
    data.setText("hello")
    event = QDragEnterEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(window.task_list.tree.viewport(), event)
    assert not event.isAccepted()


def test_escape_in_a_dialog_stops_and_does_not_close(window: MainWindow, qtbot: QtBot) -> None:
    dialog = open_dialog(window, "import")
    assert window.actions_["stop"] in dialog.actions()
    with qtbot.waitSignal(window.actions_["stop"].triggered, timeout=PATIENCE_MS):
        dialog.activateWindow()
        qtbot.waitUntil(dialog.isActiveWindow, timeout=PATIENCE_MS)
        QTest.keyClick(dialog.path_field, Qt.Key.Key_Escape)
    assert dialog.isVisible()


def test_closing_the_window_ends_an_export(window: MainWindow, tmp_path: Path) -> None:
    dialog = open_dialog(window, "export")
    type_text(dialog.path_field, tmp_path / "all.hdf5")
    click(dialog.start_button)
    window.close()
    assert not dialog.is_running
    assert not dialog.isVisible()
    if (tmp_path / "all.hdf5").exists():  # it was quicker than the click
        assert len(read_demonstrations(tmp_path / "all.hdf5")) == 4


@pytest.mark.parametrize("look", ["light", "dark"])
def test_dialogs_fit_a_small_window(make_window: Callable[..., MainWindow], qtbot: QtBot, look: str) -> None:
    window = make_window(TASKS, look, (1280, 720))
    qtbot.waitUntil(lambda: window.task_list.model.rowCount() == 2, timeout=PATIENCE_MS)
    for key in ("export", "import"):
        dialog = open_dialog(window, key)
        if key == "import":
            for question in ("unit", "rate", "placement"):
                dialog.answers.ask(question)
        QApplication.processEvents()
        assert dialog.sizeHint().height() <= 720
        assert dialog.sizeHint().width() <= 1280
        keep_picture(dialog, f"{key}-{look}")
        dialog.close()
    assert list_all_takes(session_of(window).library.library)
