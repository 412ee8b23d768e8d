"""Countdown over the 3-D view before the arm moves or a recording begins; transparent for the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QRectF, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QWidget

from metagui.gui.theme.theme import scaled_font

if TYPE_CHECKING:
    from PySide6.QtGui import QPaintEvent

    from metagui.gui.theme.theme import Theme


class CountdownOverlay(QWidget):
    """Covers a widget with the seconds left and a sentence about what follows."""

    def __init__(self, theme: Theme, covered: QWidget) -> None:
        super().__init__(covered)
        self._theme, self._covered = theme, covered
        self._seconds_left, self._text = 0, ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        covered.installEventFilter(self)
        self.hide()

    def show_countdown(self, seconds_left: int, text: str) -> None:
        """Show the seconds left and what follows; hide the overlay at 0."""
        self._seconds_left, self._text = seconds_left, text
        self.setAccessibleName(f"{text} in {seconds_left}" if seconds_left else "Countdown")
        self.setGeometry(self._covered.rect())
        self.setVisible(seconds_left > 0)
        self.raise_()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Dim the covered widget and paint the seconds and two lines of text."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colours, area = self._theme.colours, QRectF(self.rect())
        shade = QColor(colours.view)
        shade.setAlpha(190)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(shade)
        painter.drawRoundedRect(area, 8, 8)
        painter.setPen(QColor(colours.accent))
        painter.setFont(scaled_font(7.0, bold=True))
        painter.drawText(area.adjusted(0, -30, 0, -30), Qt.AlignmentFlag.AlignCenter, str(self._seconds_left))
        painter.setPen(QColor(colours.text))
        painter.setFont(scaled_font(1.15, bold=True))
        below = area.adjusted(16, area.height() / 2 + 44, -16, 0)
        centred = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
        painter.drawText(below, centred, self._text)
        painter.setPen(QColor(colours.muted))
        painter.setFont(scaled_font(1.0))
        painter.drawText(below.adjusted(0, 28, 0, 0), centred, "Esc or Stop cancels")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the size of the covered widget."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self.setGeometry(self._covered.rect())
        return False
