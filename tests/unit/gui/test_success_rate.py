"""Success rates in the window: measured, compared, watched, stopped, kept; with real mouse and key events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from metagui.gui.core.app_state import ArmActivity, LearningActivity
from metagui.gui.execution.success_controller import OBJECT_REPLAY, PRESENT, PREVIOUS
from metagui.gui.execution.success_presenter import describe_counts
from metagui.gui.execution.success_view import SuccessView
from metagui.learning.evaluation.adaptation_history import load_adaptations
from metagui.learning.evaluation.success_check import SuccessCount
from metagui.learning.evaluation.success_history import HISTORY_FILE_NAME
from tests.helpers.qt import session_of, until
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.main_window import MainWindow

TASK = "above red"


def open_adapted(make_window: Callable[..., MainWindow], qtbot: QtBot) -> tuple[MainWindow, SimulatedUser]:
    """Return a window with a selected task that has a policy, and a person at it."""
    window = make_window((TASK,))
    person, session = SimulatedUser(window), session_of(window)
    session.messages.posted.connect(person.record_message)
    window.activateWindow()
    person.wait_until(window.isActiveWindow, "the window to be active")
    person.wait_until(lambda: person.read_state() == "Ready")
    person.select_task(TASK)
    person.press_button("Adapt")
    until(qtbot, lambda: person.was_shown(f"Adapted “{TASK}”"))  # the final policy is saved
    return window, person


def read_table(window: MainWindow) -> list[list[str]]:
    table = window.success_view.table
    return [[table.topLevelItem(i).text(c) for c in range(5)] for i in range(table.topLevelItemCount())]


def read_rows(window: MainWindow) -> list[list[str]]:
    """Return the rows of the measurements, without those of the adaptations."""
    return [row for row in read_table(window) if not row[1].startswith("adapted to")]


def test_adaptations_are_listed_with_takes_choice_and_success(
    make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window, person = open_adapted(make_window, qtbot)
    session = session_of(window)
    until(qtbot, lambda: len(read_table(window)) == 1)
    when, policy, successes, rate, _ = read_table(window)[0]
    adaptations = load_adaptations(session.library.adapted_path(TASK))
    assert len(adaptations) == 1
    assert adaptations[0].takes == ("001", "002")
    assert policy == f"adapted to takes 001, 002: {adaptations[0].describe_choice()}"
    assert when[:10] == adaptations[0].when[:10]
    assert successes == f"{adaptations[0].successes} of {adaptations[0].runs}"
    assert rate.endswith("rehearsed")
    person.press_button("Adapt")
    until(qtbot, lambda: len(read_table(window)) == 2)


def measure(window: MainWindow, person: SimulatedUser) -> None:
    person.press_key(Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    person.wait_until(lambda: session_of(window).learning.queue.state is not LearningActivity.IDLE, "the measurement")


def test_success_is_measured_compared_and_kept_next_to_the_policy(
    make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window, person = open_adapted(make_window, qtbot)
    view, session = window.success_view, session_of(window)
    assert not view.isVisible()
    view.scene_box.setValue(6)
    view.other_box.setCurrentText(OBJECT_REPLAY)
    measure(window, person)
    assert view.isVisible()
    assert "measuring success" in person.read_state()
    assert not window.actions_["adapt"].isEnabled()
    until(qtbot, lambda: "In the same scenes" in view.result_label.toolTip())
    until(qtbot, lambda: len(read_rows(window)) == 2)
    assert {row[1] for row in read_rows(window)} == {PRESENT, OBJECT_REPLAY}
    assert all(row[2].endswith("of 6") for row in read_rows(window))
    assert (session.library.adapted_path(TASK).parent / HISTORY_FILE_NAME).is_file()
    window.close()
    again = make_window()
    other = SimulatedUser(again)
    other.select_task(TASK)
    until(qtbot, lambda: len(read_rows(again)) == 2)


def test_stop_keeps_what_was_measured_and_cancel_keeps_nothing(
    make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window, person = open_adapted(make_window, qtbot)
    view, session = window.success_view, session_of(window)
    view.scene_box.setValue(1000)
    measure(window, person)
    until(qtbot, lambda: "policy" in view.result_label.toolTip())
    person.press_button("Cancel")
    until(qtbot, lambda: session.learning.queue.state is LearningActivity.IDLE)
    assert person.was_shown("nothing was stored")
    assert view.result_label.toolTip() == ""
    assert read_rows(window) == []
    measure(window, person)
    until(qtbot, lambda: "policy" in view.result_label.toolTip())
    person.press_button("Stop and keep")
    until(qtbot, lambda: len(read_rows(window)) == 1)
    assert 0 < int(read_rows(window)[0][2].split()[-1]) < 1000


def test_policy_before_the_last_adaptation_can_be_compared(
    make_window: Callable[..., MainWindow], qtbot: QtBot
) -> None:
    window, person = open_adapted(make_window, qtbot)
    view, session = window.success_view, session_of(window)
    assert view.other_box.findText(PREVIOUS) == -1
    person.press_button("Adapt")
    until(qtbot, lambda: session.learning.queue.state is LearningActivity.ADAPTING)
    until(qtbot, lambda: session.learning.queue.state is LearningActivity.IDLE)
    until(qtbot, lambda: view.other_box.findText(PREVIOUS) > 0)
    view.other_box.setCurrentText(PREVIOUS)
    view.scene_box.setValue(3)
    measure(window, person)
    until(qtbot, lambda: f"In the same scenes, {PREVIOUS}" in view.result_label.toolTip())


def test_watched_runs_are_counted_until_stop(make_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window, person = open_adapted(make_window, qtbot)
    view, session = window.success_view, session_of(window)
    view.scene_box.setValue(2)
    window.loss_panel.show_view(1)
    person.pause(0.1)
    view.watch_box.setChecked(True)
    person.press_button("Measure success")
    until(qtbot, lambda: session.state.activity is ArmActivity.RUNNING)
    until(qtbot, lambda: len(read_rows(window)) == 1)
    assert read_rows(window)[0][1] == f"{PRESENT}, watched"
    assert read_rows(window)[0][2].endswith("of 2")
    until(qtbot, lambda: session.state.activity is ArmActivity.READY)
    view.scene_box.setValue(50)
    person.pause(0.3)  # the result has just appeared and moved the button
    person.press_button("Measure success")
    until(qtbot, lambda: session.execution.success.is_watching and session.state.activity is ArmActivity.RUNNING)
    person.press_key(Qt.Key.Key_Escape)
    until(qtbot, lambda: not session.execution.success.is_watching)
    assert session.state.activity is ArmActivity.READY
    assert len(read_rows(window)) == 1, "a run that was stopped does not count"


def test_empty_states_say_what_to_do(make_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window = make_window((TASK,))
    view, person = window.success_view, SimulatedUser(window)
    assert "Choose a task" in view.empty_label.text()
    person.select_task(TASK)
    until(qtbot, lambda: "has no policy yet" in view.empty_label.text())
    assert "no policy" in window.actions_["measure"].toolTip()


def test_damaged_policy_is_reported(make_window: Callable[..., MainWindow], qtbot: QtBot) -> None:
    window, person = open_adapted(make_window, qtbot)
    session = session_of(window)
    session.library.adapted_path(TASK).write_bytes(b"broken")
    person.press_key(Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    until(qtbot, lambda: person.was_shown("contains no adapted policies"))
    assert session.learning.queue.state is LearningActivity.IDLE
    assert window.success_view.result_label.toolTip() == ""


@pytest.mark.parametrize(
    ("other", "words"), [(("", "x", "x", "x"), "may be chance"), (("x",) * 20, "more than chance")]
)
def test_comparison_says_whether_it_may_be_chance(other: tuple[str, ...], words: str) -> None:
    own = SuccessCount(("",) * len(other))
    assert words in describe_counts("t", {PRESENT: own, OBJECT_REPLAY: SuccessCount(other)})


def test_view_that_was_wide_can_become_narrow_again(qtbot: QtBot) -> None:
    """One row of choices must not keep the panel from becoming narrow: three rows need less."""
    view, panel = SuccessView(QAction("Measure success")), QWidget()
    qtbot.addWidget(panel)
    QVBoxLayout(panel).addWidget(view)
    panel.resize(900, 300)
    panel.show()
    qtbot.waitUntil(lambda: view.other_box.geometry().top() < view.watch_box.geometry().bottom())
    assert view.minimumSizeHint().width() < 270
    panel.resize(400, 300)
    qtbot.waitUntil(lambda: view.other_box.geometry().top() > view.scene_box.geometry().bottom())
    assert view.watch_box.geometry().right() < view.width() < 400
    panel.resize(panel.minimumSizeHint().width(), 300)
    qtbot.waitUntil(lambda: view.width() < 280)
    assert view.watch_box.geometry().right() < view.width()
