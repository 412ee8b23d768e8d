"""Overlay with all shortcuts of the window; any key or click closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QKeyEvent, QKeySequence, QPainter
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QVBoxLayout, QWidget

from metagui.gui.core.actions import ACTION_INFOS
from metagui.gui.teaching.click_teacher import CLICK_TOOLS
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import make_muted_label

if TYPE_CHECKING:
    from PySide6.QtGui import QMouseEvent, QPaintEvent

MOUSE_SHORTCUTS = (
    ("Click", "use the tool there"),
    ("Drag", "turn the view"),
    ("Shift + drag", "shift the view"),
    ("Wheel", "zoom"),
    ("Arrow keys, + −", "turn and zoom, with the view focused"),
    ("WASD or arrows, R F, Q E, Space", "move the gripper, in the keyboard mode"),
    ("Drag or double-click a boundary", "edit the segments of a take without clicks"),
)


class ShortcutsPage(QWidget):
    """Dimmed overlay with a table of shortcuts."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setAccessibleName("All keys")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        card = QFrame()
        card.setObjectName("panel")
        layout = QVBoxLayout(card)
        layout.setContentsMargins(32, 24, 32, 24)
        layout.setSpacing(16)
        title = QLabel("Keys")
        title.setFont(scaled_font(1.4, bold=True))
        layout.addWidget(title)
        layout.addLayout(self._make_grid())
        layout.addWidget(make_muted_label("Press any key to go back"))
        outer = QVBoxLayout(self)
        outer.addWidget(card, 0, Qt.AlignmentFlag.AlignCenter)
        window.installEventFilter(self)
        self.hide()

    def _make_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        native = QKeySequence.SequenceFormat.NativeText
        rows = [(QKeySequence(a.shortcut).toString(native), a.text) for a in ACTION_INFOS if a.shortcut]
        rows += [(t.shortcut, f"Tool: {t.text.lower()}") for t in CLICK_TOOLS]
        rows += MOUSE_SHORTCUTS
        half = (len(rows) + 1) // 2
        for number, (key, text) in enumerate(rows):
            row, column = number % half, 3 * (number // half)
            name = QLabel(key)
            name.setFont(scaled_font(1.0, bold=True))
            grid.addWidget(name, row, column)
            grid.addWidget(QLabel(text), row, column + 1)
        grid.setColumnMinimumWidth(2, 32)
        return grid

    def open(self) -> None:
        """Show the page over the window."""
        self.setGeometry(self._window.rect())
        self.show()
        self.raise_()
        self.setFocus()

    def event(self, event: QEvent) -> bool:
        """Accept every key, including shortcuts, so that any of them closes the page."""
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close the page."""
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
