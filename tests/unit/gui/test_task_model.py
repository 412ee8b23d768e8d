"""The Qt model of tasks and takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from metagui.gui.library.task_model import TaskModel
from metagui.gui.library.task_rows import TakeRow, TaskRow
from tests.helpers.clocks import PATIENCE_MS

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot


def test_task_model_has_two_levels_and_requests_renames(qtbot: QtBot) -> None:
    model = TaskModel()
    rows = [TaskRow("a", (TakeRow("a", "001", 100, 2.0, True),)), TaskRow("b")]
    model.set_tasks(rows)
    assert model.rowCount() == 2
    first = model.index(0, 0)
    assert model.rowCount(first) == 1
    take = model.index(0, 0, first)
    assert model.parent(take) == first
    assert "succeeded" in model.data(take, Qt.ItemDataRole.AccessibleTextRole)
    assert model.index_of("a", "001") == take
    assert not model.index_of("nowhere").isValid()
    with qtbot.waitSignal(model.rename_requested, timeout=PATIENCE_MS) as caught:
        model.setData(first, "  c ")
    assert caught.args == ["a", "c"]
    assert not model.setData(first, "   ")
    assert not model.flags(take) & Qt.ItemFlag.ItemIsEditable


def make_rows(text: str) -> list[TaskRow]:
    """Return tasks with takes from a text such as ``a12 b3``."""
    return [TaskRow(word[0], tuple(TakeRow(word[0], each, 1, 1.0) for each in word[1:])) for word in text.split()]


@pytest.mark.parametrize(
    "states",
    [
        ("", "a12", "a12 b1"),
        ("a12 b34 c5", "a12 b34 c56", "a12 b4 c56", "a12 c56"),
        ("a12 b34", "x1 a12 b34", "a12 x1 b34", "b34 a12"),
        ("a12 b34", "a12 b35", "a b", "a1 c2", ""),
        ("a12 b34 c5", "b34", "a12 b34 c5"),
    ],
)
def test_rows_that_come_and_go_leave_the_others(qtbot: QtBot, states: tuple[str, ...]) -> None:
    """Indexes that a view holds stay on their tasks and takes; Qt's own test of models watches."""
    model = TaskModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal, model)
    for before, after in itertools.pairwise(states):
        model.set_tasks(make_rows(before))
        held = {
            (row.name, take.name): QPersistentModelIndex(model.index_of(row.name, take.name))
            for row in model.tasks
            for take in row.takes
        }
        model.set_tasks(make_rows(after))
        assert [row.name for row in model.tasks] == [row.name for row in make_rows(after)]
        assert list(model.tasks) == make_rows(after)
        for (task, take), index in held.items():
            if index.isValid():
                row = model.row_of(index)
                assert isinstance(row, TakeRow)
                assert (row.task, row.name) == (task, take)
