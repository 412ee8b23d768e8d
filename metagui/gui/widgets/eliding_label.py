"""A label for text that may be longer than its room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextLayout, QTextOption
from PySide6.QtWidgets import QLabel, QSizePolicy

if TYPE_CHECKING:
    from PySide6.QtGui import QFont, QResizeEvent


class Elided(QLabel):
    """A label that shortens its text to the room there is, and shows all of it in its tooltip.

    Of several ``lines`` the last is shortened; it takes as much room as needed, up to these.
    """

    def __init__(self, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight, lines: int = 1) -> None:
        super().__init__()
        self._mode, self._words, self._lines = mode, "", lines
        self.setObjectName("muted")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, words: str) -> None:
        """Put another text."""
        self._words = words
        self.setToolTip(words)
        self.setAccessibleName(words)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten anew."""
        self._fit()

    def _fit(self) -> None:
        width = max(self.width() - 2, 0)
        *whole, rest = _broken(self._words, self.font(), width, self._lines)
        self.setText("\n".join([*whole, self.fontMetrics().elidedText(rest, self._mode, width)]))


def _broken(words: str, font: QFont, width: int, lines: int) -> list[str]:
    """Break words into that many lines at most; the last may be too long."""
    layout = QTextLayout(words, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout.setTextOption(option)
    layout.beginLayout()
    found, begin = [], 0
    for _ in range(lines - 1):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        end = begin + line.textLength()
        if end >= len(words):
            break
        found.append(words[begin:end].rstrip())
        begin = end
    layout.endLayout()
    return [*found, words[begin:]]
