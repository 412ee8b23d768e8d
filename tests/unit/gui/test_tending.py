"""Tending the library in the window: everything with mouse and keys, and undone and redone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu, QToolButton

from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.storage.library import Library
from metagui.gui.curation.details_dialog import DetailsDialog
from metagui.gui.curation.target_dialog import TargetDialog
from tests.helpers.qt import session_of
from tests.helpers.takes import generate_example_takes
from tests.helpers.user import SimulatedUser, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtCore import QModelIndex
    from PySide6.QtWidgets import QDialog

    from metagui.gui.window.main_window import MainWindow

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NO_KEY = Qt.KeyboardModifier.NoModifier
TASKS = ("above red", "press red")


class Tender(SimulatedUser):
    """A person with a window of two tasks of two takes each."""

    window: MainWindow

    @property
    def library(self) -> Library:
        return session_of(self.window).library.library

    def takes(self) -> dict[str, list[str]]:
        """Return the takes of each task on the disk."""
        return {task: [info.name for info in self.library.list_takes(task)] for task in self.library.list_tasks()}

    def shown(self) -> dict[str, list[str]]:
        """Return the takes of each task in the list."""
        return {row.name: [take.name for take in row.takes] for row in self.window.task_list.model.tasks}

    def find_row(self, task: str, take: str | None = None) -> QModelIndex:
        index = self.window.task_list.model.index_of(task, take)
        self.window.task_list.tree.scrollTo(index)
        return index

    def click_row(self, task: str, take: str | None = None, keys: Qt.KeyboardModifier = NO_KEY) -> None:
        tree = self.window.task_list.tree
        place = tree.visualRect(self.find_row(task, take)).center()
        QTest.mouseClick(tree.viewport(), Qt.MouseButton.LeftButton, keys, place)
        self.pause(0.02)

    def expand(self, *tasks: str) -> None:
        """Show the takes of tasks with the keyboard."""
        for task in tasks:
            self.click_row(task)
            self.press_key(Qt.Key.Key_Right)

    def return_to_window(self) -> None:
        """Activate the window after a dialog; there may be no window manager to do it."""
        self.window.activateWindow()
        self.wait_until(self.window.isActiveWindow, "the window")

    def undo(self) -> None:
        self.return_to_window()
        self.press_key(Qt.Key.Key_Z, CONTROL)

    def redo(self) -> None:
        self.return_to_window()
        self.press_key(Qt.Key.Key_Z, CONTROL | SHIFT)

    def find_dialog(self, kind: type[QDialog]) -> QDialog:
        found = self.window.findChild(kind)
        assert found is not None
        self.wait_until(found.isVisible, "the dialog")
        return found

    def answer(self, text: str) -> None:
        """Type the name of a task into the dialog, and press Return."""
        dialog = self.find_dialog(TargetDialog)
        assert isinstance(dialog, TargetDialog)
        dialog.field.selectAll()
        QTest.keyClicks(dialog.field, text)
        QTest.keyClick(dialog.field, Qt.Key.Key_Return)
        assert not dialog.isVisible()


@pytest.fixture
def person(make_window: Callable[..., MainWindow]) -> Tender:
    window = make_window(TASKS)
    wait_until_ready(window)
    out = Tender(window)
    session_of(window).messages.posted.connect(out.record_message)
    out.wait_until(lambda: len(out.shown()) == 2, "the tasks")
    return out


BEFORE = {"above red": ["001", "002"], "press red": ["001", "002"]}


def check_undo_and_redo(person: Tender, changed: dict[str, list[str]]) -> None:
    """Undo and redo one change, and follow the list each time."""
    assert person.takes() == changed
    for act, expected in ((person.undo, BEFORE), (person.redo, changed), (person.undo, BEFORE)):
        act()
        assert person.takes() == expected
        person.wait_until(lambda expected=expected: person.shown() == expected, "the list")  # type: ignore[misc]


def test_several_takes_are_deleted_at_once(person: Tender) -> None:
    person.expand("above red", "press red")
    person.click_row("above red", "002")
    person.click_row("press red", "001", CONTROL)
    assert person.window.actions_["delete"].text() == "Delete 2 takes of 2 tasks"
    person.press_key(Qt.Key.Key_Delete)
    assert person.was_shown("Moved 2 takes of 2 tasks to the trash")
    check_undo_and_redo(person, {"above red": ["001"], "press red": ["002"]})


def test_range_is_selected_by_keyboard(person: Tender) -> None:
    person.expand("press red")
    person.press_key(Qt.Key.Key_Down)
    person.press_key(Qt.Key.Key_Down, SHIFT)
    assert session_of(person.window).state.snapshot.selected.takes == (
        TakeKey("press red", "001"), TakeKey("press red", "002"),
    )  # fmt: skip
    person.press_key(Qt.Key.Key_Delete)
    check_undo_and_redo(person, {"above red": ["001", "002"]})


def test_takes_are_moved_to_another_task(person: Tender) -> None:
    person.expand("press red")
    person.click_row("press red", "002")
    person.press_key(Qt.Key.Key_M, CONTROL)
    person.answer("Above RED")
    assert person.was_shown("Moved take 002 of “press red” to “above red”")
    person.wait_until(lambda: session_of(person.window).state.snapshot.task == "above red", "the task to be shown")
    check_undo_and_redo(person, {"above red": ["001", "002", "003"], "press red": ["001"]})


def test_takes_are_split_off(person: Tender) -> None:
    person.expand("press red")
    person.click_row("press red", "001")
    person.press_key(Qt.Key.Key_M, CONTROL | SHIFT)
    dialog = person.find_dialog(TargetDialog)
    assert isinstance(dialog, TargetDialog)
    assert dialog.field.text() == "press red 2"
    assert dialog.start_button.text() == "Move to a new task"
    QTest.mouseClick(dialog.start_button, Qt.MouseButton.LeftButton)
    assert person.window.actions_["undo"].text() == "Undo splitting take 001 of “press red” to “press red 2”"
    check_undo_and_redo(person, {"above red": ["001", "002"], "press red": ["002"], "press red 2": ["001"]})


def test_tasks_are_merged(person: Tender) -> None:
    person.click_row("press red")
    person.window.actions_["merge"].trigger()
    person.answer("above red")
    check_undo_and_redo(person, {"above red": ["001", "002", "003", "004"]})


def test_unknown_task_is_no_target_of_a_merge(person: Tender) -> None:
    person.click_row("press red")
    person.window.actions_["merge"].trigger()
    dialog = person.find_dialog(TargetDialog)
    assert isinstance(dialog, TargetDialog)
    QTest.keyClicks(dialog.field, "nowhere")
    assert not dialog.start_button.isEnabled()
    QTest.keyClick(dialog.field, Qt.Key.Key_Escape)
    assert person.takes() == BEFORE


def drag_row(person: Tender, start: tuple[str, str], end: QPoint, keys: Qt.KeyboardModifier) -> None:
    """Drag a take with the mouse; the drag has an event loop of its own, so timers move the mouse in it."""
    viewport = person.window.task_list.tree.viewport()
    begin = person.window.task_list.tree.visualRect(person.find_row(*start)).center()
    handle, offset = person.window.windowHandle(), viewport.mapTo(person.window, QPoint(0, 0))
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(handle, left, NO_KEY, offset + begin)
    for delay, place in ((50, (begin + end) / 2), (150, end), (250, end)):
        QTimer.singleShot(delay, lambda place=place: QTest.mouseMove(handle, offset + place))
    QTimer.singleShot(400, lambda: QTest.mouseRelease(handle, left, keys, offset + end))
    QTest.mouseMove(handle, offset + begin + QPoint(4, 8))
    person.pause(0.02)
    QTest.mouseMove(handle, offset + begin + QPoint(8, 16))
    person.pause(0.8)


@pytest.mark.window
def test_take_is_dragged_to_another_task(person: Tender) -> None:
    person.expand("press red")
    person.click_row("press red", "002")
    end = person.window.task_list.tree.visualRect(person.find_row("above red")).center()
    drag_row(person, ("press red", "002"), end, Qt.KeyboardModifier.NoModifier)
    check_undo_and_redo(person, {"above red": ["001", "002", "003"], "press red": ["001"]})


@pytest.mark.window
def test_take_is_dragged_below_all_tasks(person: Tender) -> None:
    person.expand("press red")
    person.click_row("press red", "002")
    viewport = person.window.task_list.tree.viewport()
    drag_row(person, ("press red", "002"), QPoint(60, viewport.height() - 20), Qt.KeyboardModifier.NoModifier)
    check_undo_and_redo(person, {"above red": ["001", "002"], "press red": ["001"], "press red 2": ["001"]})


def test_task_is_duplicated(person: Tender) -> None:
    person.click_row("press red")
    person.window.actions_["duplicate"].trigger()
    assert person.takes() == {**BEFORE, "press red 2": ["001", "002"]}
    person.undo()
    assert person.takes() == BEFORE


def test_tags_and_notes_of_several_takes(person: Tender) -> None:
    person.library.set_tags("press red", "001", ["old", "demo"])
    person.library.set_tags("press red", "002", ["old"])
    person.wait_until(lambda: any(t.info and t.info.tags for r in person.window.task_list.model.tasks for t in r.takes))
    person.click_row("press red")
    person.press_key(Qt.Key.Key_T, CONTROL)
    dialog = person.find_dialog(DetailsDialog)
    assert isinstance(dialog, DetailsDialog)
    assert dialog.tags_field.text() == "old"
    dialog.tags_field.selectAll()
    QTest.keyClicks(dialog.tags_field, "slow, new")
    QTest.keyClicks(dialog.notes_field, "too slow")
    QTest.keyClick(dialog.notes_field, Qt.Key.Key_Return, CONTROL)
    tags = [info.tags for info in person.library.list_takes("press red")]
    assert tags == [("demo", "new", "slow"), ("new", "slow")]
    assert [info.notes for info in person.library.list_takes("press red")] == ["too slow"] * 2
    person.undo()
    assert [info.tags for info in person.library.list_takes("press red")] == [("demo", "old"), ("old",)]
    assert [info.notes for info in person.library.list_takes("press red")] == ["", ""]


def test_several_takes_are_marked(person: Tender) -> None:
    person.expand("press red")
    person.click_row("press red", "001")
    person.click_row("press red", "002", SHIFT)
    marks: dict[bool, list[bool | None]] = {}
    person.window.actions_["failure"].trigger()
    marks[True] = [info.success for info in person.library.list_takes("press red")]
    person.window.actions_["failure"].trigger()
    marks[False] = [info.success for info in person.library.list_takes("press red")]
    assert marks == {True: [False, False], False: [None, None]}


def choose_in_menu(person: Tender, text: str) -> None:
    """Open the menu of filters with the mouse, and click an entry."""
    button = person.find_widget("Filter and sort")
    assert isinstance(button, QToolButton)
    menu = button.menu()
    assert isinstance(menu, QMenu)
    QTimer.singleShot(50, lambda: click_entry(menu, text))
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def click_entry(menu: QMenu, text: str) -> None:
    action = next(action for action in menu.actions() if action.text() == text)
    QTest.mouseClick(
        menu, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, menu.actionGeometry(action).center()
    )
    menu.close()


@pytest.mark.window
def test_filters_say_what_fits_and_what_does_not(person: Tender) -> None:
    person.library.set_success("press red", "001", False)
    person.wait_until(lambda: person.window.task_list.model.tasks[1].takes[0].success is False, "the mark")
    choose_in_menu(person, "Failed")
    assert person.window.task_list.search.text() == "is:failure"
    assert person.shown() == {"press red": ["001"]}
    assert person.window.task_list.model.tasks[0].count_text == "1 of 2 takes"
    assert person.window.task_list.search_row.result_label.toolTip() == "1 of 2 tasks, 1 of 4 takes"
    person.press_button("Show all tasks")
    assert person.shown() == BEFORE
    choose_in_menu(person, "Not adapted")
    assert person.shown() == BEFORE
    choose_in_menu(person, "Not adapted")
    assert person.window.task_list.search.text() == ""


@pytest.mark.window
def test_tasks_are_sorted_and_the_order_returns(person: Tender, make_window: Callable[..., MainWindow]) -> None:
    for take in generate_example_takes()["press red"]:
        person.library.add_take(take)
    person.wait_until(lambda: len(person.shown()["press red"]) == 5, "the takes")
    choose_in_menu(person, "Most takes first")
    assert list(person.shown()) == ["press red", "above red"]
    person.click_row("press red")
    person.window.close()
    second = make_window()
    wait_until_ready(second)
    assert second.task_list.search_row.order == "takes"


def test_what_other_programs_do_appears(person: Tender, tmp_path: Path) -> None:
    """Without a press of any key: a new take, a task that is renamed, a mark, and a task that is deleted."""
    other = Library(tmp_path / "library")
    person.expand("press red")
    person.click_row("press red", "002")
    other.add_take(generate_example_takes()["above red"][2])
    person.wait_until(lambda: person.shown()["above red"] == ["001", "002", "003"], "the take")
    assert session_of(person.window).state.snapshot.take_key == TakeKey("press red", "002")
    other.rename_task("above red", "over red")
    person.wait_until(lambda: "over red" in person.shown(), "the name")
    other.set_success("press red", "002", False)
    person.wait_until(lambda: person.window.task_list.model.tasks[1].takes[1].success is False, "the mark")
    other.remove_task("press red")
    person.wait_until(lambda: "press red" not in person.shown(), "the list")
    assert session_of(person.window).state.snapshot.task is None


def test_two_windows_follow_each_other(person: Tender, make_window: Callable[..., MainWindow]) -> None:
    second = make_window()
    wait_until_ready(second)
    other = Tender(second)
    other.wait_until(lambda: len(other.shown()) == 2, "the tasks")
    person.window.activateWindow()
    person.wait_until(person.window.isActiveWindow, "the first window")
    person.click_row("press red")
    person.press_key(Qt.Key.Key_Delete)
    other.wait_until(lambda: list(other.shown()) == ["above red"], "the other window")
    other.wait_until(lambda: second.actions_["undo"].text() == "Undo deleting “press red”", "the undo")
    second.actions_["undo"].trigger()
    assert person.takes() == BEFORE
    person.wait_until(lambda: person.shown() == BEFORE, "the first window")
    person.wait_until(lambda: person.window.actions_["redo"].text() == "Redo deleting “press red”", "the redo")


def test_take_that_is_being_searched_for_is_shown_when_it_is_selected(person: Tender) -> None:
    """What is selected by the program, such as a task just recorded, is not hidden by an old search."""
    person.press_key(Qt.Key.Key_F, CONTROL)
    person.type_text("above")
    assert list(person.shown()) == ["above red"]
    person.window.task_list.select("press red")
    assert person.shown() == BEFORE
    assert session_of(person.window).state.snapshot.task == "press red"
