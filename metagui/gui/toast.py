"""Messages that float over the window's lower edge: what happened, what is safe, what to do; never a dialog."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from metagui.gui.icons import icon, pixmap

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

    from metagui.gui.theme import Theme

Kind = Literal["info", "success", "warning", "error"]
_TINTS = {"info": "accent", "success": "success", "warning": "warning", "error": "danger"}
_SECONDS = {"info": 8, "success": 10, "warning": 14, "error": 0}
"""How long each kind stays; an error until it is put away."""
_WIDTH = 520
_MOST = 3


@dataclass(frozen=True)
class Message:
    """What to say, and the one action that belongs to it."""

    text: str
    kind: Kind = "info"
    action: QAction | None = None


class Toast(QFrame):
    """One message."""

    def __init__(self, parent: QWidget, message: Message, theme: Theme) -> None:
        super().__init__(parent)
        self.message = message
        self._theme = theme
        self.setObjectName("toast")
        self.setAccessibleName(message.text)
        self._picture = QLabel()
        self._words = QLabel(message.text)
        self._words.setWordWrap(True)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._close = QToolButton()
        self._close.setObjectName("flat")
        self._close.setAccessibleName("Put the message away")
        self._close.setToolTip("Put away")
        self._close.clicked.connect(self.dismiss)
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self.dismiss)
        if _SECONDS[message.kind]:
            self._timer.start(_SECONDS[message.kind] * 1000)

    def _lay_out(self) -> None:
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 8, 8, 8)
        layout.setSpacing(10)
        layout.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self._words, 1)
        if self.message.action is not None:
            act = QToolButton()
            act.setText(self.message.action.text().split(" ")[0])
            act.setAccessibleName(self.message.action.text())
            act.clicked.connect(self.message.action.trigger)
            act.clicked.connect(self.dismiss)
            layout.addWidget(act, 0, Qt.AlignmentFlag.AlignVCenter)
        layout.addWidget(self._close, 0, Qt.AlignmentFlag.AlignVCenter)

    def _tint(self) -> None:
        colours = self._theme.colours
        tint = getattr(colours, _TINTS[self.message.kind])
        self._picture.setPixmap(pixmap(self.message.kind, tint, 20, self.devicePixelRatioF()))
        self._close.setIcon(icon("close", colours.muted))

    def dismiss(self) -> None:
        """Put the message away."""
        self._timer.stop()
        parent = self.parent()
        self.hide()
        if isinstance(parent, Toasts):
            parent.forget(self)


class Toasts(QWidget):
    """The pile of messages, newest lowest, centred over the lower edge of its window."""

    def __init__(self, window: QWidget, theme: Theme, bottom: int = 44) -> None:
        super().__init__(window)
        self._theme, self._bottom = theme, bottom
        self._pile = QVBoxLayout(self)
        self._pile.setContentsMargins(0, 0, 0, 0)
        self._pile.setSpacing(8)
        self.toasts: list[Toast] = []
        self.setAccessibleName("Messages")
        window.installEventFilter(self)
        self.hide()

    def say(self, message: Message) -> None:
        """Show a message; it replaces all but errors, which stay until they are put away, and its own like."""
        for old in [t for t in self.toasts if t.message.kind != "error" or t.message.text == message.text]:
            old.dismiss()
        for old in self.toasts[: len(self.toasts) + 1 - _MOST]:
            old.dismiss()
        toast = Toast(self, message, self._theme)
        self.toasts.append(toast)
        self._pile.addWidget(toast)
        toast.show()
        self._settle()

    def forget(self, toast: Toast) -> None:
        """A message was put away."""
        if toast in self.toasts:
            self.toasts.remove(toast)
            self._pile.removeWidget(toast)
            toast.deleteLater()
        self._settle()

    def _settle(self) -> None:
        """Take the size of the pile and sit over the window's lower edge."""
        window = self.parentWidget()
        self.setVisible(bool(self.toasts))
        width = min(_WIDTH, window.width() - 32)
        self.setFixedWidth(width)
        height = sum(t.layout().heightForWidth(width) + self._pile.spacing() for t in self.toasts if t.layout())
        self.setFixedHeight(max(height, 1))
        self.move((window.width() - width) // 2, window.height() - self._bottom - height)
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the window's size."""
        if event.type() == QEvent.Type.Resize:
            self._settle()
        return False
