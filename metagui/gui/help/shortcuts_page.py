"""Overlay with all shortcuts of the window; any key or click closes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QGridLayout, QLabel

from metagui.gui.core.actions import ACTION_INFOS
from metagui.gui.help.overlay_page import OverlayPage
from metagui.gui.recording.segment_edit import BOUNDARY_SHORTCUTS
from metagui.gui.scene.object_drag import MARKING_SHORTCUTS
from metagui.gui.scene.player_keys import PLAYER_SHORTCUTS
from metagui.gui.teaching.click_teacher import CLICK_TOOLS
from metagui.gui.theme.theme import scaled_font
from metagui.gui.widgets.panel import make_muted_label

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QWidget

MOUSE_SHORTCUTS = (
    ("Click", "use the tool there"),
    ("Drag", "turn the view"),
    ("Shift + drag", "shift the view"),
    ("Wheel", "zoom"),
    ("Arrow keys, + −", "turn and zoom, with the view focused"),
    ("WASD or arrows, R F, Q E, Space", "move the gripper, in the keyboard mode"),
    ("Right click on a plot, + − 0", "save or smooth it, zoom, show all of it"),
    ("Drag or double-click a boundary", "edit the segments of a take without clicks"),
)


class ShortcutsPage(OverlayPage):
    """Table of shortcuts, which any key and any click close."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window, "All keys", "Keys")
        self.card_layout.addLayout(self._make_grid())
        self.card_layout.addWidget(make_muted_label("Press any key to go back"))

    def _make_grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        native = QKeySequence.SequenceFormat.NativeText
        rows = [(QKeySequence(a.shortcut).toString(native), a.text) for a in ACTION_INFOS if a.shortcut]
        rows += [(t.shortcut, f"Tool: {t.text.lower()}") for t in CLICK_TOOLS]
        rows += (*MOUSE_SHORTCUTS, *PLAYER_SHORTCUTS, *BOUNDARY_SHORTCUTS, *MARKING_SHORTCUTS)
        half = (len(rows) + 1) // 2
        for number, (key, text) in enumerate(rows):
            row, column = number % half, 3 * (number // half)
            name = QLabel(key)
            name.setFont(scaled_font(1.0, bold=True))
            grid.addWidget(name, row, column)
            grid.addWidget(QLabel(text), row, column + 1)
        grid.setColumnMinimumWidth(2, 32)
        return grid

    def closes_on(self, event: QKeyEvent) -> bool:
        """Return True: every key closes the page, and no shortcut acts behind it."""
        return True
