"""Errors that nothing handles: written to the log and shown as a message, instead of going to a terminal only."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

if TYPE_CHECKING:
    from types import TracebackType

    from metagui.gui.core.messages import Messages

_log = logging.getLogger(__name__)
UNEXPECTED_TEXT = (
    "An error in the program ({name}). Recordings on the disk are safe, and the arm keeps its safety limits. Go on, or "
    "restart the program; Copy details copies what a report needs."
)


class UnexpectedErrors(QObject):
    """Catches errors of slots and threads from ``install`` to ``remove``."""

    _caught = Signal(str)
    """Name of the error's type; emitted in any thread, received in the thread of the window."""

    def __init__(self, messages: Messages) -> None:
        super().__init__()
        self._messages = messages
        self._previous_hooks = (sys.excepthook, threading.excepthook)
        self._reported: set[str] = set()
        self._caught.connect(self._report)

    def install(self) -> None:
        """Catch all unhandled errors from now on."""
        self._previous_hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._on_error
        threading.excepthook = self._on_thread_error

    def remove(self) -> None:
        """Restore the handlers that were in force before."""
        if sys.excepthook == self._on_error:
            sys.excepthook = self._previous_hooks[0]
        if threading.excepthook == self._on_thread_error:
            threading.excepthook = self._previous_hooks[1]

    def _on_error(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Exception):
            _log.error("Unhandled error", exc_info=(kind, error, trace))
            self._caught.emit(kind.__name__)
        self._previous_hooks[0](kind, error, trace)

    def _on_thread_error(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._on_error(args.exc_type, args.exc_value, args.exc_traceback)

    def _report(self, name: str) -> None:
        """Post each kind of error once: one that recurs at every tick would cover all other messages."""
        if name not in self._reported:
            self._reported.add(name)
            self._messages.post(UNEXPECTED_TEXT.format(name=name), "error", "copy_details")
