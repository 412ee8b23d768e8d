"""Buttons above the 3-D view for the objects on the table: randomise the scene, or place real objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from metagui.gui.theme.icons import make_icon
from metagui.gui.widgets.action_button import make_button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import SceneObject
    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme


class PlacementBar(QWidget):
    """One button for a simulated scene; for a real table, a toggle to drag objects and a menu to place one."""

    tip_object_chosen = Signal(str)
    """Name of the object at the tip of the gripper."""

    def __init__(self, theme: Theme, actions: Actions) -> None:
        super().__init__()
        self._theme, self._action = theme, actions["mark"]
        self._objects: tuple[SceneObject, ...] = ()
        self._randomise_button = make_button(actions["randomise"], "flat", icon_size=16)
        self._place_button = make_button(self._action, "toggle", icon_size=16)
        self._menu = QMenu(self)
        self._menu.triggered.connect(self._on_entry_triggered)
        self._at_tip_button = QToolButton()
        self._at_tip_button.setObjectName("flat")
        self._at_tip_button.setText("Here is …")
        self._at_tip_button.setAccessibleName("Here is …")
        self._at_tip_button.setToolTip("Touch an object with the gripper's tip, then choose it here.")
        self._at_tip_button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._at_tip_button.setIconSize(QSize(16, 16))
        self._at_tip_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._at_tip_button.setMenu(self._menu)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for widget in (self._randomise_button, self._place_button, self._at_tip_button):
            row.addWidget(widget)
        self._action.changed.connect(self._update_enabled)
        theme.changed.connect(self._update_icon)
        self._update_icon()
        self.show_objects(False)

    def show_objects(self, placeable: bool, objects: Sequence[SceneObject] = ()) -> None:
        """Show the buttons for the connected arm; ``objects`` fill the menu."""
        self._randomise_button.setVisible(not placeable)
        self._place_button.setVisible(placeable)
        self._at_tip_button.setVisible(placeable)
        if tuple(objects) != self._objects:
            self._objects = tuple(objects)
            self._menu.clear()
            for each in objects:
                if each.kind != "table":
                    self._menu.addAction(_make_object_icon(each), f"the {each.name}").setData(each.name)

    def _on_entry_triggered(self, entry: QAction) -> None:
        self.tip_object_chosen.emit(entry.data())

    def _update_enabled(self) -> None:
        self._at_tip_button.setEnabled(self._action.isEnabled())

    def _update_icon(self) -> None:
        self._at_tip_button.setIcon(make_icon("goto", self._theme.colours.text))


def _make_object_icon(scene_object: SceneObject) -> QIcon:
    """Return the icon of an object: a filled square for a cube, a frame for a zone."""
    picture = QPixmap(16, 16)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    colour = tuple(round(255 * part) for part in scene_object.colour)
    if scene_object.is_solid:
        painter.fillRect(2, 2, 12, 12, QColor(*colour))
    else:
        painter.setPen(QPen(QColor(*colour), 3))
        painter.drawRect(3, 3, 10, 10)
    painter.end()
    return QIcon(picture)
