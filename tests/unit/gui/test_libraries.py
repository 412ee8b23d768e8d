"""Several libraries: opening another one, recent ones, read-only ones, and files dropped anywhere on the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPoint, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from metagui.app import make_window as make_library_window
from metagui.demonstrations.storage.library import DATA_FOLDER, Library
from metagui.gui.core.stored_choices import LIBRARY_SETTING, RECENT_SETTING, read_texts
from metagui.gui.exchange.exchange_controller import find_takes
from metagui.gui.exchange.import_dialog import ImportDialog
from metagui.gui.preferences.library_picker import find_library_root
from metagui.gui.window.window_host import WindowHost
from tests.helpers.qt import session_of, until
from tests.helpers.takes import generate_example_takes
from tests.helpers.user import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.gui.theme.theme import Theme
    from metagui.gui.window.main_window import MainWindow


def fill(folder: Path, *tasks: str) -> Library:
    """Return a library with one take of each task."""
    library = Library(folder)
    for task in tasks:
        library.add_take(generate_example_takes()[task][0])
    return library


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def host(theme: Theme, settings: QSettings, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[WindowHost]:
    """Return a host; the default library is not fixed by the environment."""
    out = WindowHost(lambda folder: make_library_window(theme, settings, folder=folder), settings)
    yield out
    if out.window is not None:
        out.window.close()
        out.window.deleteLater()


def list_shown(window: MainWindow) -> list[str]:
    return [row.name for row in window.task_list.model.tasks]


def test_another_library_takes_the_place_of_the_first(
    host: WindowHost, qtbot: QtBot, tmp_path: Path, settings: QSettings
) -> None:
    for name, task in (("one", "press red"), ("two", "above red")):
        fill(tmp_path / name, task)
    first = host.open_library(tmp_path / "one")
    until(qtbot, lambda: list_shown(first) == ["press red"])
    first.actions_["open_library"].trigger()
    dialog = session_picker(first).dialog
    assert dialog.isVisible()
    dialog.fileSelected.emit(str(tmp_path / "two" / "above red"))  # the folder of a task is inside its library
    dialog.hide()
    until(qtbot, lambda: host.window is not first)
    second = host.window
    assert second is not None
    until(qtbot, lambda: list_shown(second) == ["above red"])
    assert not isValid(first), "the first window has been closed and deleted"
    assert read_texts(settings, RECENT_SETTING) == [str(tmp_path / "two"), str(tmp_path / "one")]
    menu = second.top_bar.inner_menus["recent ▸"]
    menu.aboutToShow.emit()
    menu.actions()[0].trigger()
    until(qtbot, lambda: host.window is not second)
    third = host.window
    assert third is not None
    until(qtbot, lambda: list_shown(third) == ["press red"])


def session_picker(window: MainWindow):
    from metagui.gui.preferences.library_picker import LibraryPicker

    found = window.findChild(LibraryPicker)
    assert found is not None
    return found


def test_library_that_has_gone_is_replaced_by_the_default_one(
    theme: Theme, settings: QSettings, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METAGUI_RECORDINGS")
    monkeypatch.setattr("metagui.gui.window.window_host.recordings_dir", lambda: tmp_path / "default")
    opened: list[Path] = []

    def make(folder: Path) -> MainWindow:
        opened.append(folder)
        return make_library_window(theme, settings, folder=folder)

    settings.setValue(LIBRARY_SETTING, str(tmp_path / "stick"))
    host = WindowHost(make, settings)
    host.open_first()
    assert opened == [tmp_path / "default"]
    assert host.window is not None
    assert any("cannot be found" in toast for toast in read_toasts(host.window))
    (tmp_path / "stick").mkdir()
    settings.setValue(LIBRARY_SETTING, str(tmp_path / "stick"))
    host.open_library(opened[0])
    settings.setValue(LIBRARY_SETTING, str(tmp_path / "stick"))
    host.open_first()
    assert opened[-1] == tmp_path / "stick"
    host.window.close()
    host.window.deleteLater()


def read_toasts(window: MainWindow) -> list[str]:
    from PySide6.QtWidgets import QLabel

    return [label.text() for label in window.toast_area.findChildren(QLabel)]


def test_read_only_library_is_said_at_once(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    """A file in the place of the folder of the library's data is an obstacle for an administrator, too."""
    fill(tmp_path / "library", "press red", "above red")
    data = tmp_path / "library" / DATA_FOLDER
    for path in data.iterdir():
        path.unlink()
    data.rmdir()
    data.touch()
    window = make_window()
    person = wait_until_ready(window)
    person.wait_until(lambda: person.can_read("is read-only"), "the notice")
    person.wait_until(lambda: len(list_shown(window)) == 2, "the tasks")
    person.select_task("press red")
    for key in ("record", "rename", "delete", "adapt", "import"):
        assert not window.actions_[key].isEnabled()
        assert "read-only" in window.actions_[key].toolTip()
    assert window.actions_["randomise"].isEnabled()


def test_files_are_imported_wherever_they_are_dropped(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    """On the 3-D view, a plot, a text field and the bar: a folder of another library as well as a file."""
    other = fill(tmp_path / "other", "press red", "above red", "lift blue")
    window = make_window()
    person = wait_until_ready(window)
    places = (window.arm_panel.view, window.loss_panel.axes.viewport(), window.task_list.search, window.top_bar)
    paths = [*(other.list_takes(task)[0].path for task in other.list_tasks()), other.root]
    for count, (place, path) in enumerate(zip(places, paths, strict=True), 1):
        drop(place, path)
        dialog = window.findChild(ImportDialog)  # the first import makes it
        assert dialog is not None
        person.wait_until(lambda dialog=dialog: not dialog.is_running, "the import")  # type: ignore[misc]
        person.wait_until(lambda count=count: len(list_shown(window)) == min(count, 3), "the task")  # type: ignore[misc]
    assert window.task_list.search.text() == ""
    assert session_of(window).library.library.list_tasks() == ["above red", "lift blue", "press red"]


def drop(widget: object, path: Path) -> None:
    """Send the events of a drop to the widget that the system would send them to."""
    from PySide6.QtWidgets import QWidget

    assert isinstance(widget, QWidget)
    while not widget.acceptDrops():
        parent = widget.parentWidget()
        assert parent is not None
        widget = parent
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    place, action = QPoint(5, 5), Qt.DropAction.CopyAction
    left, no_key = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place, action, mime, left, no_key)
    QApplication.sendEvent(widget, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(widget, QDropEvent(place, action, mime, left, no_key))


def test_folders_are_searched_for_takes(tmp_path: Path) -> None:
    library = fill(tmp_path / "library", "press red", "above red")
    files = [info.path for task in library.list_tasks() for info in library.list_takes(task)]
    assert find_takes([library.root]) == files
    assert find_takes([files[0].parent, tmp_path / "x.h5"]) == [files[0], tmp_path / "x.h5"]
    assert find_takes([tmp_path]) == [tmp_path]
    assert find_library_root(files[0].parent) == library.root
    assert find_library_root(library.root) == library.root
