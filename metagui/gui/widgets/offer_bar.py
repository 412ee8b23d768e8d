"""A strip under the top bar that offers back what a crash left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton

from metagui.gui.theme.icons import make_pixmap

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme


class OfferBar(QFrame):
    """One sentence, a button that accepts and one that declines."""

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
        for made, signal in ((self.accept_button, self.accepted), (self.decline_button, self.declined)):
            made.setAccessibleName(made.text())
            made.clicked.connect(signal)
            row.addWidget(made)
        theme.changed.connect(self._tint)
        self._tint()
        self.hide()

    def show_offer(self, text: str) -> None:
        """Show the offer; without words there is none."""
        self._label.setText(text)
        self.setAccessibleDescription(text)
        self.setVisible(bool(text))

    def _tint(self) -> None:
        self._picture.setPixmap(make_pixmap("warning", self._theme.colours.warning, 20, self.devicePixelRatioF()))
