"""Base of pages that cover the window: a card over the dimmed window, which a click next to it closes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

from metagui.gui.theme.theme import scaled_font

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent, QMouseEvent, QPaintEvent


class OverlayPage(QWidget):
    """Dimmed overlay with a titled card; Escape, and a click outside the card, close it."""

    def __init__(self, window: QWidget, name: str, title: str) -> None:
        """Create a hidden page over ``window`` with an accessible name and the title of its card."""
        super().__init__(window)
        self._window = window
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.card = QFrame()
        self.card.setObjectName("panel")
        self.card_layout = QVBoxLayout(self.card)
        self.card_layout.setContentsMargins(32, 24, 32, 24)
        self.card_layout.setSpacing(16)
        heading = QLabel(title)
        heading.setFont(scaled_font(1.4, bold=True))
        self.card_layout.addWidget(heading)
        outer = QVBoxLayout(self)
        outer.addWidget(self.card, 0, Qt.AlignmentFlag.AlignCenter)
        window.installEventFilter(self)
        self.hide()

    def open(self) -> None:
        """Show the page over the window."""
        self.setGeometry(self._window.rect())
        self.show()
        self.raise_()
        self.setFocus()

    def closes_on(self, event: QKeyEvent) -> bool:
        """Return True if a key closes the page."""
        return event.key() == Qt.Key.Key_Escape

    def event(self, event: QEvent) -> bool:
        """Take the keys that close the page before they reach a shortcut of the window."""
        if event.type() == QEvent.Type.ShortcutOverride and self.closes_on(event):  # type: ignore[arg-type]
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close the page on its keys."""
        if self.closes_on(event):
            self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close the page."""
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Dim the window behind the page."""
        QPainter(self).fillRect(self.rect(), QColor(0, 0, 0, 120))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the window."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._window.rect())
        return False
