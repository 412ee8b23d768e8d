"""Label that shortens text wider than the label and shows the full text in its tooltip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextLayout, QTextOption
from PySide6.QtWidgets import QLabel, QSizePolicy

if TYPE_CHECKING:
    from PySide6.QtGui import QFont, QResizeEvent


class ElidingLabel(QLabel):
    """A label that elides its text to its width and shows the full text in its tooltip.

    The text is wrapped into at most ``max_lines`` lines; the last one is elided.
    """

    def __init__(self, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight, max_lines: int = 1) -> None:
        super().__init__()
        self._mode, self._full_text, self._max_lines = mode, "", max_lines
        self.setObjectName("muted")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_full_text(self, text: str) -> None:
        """Show another text, elided to the width."""
        self._full_text = text
        self.setToolTip(text)
        self.setAccessibleName(text)
        self._fit_text()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Elide the text to the new width."""
        self._fit_text()

    def _fit_text(self) -> None:
        width = max(self.width() - 2, 0)
        *full_lines, rest = _break_lines(self._full_text, self.font(), width, self._max_lines)
        self.setText("\n".join([*full_lines, self.fontMetrics().elidedText(rest, self._mode, width)]))


def _break_lines(text: str, font: QFont, width: int, max_lines: int) -> list[str]:
    """Break text between words into at most ``max_lines`` lines; the last may be wider than ``width``."""
    layout = QTextLayout(text, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WordWrap)
    layout.setTextOption(option)
    layout.beginLayout()
    lines, begin = [], 0
    for _ in range(max_lines - 1):
        line = layout.createLine()
        if not line.isValid():
            break
        line.setLineWidth(width)
        end = begin + line.textLength()
        if end >= len(text):
            break
        lines.append(text[begin:end].rstrip())
        begin = end
    layout.endLayout()
    return [*lines, text[begin:]]
