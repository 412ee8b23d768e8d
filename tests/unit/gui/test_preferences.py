"""Preferences: they take effect at once, return at the next start, and none that is broken stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import QByteArray, QSettings, Qt
from PySide6.QtTest import QTest

from metagui.gui.preferences.preferences_dialog import PreferencesDialog
from metagui.gui.preferences.sounds import Sounds
from tests.helpers.qt import session_of
from tests.helpers.user import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QAbstractButton

    from metagui.gui.window.main_window import MainWindow

BROKEN: list[Any] = ["", "nonsense", "-1", 17, True, ["a", "b"], QByteArray(b"\x00\xff"), {"a": 1}]
"""Values that a setting of another version, or a person with an editor, may have left."""


def open_preferences(window: MainWindow) -> PreferencesDialog:
    window.actions_["preferences"].trigger()
    dialog = window.findChild(PreferencesDialog)
    assert dialog is not None
    assert dialog.isVisible()
    return dialog


def press(button: QAbstractButton) -> None:
    QTest.keyClick(button, Qt.Key.Key_Space)


def test_preferences_take_effect_and_return(
    make_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[bool] = []
    monkeypatch.setattr("metagui.gui.preferences.sounds.QApplication.beep", lambda: played.append(True))
    window = make_window(("press red", "above red"))
    person = wait_until_ready(window)
    dialog = open_preferences(window)
    press(dialog.countdown_boxes[True])
    press(dialog.countdown_boxes[False])
    press(dialog.sounds_box)
    dialog.colours_box.setFocus()
    QTest.keyClick(dialog.colours_box, Qt.Key.Key_End)
    dialog.colours_box.activated.emit(dialog.colours_box.currentIndex())
    assert window.actions_["countdown"].isChecked()
    assert window.theme.is_dark
    assert played == [True]
    session_of(window).messages.post("Something went wrong.", "error")
    session_of(window).messages.post("Something is as it should be.")
    assert played == [True, True]
    person.wait_until(lambda: len(window.task_list.model.tasks) == 2, "the tasks")
    person.select_task("press red")
    window.activateWindow()
    person.press_key(Qt.Key.Key_Right)
    window.similarity_panel.choose_view(2)
    window.close()
    second = make_window()
    later = wait_until_ready(second)
    later.wait_until(lambda: session_of(second).state.snapshot.task == "press red", "the task of the last time")
    assert session_of(second).recording.controller.countdown_enabled == {True: True, False: False}
    assert second.similarity_panel.shown_view == 2
    assert second.task_list.tree.isExpanded(second.task_list.model.index_of("press red"))
    assert open_preferences(second).sounds_box.isChecked()


@pytest.mark.parametrize("value", BROKEN, ids=repr)
def test_broken_setting_never_stops_the_start(
    make_window: Callable[..., MainWindow], tmp_path: Path, value: object
) -> None:
    """Every setting that a window stores is replaced by the value."""
    first = make_window(("press red",))
    wait_until_ready(first)
    first.close()
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    keys = settings.allKeys()
    assert len(keys) > 10
    for key in keys:
        settings.setValue(key, value)
    settings.sync()
    second = make_window()
    person = wait_until_ready(second)
    person.wait_until(lambda: [row.name for row in second.task_list.model.tasks] == ["press red"], "the tasks")
    assert second.width() >= 1024


@pytest.mark.qt_log_ignore(".*")  # Qt says that it cannot decode them
def test_damaged_settings_file_never_stops_the_start(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    damaged = b"[window\ncolours=@Variant(\0\0\0\x7f)\nx\xff=@@@\n[recording]\ncountdown=@ByteArray(\n"
    (tmp_path / "settings.ini").write_bytes(damaged)
    wait_until_ready(make_window(("press red",)))


def test_sounds_are_silent_unless_chosen(qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[bool] = []
    monkeypatch.setattr("metagui.gui.preferences.sounds.QApplication.beep", lambda: played.append(True))
    sounds = Sounds(None, False)  # type: ignore[arg-type]
    sounds.on_take_saved(None)
    sounds.on_count(3, "")
    assert played == []
    sounds.enabled = True
    sounds.on_take_saved(None)
    sounds.on_count(3, "")
    sounds.on_count(0, "")
    assert played == [True, True]
