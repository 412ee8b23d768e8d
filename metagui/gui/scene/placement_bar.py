"""What the head of the 3-D view offers for the things on the table: scatter them anew, or say where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from metagui.gui.theme.icons import icon
from metagui.gui.widgets.action_button import button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import Anchor
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme


class MarkBar(QWidget):
    """One button for a simulated scene; for a real table a toggle to drag things, and *Here* under the gripper."""

    here = Signal(str)
    """The name of the thing that is under the gripper's tip."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme, self._action = theme, actions["mark"]
        self._anchors: tuple[Anchor, ...] = ()
        self._scatter = button(actions["randomise"], "flat", icon=16)
        self._mark = button(self._action, "toggle", icon=16)
        self._menu = QMenu(self)
        self._menu.triggered.connect(self._on_here)
        self._here = QToolButton()
        self._here.setObjectName("flat")
        self._here.setText("Here is …")
        self._here.setAccessibleName("Here is …")
        self._here.setToolTip("Say which thing is under the gripper's tip: touch it with the gripper first.")
        self._here.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._here.setIconSize(QSize(16, 16))
        self._here.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._here.setMenu(self._menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for widget in (self._scatter, self._mark, self._here):
            row.addWidget(widget)
        self._action.changed.connect(self._follow)
        theme.changed.connect(self._tint)
        self._tint()
        self.show_kind(False)

    def show_kind(self, markable: bool, anchors: Sequence[Anchor] = ()) -> None:
        """Offer what suits the connected arm."""
        self._scatter.setVisible(not markable)
        self._mark.setVisible(markable)
        self._here.setVisible(markable)
        if tuple(anchors) != self._anchors:
            self._anchors = tuple(anchors)
            self._menu.clear()
            for anchor in anchors:
                if anchor.kind != "table":
                    self._menu.addAction(_swatch(anchor), f"the {anchor.name}").setData(anchor.name)

    def _on_here(self, entry: QAction) -> None:
        self.here.emit(entry.data())

    def _follow(self) -> None:
        self._here.setEnabled(self._action.isEnabled())

    def _tint(self) -> None:
        self._here.setIcon(icon("goto", self._theme.colours.text))


def _swatch(anchor: Anchor) -> QIcon:
    """Return a picture of a thing: a filled square for a cube, a frame for a zone."""
    picture = QPixmap(16, 16)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    colour = tuple(round(255 * part) for part in anchor.colour)
    if anchor.kind == "cube":
        painter.fillRect(2, 2, 12, 12, QColor(*colour))
    else:
        painter.setPen(QPen(QColor(*colour), 3))
        painter.drawRect(3, 3, 10, 10)
    painter.end()
    return QIcon(picture)
