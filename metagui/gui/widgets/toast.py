"""Messages under the task list: what happened, what is safe, what to do. Never a dialog, never over anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.theme.icons import make_icon, make_pixmap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QAction

    from metagui.gui.core.messages import MessageKind
    from metagui.gui.theme.theme import Theme

_TINTS = {"info": "accent", "success": "success", "warning": "warning", "error": "danger"}
_DURATIONS_S = {"info": 10, "success": 20, "warning": 30, "error": 0}
"""How long each kind stays; an error until it is put away."""
_MAX_TOASTS = 3


@dataclass(frozen=True)
class ToastMessage:
    """What to say, and the one action that belongs to it."""

    text: str
    kind: MessageKind = "info"
    action: QAction | None = None


class Toast(QFrame):
    """One message with its action and a way to put it away."""

    def __init__(self, area: ToastArea, message: ToastMessage, theme: Theme) -> None:
        super().__init__(area)
        self.message = message
        self._area, self._theme = area, theme
        self.setObjectName("panel")
        self.setAccessibleName(message.text)
        self._picture = QLabel()
        self._label = QLabel(message.text)
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._close_button = QPushButton()
        self._close_button.setObjectName("flat")
        self._close_button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._close_button.setIconSize(QSize(14, 14))
        self._close_button.setAccessibleName("Put the message away")
        self._close_button.setToolTip("Put away")
        self._close_button.clicked.connect(self.dismiss)
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.dismiss)
        if _DURATIONS_S[message.kind]:
            self._timer.start(_DURATIONS_S[message.kind] * 1000)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        top.addWidget(self._label, 1)
        top.addWidget(self._close_button, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 6, 10)
        layout.setSpacing(6)
        layout.addLayout(top)
        if self.message.action is not None:
            layout.addWidget(self._action_button(self.message.action), 0, Qt.AlignmentFlag.AlignRight)

    def _action_button(self, action: QAction) -> QPushButton:
        out = QPushButton(action.text().split(" ")[0])
        out.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        out.setAccessibleName(f"{action.text()} (from the message)")
        out.clicked.connect(action.trigger)
        out.clicked.connect(self.dismiss)
        return out

    def _tint(self) -> None:
        colours = self._theme.colours
        tint = getattr(colours, _TINTS[self.message.kind])
        self._picture.setPixmap(make_pixmap(self.message.kind, tint, 20, self.devicePixelRatioF()))
        self._close_button.setIcon(make_icon("close", colours.muted))

    def dismiss(self) -> None:
        """Put the message away."""
        self._timer.stop()
        self._area.remove_toast(self)


class ToastArea(QWidget):
    """The messages that are still of interest, newest lowest; takes no room while there are none."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 8, 0, 0)
        self._rows.setSpacing(8)
        self.toasts: list[Toast] = []
        self.setAccessibleName("Messages")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    def show_message(self, message: ToastMessage) -> None:
        """Show a message; it replaces all but errors, which stay until they are put away, and its own like."""
        for old in [t for t in self.toasts if t.message.kind != "error" or t.message.text == message.text]:
            old.dismiss()
        for old in self.toasts[: len(self.toasts) + 1 - _MAX_TOASTS]:
            old.dismiss()
        toast = Toast(self, message, self._theme)
        self.toasts.append(toast)
        self._rows.addWidget(toast)
        self.show()

    def dismiss_resolved(self, actions: Sequence[QAction]) -> None:
        """Put away the errors that any of these actions would have mended: it is mended."""
        for old in [t for t in self.toasts if t.message.kind == "error" and t.message.action in actions]:
            old.dismiss()

    def remove_toast(self, toast: Toast) -> None:
        """A message was put away."""
        if toast in self.toasts:
            self.toasts.remove(toast)
            self._rows.removeWidget(toast)
            toast.hide()
            toast.deleteLater()
        self.setVisible(bool(self.toasts))
