"""Messages under the task list: what happened, what is safe, what to do.

They replace dialogs and cover nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from metagui.gui.theme.icons import make_icon, make_pixmap
from metagui.gui.widgets.announcement import announce

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PySide6.QtGui import QAction, QResizeEvent

    from metagui.gui.core.messages import MessageKind
    from metagui.gui.theme.theme import Theme

_TINTS = {"info": "accent", "success": "success", "warning": "warning", "error": "danger"}
_DURATIONS_S = {"info": 10, "success": 20, "warning": 30, "error": 0}
"""Time after which each kind disappears, s; 0: errors stay until the user dismisses them."""
_MAX_TOASTS = 3
MAX_WINDOW_FRACTION = 0.5
"""Fraction of the window's height above which messages are scrolled."""


@dataclass(frozen=True)
class ToastMessage:
    """A text, its kind, and the action that resolves it, if any."""

    text: str
    kind: MessageKind = "info"
    action: QAction | None = None
    action_key: str = ""
    change: str | None = None
    """Change of the library that the action would undo or redo; the action is withdrawn once it would do another."""


class Toast(QFrame):
    """One message with a button for its action and a button to dismiss it."""

    def __init__(self, area: ToastArea, message: ToastMessage, theme: Theme) -> None:
        super().__init__()
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
        self._close_button.setAccessibleName("Dismiss the message")
        self._close_button.setToolTip("Dismiss")
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
        self._action_button = None if self.message.action is None else self._make_action_button(self.message.action)
        if self._action_button is not None:
            layout.addWidget(self._action_button, 0, Qt.AlignmentFlag.AlignRight)

    def _make_action_button(self, action: QAction) -> QPushButton:
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

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Make room for all lines of the text at the new width, which the layout alone would cut."""
        super().resizeEvent(event)
        self._label.setMinimumHeight(self._label.heightForWidth(self._label.width()))
        self._area.updateGeometry()

    def withdraw_action(self) -> None:
        """Remove the button; the text stays until it is dismissed."""
        if self._action_button is not None:
            self._action_button.hide()

    def dismiss(self) -> None:
        """Remove the message from its area."""
        self._timer.stop()
        self._area.remove_toast(self)


class ToastArea(QScrollArea):
    """The current messages, newest at the bottom; hidden while there are none, scrolled where there is little room."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._content = QWidget()
        self._rows = QVBoxLayout(self._content)
        self._rows.setContentsMargins(0, 8, 0, 0)
        self._rows.setSpacing(8)
        self.toasts: list[Toast] = []
        self.setWidget(self._content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Messages")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.verticalScrollBar().rangeChanged.connect(self._scroll_to_newest)
        self.hide()

    def sizeHint(self) -> QSize:
        """Return the height of all messages at the present width."""
        return QSize(super().sizeHint().width(), self._rows.totalHeightForWidth(self.width()))

    def minimumSizeHint(self) -> QSize:
        """Return the height of all messages, but leave half of the window to the tasks above them."""
        height = min(self._rows.totalHeightForWidth(self.width()), int(MAX_WINDOW_FRACTION * self.window().height()))
        return QSize(super().minimumSizeHint().width(), height)

    def _scroll_to_newest(self, _minimum: int, maximum: int) -> None:
        self.verticalScrollBar().setValue(maximum)

    def show_message(self, message: ToastMessage) -> None:
        """Show a message in place of all others except errors with another text, which stay until dismissed."""
        for old in [t for t in self.toasts if t.message.kind != "error" or t.message.text == message.text]:
            old.dismiss()
        for old in self.toasts[: len(self.toasts) + 1 - _MAX_TOASTS]:
            old.dismiss()
        toast = Toast(self, message, self._theme)
        self.toasts.append(toast)
        self._rows.addWidget(toast)
        self.show()
        announce(self, message.text, urgent=message.kind == "error")
        self.updateGeometry()

    def dismiss_resolved(self, actions: Sequence[QAction]) -> None:
        """Dismiss the errors whose action is one of ``actions``, because their cause is resolved."""
        for old in [t for t in self.toasts if t.message.kind == "error" and t.message.action in actions]:
            old.dismiss()

    def dismiss_outdated(self, changes: Mapping[str, str | None]) -> None:
        """Withdraw the actions that would undo or redo another change than the one of their message.

        ``changes`` has the present change of each action, by its key.
        """
        for toast in self.toasts:
            key = toast.message.action_key
            if key in changes and toast.message.change != changes[key]:
                toast.withdraw_action()

    def remove_toast(self, toast: Toast) -> None:
        """Remove a dismissed message."""
        if toast in self.toasts:
            self.toasts.remove(toast)
            self._rows.removeWidget(toast)
            toast.hide()
            toast.deleteLater()
        self.setVisible(bool(self.toasts))
        self.updateGeometry()
