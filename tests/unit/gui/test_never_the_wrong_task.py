"""Every action acts on the task that it names and shows: events of mouse and keyboard in the whole window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLineEdit

from metagui.gui.arm.arm_choices import make_port_choice
from metagui.gui.teaching.click_teacher import Proposal
from metagui.gui.theme.theme import parse_theme_choice
from metagui.gui.window.window_presenter import WindowPresenter
from tests.helpers.takes import REACH_ABOVE_TABLE
from tests.helpers.user import SimulatedUser, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session

CONTROL = Qt.KeyboardModifier.ControlModifier
TASKS = ("above red", "press red")


def get_session(window: MainWindow) -> Session:
    """Return the session of a window."""
    presenter = window.findChild(WindowPresenter)
    assert presenter is not None
    return presenter.session


def list_tasks(window: MainWindow) -> dict[str, int]:
    """Return the number of takes of each task on the disk."""
    library = get_session(window).library.library
    return {task: len(library.list_takes(task)) for task in library.list_tasks()}


def open_window(make_window: Callable[..., MainWindow]) -> tuple[MainWindow, SimulatedUser]:
    """Return a window with two tasks, and its user."""
    window = make_window(TASKS)
    person = wait_until_ready(window)
    get_session(window).messages.posted.connect(person.record_message)
    person.wait_until(lambda: len(get_session(window).library.tasks) == len(TASKS), "the tasks")
    return window, person


def record_take(window: MainWindow, person: SimulatedUser) -> None:
    """Press Record, reach once, and press Finish."""
    session, before = get_session(window), sum(list_tasks(window).values())
    person.press_key(Qt.Key.Key_F9)
    person.wait_until(lambda: person.read_state() == "Recording")
    session.teaching.clicks.dispatch(Proposal("", REACH_ABOVE_TABLE))
    person.wait_until(lambda: session.arm.controller.pending_count == 0, "the end of the reach")
    person.press_key(Qt.Key.Key_F9)
    person.wait_until(lambda: sum(list_tasks(window).values()) == before + 1, "the take")
    person.wait_until(lambda: person.was_shown("Saved"), "the message")


def type_name(window: MainWindow, person: SimulatedUser, text: str) -> None:
    """Click the field of the next take, replace its text, and press Return."""
    field = window.arm_panel.task_name_field
    person.click(field, field.rect().center())
    person.press_key(Qt.Key.Key_A, CONTROL)
    person.type_text(text)
    person.press_key(Qt.Key.Key_Return)


def test_next_take_of_another_name_renames_no_task(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    type_name(window, person, "my own")
    assert list_tasks(window) == {"above red": 2, "press red": 2}
    record_take(window, person)
    assert list_tasks(window) == {"above red": 2, "my own": 1, "press red": 2}


def test_next_take_of_an_existing_task_selects_it(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    type_name(window, person, "Above Red")
    assert get_session(window).state.snapshot.task == "above red"
    record_take(window, person)
    assert list_tasks(window) == {"above red": 3, "press red": 2}


def test_name_is_fixed_while_a_take_of_a_task_is_recorded(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    person.press_key(Qt.Key.Key_F9)
    person.wait_until(lambda: person.read_state() == "Recording")
    type_name(window, person, "something else")
    person.select_task("above red")
    assert window.arm_panel.task_name_field.text() == "press red"
    person.press_key(Qt.Key.Key_Escape)
    person.wait_until(lambda: person.read_state() == "Ready")
    assert list(list_tasks(window)) == ["above red", "press red"]


def test_undo_of_the_first_take_removes_the_new_task(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    get_session(window).library.rename_task("press red", "pressing")
    type_name(window, person, "my own")
    record_take(window, person)
    person.press_key(Qt.Key.Key_Z, CONTROL)
    assert "my own" not in list_tasks(window)
    assert person.was_shown("Undone: recording take 001 of “my own”")
    person.press_key(Qt.Key.Key_Z, CONTROL)
    assert list_tasks(window) == {"above red": 2, "press red": 2}
    person.wait_until(lambda: get_session(window).state.snapshot.task == "press red", "the task to be shown")
    for _ in range(2):
        person.press_key(Qt.Key.Key_Y, CONTROL)
    assert list_tasks(window) == {"above red": 2, "my own": 1, "pressing": 2}


def test_discarding_the_only_take_removes_its_task(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    type_name(window, person, "my own")
    record_take(window, person)
    person.wait_until(lambda: get_session(window).state.snapshot.just_saved, "the button")
    button = person.find_button("Discard")
    assert "take 001 of “my own”" in button.toolTip()
    person.click(button, button.rect().center())
    assert "my own" not in list_tasks(window)
    person.press_key(Qt.Key.Key_Z, CONTROL)
    assert list_tasks(window)["my own"] == 1


def test_undo_of_a_message_is_withdrawn_after_another_change(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    person.press_key(Qt.Key.Key_Delete)
    assert person.find_button("Undo deleting “press red” (from the message)")
    get_session(window).library.rename_task("above red", "over red")
    with pytest.raises(AssertionError):
        person.find_button("Undo deleting “press red” (from the message)")
    assert list_tasks(window) == {"over red": 2}


def test_take_buttons_vanish_with_another_task(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    record_take(window, person)
    person.wait_until(lambda: get_session(window).state.snapshot.just_saved, "the button")
    person.select_task("above red")
    assert not window.actions_["discard"].isEnabled()
    assert not window.actions_["again"].isEnabled()


def test_tab_selects_no_task_and_delete_needs_the_list(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    window.task_list.search.setFocus()
    for _ in range(2):
        person.press_key(Qt.Key.Key_Tab)
    tree = window.task_list.tree
    tree.setFocus(Qt.FocusReason.TabFocusReason)
    person.pause(0.05)
    assert get_session(window).state.snapshot.task is None
    person.press_key(Qt.Key.Key_Delete)
    assert list_tasks(window) == {"above red": 2, "press red": 2}
    person.press_key(Qt.Key.Key_Down)
    assert get_session(window).state.snapshot.task == "above red"
    window.arm_panel.view.setFocus()
    person.press_key(Qt.Key.Key_Delete)
    assert list_tasks(window) == {"above red": 2, "press red": 2}
    tree.setFocus()
    person.press_key(Qt.Key.Key_Delete)
    assert list_tasks(window) == {"press red": 2}


def test_new_task_button_stays_where_it_is(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    button = person.find_button("New task")
    before = button.mapTo(window, QPoint(0, 0))
    for text in ("one", "two", "three"):
        get_session(window).messages.post(f"{text} " * 40, "error")
    person.pause(0.1)
    assert button.mapTo(window, QPoint(0, 0)) == before


def test_closing_while_a_name_is_edited_renames_nothing(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    person.press_key(Qt.Key.Key_F2)
    person.wait_until(lambda: bool(window.task_list.tree.viewport().findChildren(QLineEdit)), "the editor")
    person.type_text("half a na")
    library = get_session(window).library.library
    window.close()
    assert library.list_tasks() == ["above red", "press red"]


def test_record_needs_the_chosen_arm_to_be_connected(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    connection = get_session(window).arm.connection
    connection.add_port("/dev/ttyACM7")
    connection.choose(make_port_choice("/dev/ttyACM7").key)
    button = person.find_button("Record")
    assert not button.isEnabled()
    assert "press Connect first" in button.toolTip()
    person.press_key(Qt.Key.Key_F9)
    assert person.read_state() == "Ready"


def test_actions_name_what_they_act_on(make_window: Callable[..., MainWindow]) -> None:
    window, person = open_window(make_window)
    person.select_task("press red")
    assert window.actions_["delete"].text() == "Delete “press red”"
    assert "“press red”" in window.actions_["rename"].toolTip()


@pytest.mark.parametrize("stored", ["solarized", "", None, 3, "Dark"])
def test_unknown_colours_follow_the_desktop(stored: object) -> None:
    assert parse_theme_choice(stored) == "system"
    assert parse_theme_choice("dark") == "dark"
