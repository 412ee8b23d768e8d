"""The Qt model of tasks and takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from metagui.gui.library.task_model import TakeRow, TaskModel, TaskRow
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
