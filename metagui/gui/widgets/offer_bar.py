"""A strip under the top bar that offers back what a crash left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton

from metagui.gui.theme.icons import pixmap

if TYPE_CHECKING:
    from metagui.gui.theme.theme import Theme


class Banner(QFrame):
    """One sentence, a button that accepts and one that declines."""

    accepted = Signal()
    declined = Signal()

    def __init__(self, theme: Theme, accept: str, decline: str) -> None:
        super().__init__()
        self._theme = theme
        self.setObjectName("banner")
        self.setAccessibleName("Offer")
        self._picture, self._words = QLabel(), QLabel()
        self._words.setWordWrap(True)
        self.accept, self.decline = QPushButton(accept), QPushButton(decline)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 8, 16, 8)
        row.setSpacing(12)
        row.addWidget(self._picture)
        row.addWidget(self._words, 1)
        for made, signal in ((self.accept, self.accepted), (self.decline, self.declined)):
            made.setAccessibleName(made.text())
            made.clicked.connect(signal)
            row.addWidget(made)
        theme.changed.connect(self._tint)
        self._tint()
        self.hide()

    def offer(self, words: str) -> None:
        """Show the offer; without words there is none."""
        self._words.setText(words)
        self.setAccessibleDescription(words)
        self.setVisible(bool(words))

    def _tint(self) -> None:
        self._picture.setPixmap(pixmap("warning", self._theme.colours.warning, 20, self.devicePixelRatioF()))
