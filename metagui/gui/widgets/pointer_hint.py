"""Hint next to the mouse pointer in the 3-D view; transparent for the mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

if TYPE_CHECKING:
    from PySide6.QtCore import QPointF


class PointerHint(QLabel):
    """A label with what a click would do, or why it is not possible."""

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._view = view
        self.setObjectName("bubble")
        self.setContentsMargins(8, 4, 8, 4)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def show_hint(self, text: str, pointer: QPointF | None, possible: bool = True) -> None:
        """Show a text next to ``pointer``, in the disabled colour unless ``possible``."""
        self.setText(text)
        self.setEnabled(possible)
        self.adjustSize()
        self.show()
        if pointer is not None:
            self._move_next_to(pointer)

    def _move_next_to(self, pointer: QPointF) -> None:
        """Move next to the pointer, within the view."""
        x = min(pointer.x() + 16, self._view.width() - self.width() - 4)
        y = pointer.y() + 20
        if y + self.height() > self._view.height():
            y = pointer.y() - 12 - self.height()
        self.move(round(x), round(y))
