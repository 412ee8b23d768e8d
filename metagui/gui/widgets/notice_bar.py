"""One sentence between the 3-D view and its tools, about what the arm needs now, with the button for it."""

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
    """A strip that says something, or is not there."""

    def __init__(self, theme: Theme, actions: Actions, keys: Sequence[str]) -> None:
        """Offer any of the actions called ``keys`` beside the sentence."""
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
        for made in self._buttons.values():
            row.addWidget(made)
        theme.changed.connect(self._update_icon)
        self.show_notice("")

    def show_notice(self, text: str, icon: str = "info", tint: str = "accent", action: str = "") -> None:
        """Say a sentence with an icon in one of the theme's colours; nothing hides the strip."""
        self._icon, self._tint = icon, tint
        if text != self._label.text():
            self._label.setText(text)
            self.setAccessibleDescription(text)
        for key, made in self._buttons.items():
            made.setVisible(key == action)
        self.setVisible(bool(text))
        self._update_icon()

    def _update_icon(self) -> None:
        colour = getattr(self._theme.colours, self._tint)
        self._picture.setPixmap(make_pixmap(self._icon, colour, 18, self.devicePixelRatioF()))
