"""Message bus of the window: controllers post what happened, and the window shows it."""

from __future__ import annotations

import logging
from typing import Literal

from PySide6.QtCore import QObject, Signal

_log = logging.getLogger(__name__)
MessageKind = Literal["info", "success", "warning", "error"]


class Messages(QObject):
    """Carries messages from any part of the program to the window."""

    posted = Signal(str, str, str)
    """Text, MessageKind, and the key of the action that the message offers; empty for none."""

    def post(self, text: str, kind: MessageKind = "info", action: str = "") -> None:
        """Show a message, with the action that follows from it."""
        self.posted.emit(text, kind, action)

    def post_error(self, error: Exception, action: str = "") -> None:
        """Show the text of an exception, or its type if it has no text; its traceback goes to the log."""
        _log.info("Reported error", exc_info=error)  # not on a terminal: the message is in the window
        self.post(str(error) or type(error).__name__, "error", action)
