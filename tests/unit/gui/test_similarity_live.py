"""Similarity while a take is recorded, and a chosen pair of takes in the 3-D view and in the joint angles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTableView

from metagui.gui.core.app_state import ArmActivity
from metagui.gui.similarity.comparison import Comparison
from metagui.gui.similarity.live_ranking import rank_journal
from metagui.learning.similarity.encoder_file import load_shipped_encoder
from tests.helpers.qt import session_of
from tests.helpers.takes import REACH_ABOVE_TABLE
from tests.helpers.user import SimulatedUser, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session


@pytest.fixture
def window(make_window: Callable[..., MainWindow]) -> MainWindow:
    """Return a window in which two tasks are compared with the shipped encoder."""
    made = make_window(("above red", "press red"))
    person, session = wait_until_ready(made), session_of(made)
    session.learning.prior.encoder, session.learning.prior.encoder_problem = load_shipped_encoder(), None
    session.learning.similarity.compare_takes()
    person.wait_until(lambda: len(session.learning.similarity.comparison.tasks) == 2, "the comparison")
    return made


def read_ranking(window: MainWindow) -> list[str]:
    """Return the tasks of the ranked list, from above."""
    return [row.task for row in window.similarity_panel.neighbour_list.table.ranking.rows]


def begin_recording(session: Session, person: SimulatedUser) -> None:
    """Record a new task, and move the arm."""
    session.state.select(None, None)
    session.recording.controller.new_task_name = "something new"
    person.press_key(Qt.Key.Key_F9)
    person.wait_until(lambda: session.state.snapshot.state is ArmActivity.RECORDING, "recording")
    session.teaching.clicks.add_instruction(REACH_ABOVE_TABLE)


def test_take_being_recorded_is_ranked_live(window: MainWindow) -> None:
    person, session, panel = SimulatedUser(window), session_of(window), window.similarity_panel
    live_point = panel.embedding_map.axes._live
    assert live_point is not None
    begin_recording(session, person)
    person.wait_until(lambda: person.can_read("Similar to what is being recorded, so far"), "the live ranking")
    assert sorted(read_ranking(window)) == ["above red", "press red"]
    assert len(live_point.getData()[0]) == 1
    first = np.array(live_point.getData())
    session.teaching.clicks.go_home()
    person.wait_until(lambda: not np.array_equal(first, np.array(live_point.getData())), "the mark to move")
    person.press_key(Qt.Key.Key_F9)
    person.wait_until(lambda: session.state.snapshot.state is ArmActivity.READY, "the end")
    person.wait_until(lambda: not person.can_read("Similar to what is being recorded"), "the ranking of before")
    assert len(live_point.getData()[0]) == 0


def test_journal_that_ended_is_not_ranked(tmp_path: Path) -> None:
    assert rank_journal(tmp_path / "gone.journal", load_shipped_encoder(), Comparison()) is None
    (tmp_path / "empty.journal").write_bytes(b"")
    assert rank_journal(tmp_path / "empty.journal", load_shipped_encoder(), Comparison()) is None


def test_chosen_pair_is_drawn_in_view_and_joint_angles(window: MainWindow) -> None:
    person, session, panel = SimulatedUser(window), session_of(window), window.similarity_panel
    person.select_task("above red")
    person.wait_until(lambda: read_ranking(window) == ["press red"], "the ranking")
    table = panel.neighbour_list.table
    assert isinstance(table, QTableView)
    row = table.visualRect(table.model().index(0, 0))
    person.click(table.viewport(), row.center())
    person.wait_until(lambda: window.arm_panel.player.take is not None, "the first take in its scene")
    assert session.state.snapshot.task == "above red"
    assert session.state.snapshot.take is not None
    assert window.task_list.current_selection() == (session.state.snapshot.task, session.state.snapshot.take)
    dashed = window.joint_plot._dashed
    assert all(line.isVisible() and len(line.getOriginalDataset()[0]) > 10 for line in dashed)
    colours = {marker.colour[:3] for marker in window.arm_panel.view._path}
    assert len(colours) == 2, "two paths in two colours"
    assert panel.embedding_map.axes.marked_tasks == ("above red", "press red")
    person.press_button("Back to the comparison")
    assert not any(line.isVisible() for line in dashed)
    assert len({marker.colour[:3] for marker in window.arm_panel.view._path}) == 1
