"""Bar above the status bar with one hint for the first minutes; it can be dismissed and never blocks anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton

from metagui.gui.core.stored_choices import read_text
from metagui.gui.help.hints import HINTS, Hint, choose_hint, find_followed, is_between_steps
from metagui.gui.theme.icons import make_pixmap

if TYPE_CHECKING:
    from PySide6.QtCore import QSettings

    from metagui.gui.core.app_state import AppSnapshot
    from metagui.gui.theme.theme import Theme

DONE_SETTING = "help/hints_done"
"""Keys of the hints that were followed or dismissed, separated by blanks."""


class HintBar(QFrame):
    """The hint that fits the state of the program; hidden once all were followed or dismissed."""

    def __init__(self, theme: Theme, settings: QSettings) -> None:
        super().__init__()
        self._theme, self._settings = theme, settings
        self._done = set(read_text(settings, DONE_SETTING).split())
        self._hint: Hint | None = None
        self.setObjectName("banner")
        self.setAccessibleName("Hint")
        self._picture, self._label = QLabel(), QLabel()
        self._label.setWordWrap(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 4, 12, 4)
        row.setSpacing(12)
        row.addWidget(self._picture)
        row.addWidget(self._label, 1)
        for text, slot in (("Got it", self._dismiss), ("No hints", self._dismiss_all)):
            button = QPushButton(text)
            button.setObjectName("flat")
            button.setAccessibleName(text)
            button.clicked.connect(slot)
            row.addWidget(button)
        theme.changed.connect(self._tint)
        self._tint()
        self.hide()

    def show_snapshot(self, snapshot: AppSnapshot) -> None:
        """Show the hint that fits a state, and forget those that the person has followed."""
        followed = find_followed(snapshot) - self._done
        if followed:
            self._set_done(self._done | followed)
        if is_between_steps(snapshot):
            self._show(choose_hint(snapshot, self._done))

    def _show(self, hint: Hint | None) -> None:
        if hint is not self._hint:
            self._hint = hint
            self._label.setText(hint.text if hint else "")
            self.setAccessibleDescription(hint.text if hint else "")
        self.setVisible(hint is not None)

    def _dismiss(self) -> None:
        if self._hint is not None:
            self._set_done({*self._done, self._hint.key})
        self._show(None)

    def _dismiss_all(self) -> None:
        self._set_done({hint.key for hint in HINTS})
        self._show(None)

    def _set_done(self, keys: set[str]) -> None:
        self._done = keys
        self._settings.setValue(DONE_SETTING, " ".join(sorted(keys)))

    def _tint(self) -> None:
        self._picture.setPixmap(make_pixmap("info", self._theme.colours.accent, 18, self.devicePixelRatioF()))
