"""Dialog for the tags and the notes of one or several takes. It is not modal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QLineEdit, QPlainTextEdit, QPushButton, QVBoxLayout

from metagui.gui.widgets.panel import make_muted_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from PySide6.QtWidgets import QWidget

    from metagui.demonstrations.storage.hdf5 import TakeInfo

MAX_LISTED_TAGS = 12
"""Number of tags of the library that are listed as a help."""


class DetailsDialog(QDialog):
    """Tags that all takes have, and their notes if these are equal."""

    accepted_details = Signal(object, object, object)
    """Tags to add, tags to remove, and the new notes, None if they stay as they are."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setModal(False)
        self.setWindowTitle("Tags and notes")
        self.setMinimumWidth(420)
        self._common: frozenset[str] = frozenset()
        self._notes: str | None = None
        self.subject = QLabel()
        self.subject.setWordWrap(True)
        self.tags_field, self.notes_field = QLineEdit(), QPlainTextEdit()
        self.tags_field.setPlaceholderText("Words, separated by commas")
        self.known_tags = make_muted_label()
        self.known_tags.setWordWrap(True)
        self.notes_field.setTabChangesFocus(True)
        self.notes_field.setMinimumHeight(90)
        save_button, cancel_button = QPushButton("Save"), QPushButton("Cancel")
        save_button.setObjectName("primary")
        save_button.setDefault(True)
        save_button.setToolTip("Save tags and notes  (Ctrl+Return)")
        row, column = QHBoxLayout(), QVBoxLayout(self)
        row.addStretch(1)
        row.addWidget(cancel_button)
        row.addWidget(save_button)
        column.addWidget(self.subject)
        for text, field in (("Tags", self.tags_field), ("Notes", self.notes_field)):
            label = QLabel(text)
            label.setBuddy(field)
            field.setAccessibleName(text)
            column.addWidget(label)
            column.addWidget(field)
            if field is self.tags_field:
                column.addWidget(self.known_tags)
        column.addLayout(row)
        QShortcut(QKeySequence("Ctrl+Return"), self, self._save, context=Qt.ShortcutContext.WindowShortcut)
        save_button.clicked.connect(self._save)
        cancel_button.clicked.connect(self.hide)

    def edit(self, subject: str, takes: Sequence[TakeInfo], known_tags: Iterable[str]) -> None:
        """Show the dialog for takes; ``accepted_details`` follows if something was changed."""
        self.subject.setText(f"{subject[:1].upper()}{subject[1:]}")
        self._common = frozenset.intersection(*(frozenset(take.tags) for take in takes))
        notes = {take.notes for take in takes}
        self._notes = notes.pop() if len(notes) == 1 else None
        self.tags_field.setText(", ".join(sorted(self._common)))
        self.notes_field.setPlainText(self._notes or "")
        is_same = self._notes is not None
        self.notes_field.setPlaceholderText("" if is_same else "The notes differ; what you write replaces all of them.")
        listed = sorted(known_tags)[:MAX_LISTED_TAGS]
        self.known_tags.setText(f"Tags of this library: {', '.join(listed)}" if listed else "")
        self.known_tags.setVisible(bool(listed))
        self.show()
        self.activateWindow()
        self.tags_field.setFocus()

    def _save(self) -> None:
        wanted = {tag.strip() for tag in self.tags_field.text().split(",")} - {""}
        notes = self.notes_field.toPlainText().strip()
        is_same = notes == (self._notes or "")
        self.hide()
        if not is_same or wanted != self._common:
            self.accepted_details.emit(wanted - self._common, self._common - wanted, None if is_same else notes)
