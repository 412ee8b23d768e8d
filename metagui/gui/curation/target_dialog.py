"""Dialog that asks for the task that takes are moved to: one of the list, or a new one.

It is not modal, so that the arm can be stopped at any time; Esc closes it, because nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QSortFilterProxyModel, QStringListModel, Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QLineEdit, QListView, QPushButton, QVBoxLayout

from metagui.demonstrations.storage.task_names import to_collision_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QWidget


class TargetDialog(QDialog):
    """A field with a list of tasks that fits what is typed."""

    task_chosen = Signal(str)
    """Name of the task, which may be new."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setModal(False)
        self.setMinimumSize(420, 380)
        self._names: dict[str, str] = {}
        self._allows_new = True
        self._verb = ""
        self.question = QLabel()
        self.question.setWordWrap(True)
        self.field = QLineEdit()
        self.field.setAccessibleName("Name of the task")
        self.field.setPlaceholderText("Name of the task")
        self._model, self._filter = QStringListModel(self), QSortFilterProxyModel(self)
        self._filter.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._filter.setSourceModel(self._model)
        self.list = QListView()
        self.list.setAccessibleName("Tasks")
        self.list.setModel(self._filter)
        self.list.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.list.setUniformItemSizes(True)
        self.list.setSpacing(3)
        self.start_button, cancel_button = QPushButton(), QPushButton("Cancel")
        self.start_button.setObjectName("primary")
        self.start_button.setDefault(True)
        row, column = QHBoxLayout(), QVBoxLayout(self)
        row.addStretch(1)
        row.addWidget(cancel_button)
        row.addWidget(self.start_button)
        for widget in (self.question, self.field, self.list):
            column.addWidget(widget)
        column.addLayout(row)
        self.field.textChanged.connect(self._on_text)
        self.list.clicked.connect(self._take_over)
        self.list.activated.connect(self._take_over)
        self.start_button.clicked.connect(self._choose)
        cancel_button.clicked.connect(self.hide)

    def ask(self, question: str, verb: str, names: Sequence[str], text: str = "", allows_new: bool = True) -> None:
        """Show the dialog; ``task_chosen`` follows unless it is closed.

        ``verb`` is on the button, ``names`` are the tasks to choose from, ``text`` is a proposal.
        """
        self.setWindowTitle(question)
        self.question.setText(f"{question}:")
        self._verb, self._allows_new = verb, allows_new
        self._names = {to_collision_key(name): name for name in names}
        self._model.setStringList(list(names))
        self.field.setText(text)
        self.field.selectAll()
        self._on_text(text, filters=False)
        self.show()
        self.activateWindow()
        self.field.setFocus()

    @property
    def target(self) -> str:
        """The task that the field names, as an existing one is written."""
        text = self.field.text().strip()
        return self._names.get(to_collision_key(text), text) if text else ""

    def _on_text(self, text: str, filters: bool = True) -> None:
        self._filter.setFilterFixedString(text.strip() if filters and self.target not in self._names.values() else "")
        is_known = self.target in self._names.values()
        self.start_button.setEnabled(bool(self.target) and (is_known or self._allows_new))
        self.start_button.setText(self._verb if is_known or not self._allows_new else f"{self._verb} to a new task")

    def _take_over(self, index: QModelIndex) -> None:
        """Write the task that was clicked into the field."""
        self.field.setText(str(index.data()))

    def _choose(self) -> None:
        if self.start_button.isEnabled():
            self.hide()
            self.task_chosen.emit(self.target)
