"""Bar under the top bar that offers to recover the recordings of a crashed session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton

from metagui.gui.theme.icons import make_pixmap

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme


class OfferBar(QFrame):
    """A bar with one sentence, a button to accept and a button to decline."""

    accepted = Signal()
    declined = Signal()

    def __init__(self, theme: Theme, accept_text: str, decline_text: str) -> None:
        super().__init__()
        self._theme = theme
        self.setObjectName("banner")
        self.setAccessibleName("Offer")
        self._picture, self._label = QLabel(), QLabel()
        self._label.setWordWrap(True)
        self.accept_button, self.decline_button = QPushButton(accept_text), QPushButton(decline_text)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 16, 8)
        row.setSpacing(12)
        row.addWidget(self._picture)
        row.addWidget(self._label, 1)
        for button, signal in ((self.accept_button, self.accepted), (self.decline_button, self.declined)):
            button.setAccessibleName(button.text())
            button.clicked.connect(signal)
            row.addWidget(button)
        theme.changed.connect(self._tint)
        self._tint()
        self.hide()

    def show_offer(self, text: str) -> None:
        """Show an offer; an empty text hides the bar."""
        self._label.setText(text)
        self.setAccessibleDescription(text)
        self.setVisible(bool(text))

    def _tint(self) -> None:
        self._picture.setPixmap(make_pixmap("warning", self._theme.colours.warning, 20, self.devicePixelRatioF()))
