"""Help of the window: about page, log, unexpected errors, and what the next start restores."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication

from metagui import __version__
from metagui.demonstrations.demonstration import TakeKey
from metagui.gui.core.app_state import AppSnapshot, ArmActivity, LearningActivity
from metagui.gui.core.messages import Messages
from metagui.gui.core.unexpected_errors import UnexpectedErrors
from metagui.gui.help.hints import choose_hint
from metagui.log_file import describe_program, read_log_tail, start_log
from tests.helpers.qt import until
from tests.helpers.user import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.main_window import MainWindow


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start a log in a folder of its own, and end it."""
    monkeypatch.setenv("METAGUI_LOG", str(tmp_path / "logs" / "metagui.log"))
    before = list(logging.getLogger().handlers)
    path = start_log()
    assert path is not None
    yield path
    for handler in [h for h in logging.getLogger().handlers if h not in before]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def test_about_page_copies_version_and_log(make_window: Callable[..., MainWindow], log: Path, tmp_path: Path) -> None:
    window = make_window()
    person = wait_until_ready(window)
    logging.getLogger("metagui.test").warning("a line of the log")
    window.actions_["about"].trigger()
    assert person.can_read(f"metagui {__version__}")
    assert person.can_read(str(log))
    person.press_button("Copy details")
    copied = QGuiApplication.clipboard().text()
    assert describe_program(tmp_path / "library") in copied
    assert f"Recordings: {tmp_path / 'library'}" in copied
    assert "a line of the log" in copied
    person.press_key(Qt.Key.Key_Escape)
    assert not window.about_page.isVisible()


def test_log_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("METAGUI_LOG", str(tmp_path / "file" / "metagui.log"))
    assert start_log() is None
    assert read_log_tail() == "There is no log."


def test_unexpected_error_is_shown_once_and_logged(qtbot: QtBot, log: Path) -> None:
    posted: list[tuple[str, str, str]] = []
    messages = Messages()
    messages.posted.connect(lambda *message: posted.append(message))
    errors = UnexpectedErrors(messages)

    def fail() -> None:
        raise KeyError("nobody expects this")

    with qtbot.captureExceptions() as captured:
        errors.install()
        for _ in range(3):
            QTimer.singleShot(0, fail)
        until(qtbot, lambda: len(captured) == 3)
        errors.remove()
    until(qtbot, lambda: bool(posted))
    assert len(posted) == 1
    text, kind, action = posted[0]
    assert (kind, action) == ("error", "copy_details")
    assert "KeyError" in text
    assert "Recordings on the disk are safe" in text
    assert log.read_text().count("KeyError: 'nobody expects this'") == 3


def test_error_of_a_thread_reaches_the_window(qtbot: QtBot, log: Path) -> None:
    posted: list[str] = []
    messages = Messages()
    messages.posted.connect(lambda text, *_: posted.append(text))
    errors = UnexpectedErrors(messages)

    def fail() -> None:
        raise RuntimeError("in a thread")

    with qtbot.captureExceptions():
        errors.install()
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        until(qtbot, lambda: bool(posted))
        errors.remove()
    assert "RuntimeError" in posted[0]
    assert "in a thread" in log.read_text()


def test_posted_error_leaves_its_traceback_in_the_log(log: Path) -> None:
    try:
        raise ValueError("a wrong value")
    except ValueError as error:
        Messages().post_error(error)
    assert "Traceback" in log.read_text()


def test_selected_task_returns_at_the_next_start(make_window: Callable[..., MainWindow]) -> None:
    first = make_window(("above red", "press red"))
    wait_until_ready(first).select_task("press red")
    first.close()
    second = make_window()
    person = wait_until_ready(second)
    person.wait_until(lambda: second.task_list.current_selection()[0] == "press red", "the task of the last time")
    assert second.arm_panel.task_name_field.text() == "press red"


@pytest.mark.parametrize(
    ("changes", "done", "expected"),
    [
        ({}, (), "record"),
        ({"take_count": 2}, (), "adapt"),
        ({"take_count": 2, "has_policy": True}, (), "run"),
        ({"take_count": 2, "has_policy": True}, ("run",), "record"),
        ({}, ("record",), None),
    ],
)
def test_hint_fits_the_state(changes: dict[str, Any], done: tuple[str, ...], expected: str | None) -> None:
    hint = choose_hint(replace(AppSnapshot(state=ArmActivity.READY), **changes), done)
    assert (hint.key if hint else None) == expected


def test_hints_are_dismissed_and_stay_so(make_window: Callable[..., MainWindow]) -> None:
    first = make_window(("above red", "press red"))
    person = wait_until_ready(first)
    person.wait_until(lambda: person.can_read("Teach a task of your own"), "the first hint")
    person.press_button("Got it")
    assert not person.can_see("Hint")
    person.select_task("press red")
    person.wait_until(lambda: person.can_read("Press Adapt"), "the second hint")
    first.close()
    second = make_window()
    person = wait_until_ready(second)
    person.wait_until(lambda: person.can_read("Press Adapt"), "the hint for the selected task")
    person.press_button("No hints")
    second.close()
    third = make_window()
    person = wait_until_ready(third)
    assert not person.can_see("Hint")


def test_rows_of_the_list_stay_when_a_hint_goes(make_window: Callable[..., MainWindow]) -> None:
    window = make_window(("above red", "press red"))
    person = wait_until_ready(window)
    person.wait_until(lambda: person.can_see("Hint"), "the first hint")
    tree = window.task_list.tree.viewport()
    before = tree.mapTo(window, tree.rect().topLeft())
    person.press_button("No hints")
    person.pause(0.1)
    assert tree.mapTo(window, tree.rect().topLeft()) == before


def test_followed_hint_goes(make_window: Callable[..., MainWindow]) -> None:
    window = make_window()
    wait_until_ready(window)
    bar, ready = window.hint_bar, AppSnapshot(state=ArmActivity.READY)
    bar.show_snapshot(ready)
    assert bar.isVisible()
    bar.show_snapshot(replace(ready, newest_take=TakeKey("mine", "001"), task="mine", take_count=1))
    assert "Press Adapt" in bar.accessibleDescription()
    bar.show_snapshot(replace(ready, learning=LearningActivity.ADAPTING))
    assert bar.isVisible(), "the window must not move while something is going on"
    bar.show_snapshot(ready)
    assert not bar.isVisible()
