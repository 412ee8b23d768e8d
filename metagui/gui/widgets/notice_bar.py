"""Bar under the 3-D view with one sentence about what the arm needs, and the button for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel

from metagui.gui.theme.icons import make_pixmap
from metagui.gui.widgets.action_button import make_button

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.gui.core.actions import Actions
    from metagui.gui.theme.theme import Theme


class NoticeBar(QFrame):
    """A bar with an icon, a sentence and at most one button; hidden while there is no sentence."""

    def __init__(self, theme: Theme, actions: Actions, keys: Sequence[str]) -> None:
        """Create the bar with a button for each of the actions in ``keys``."""
        super().__init__()
        self._theme = theme
        self._icon, self._tint = "info", "accent"
        self.setObjectName("chip")
        self.setAccessibleName("Notice")
        self._picture, self._label = QLabel(), QLabel()
        self._label.setWordWrap(True)
        self._buttons = {key: make_button(actions[key], "flat", icon_size=16) for key in keys}
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 5, 8, 5)
        row.setSpacing(8)
        row.addWidget(self._picture)
        row.addWidget(self._label, 1)
        for button in self._buttons.values():
            row.addWidget(button)
        theme.changed.connect(self._update_icon)
        self.show_notice("")

    def show_notice(self, text: str, icon: str = "info", tint: str = "accent", action: str = "") -> None:
        """Show a sentence, an icon in the theme colour ``tint`` and a button; an empty text hides the bar."""
        self._icon, self._tint = icon, tint
        if text != self._label.text():
            self._label.setText(text)
            self.setAccessibleDescription(text)
        for key, button in self._buttons.items():
            button.setVisible(key == action)
        self.setVisible(bool(text))
        self._update_icon()

    def _update_icon(self) -> None:
        colour = getattr(self._theme.colours, self._tint)
        self._picture.setPixmap(make_pixmap(self._icon, colour, 18, self.devicePixelRatioF()))
