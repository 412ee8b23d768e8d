"""Files and folders that are dropped onto a widget, as paths."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Signal
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget


class DropTarget(QObject):
    """Accepts drops of local files on widgets that have drag and drop of their own or none."""

    dropped = Signal(list)
    """Paths of the files and folders."""

    def __init__(self, *widgets: QWidget) -> None:
        super().__init__(widgets[0])
        for widget in widgets:
            widget.setAcceptDrops(True)
            widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Handle drags of local files; leave all other events alone."""
        if isinstance(event, QDragEnterEvent | QDragMoveEvent | QDropEvent) and (paths := _find_paths(event)):
            event.acceptProposedAction()
            if event.type() is QEvent.Type.Drop:
                self.dropped.emit(paths)
            return True
        return super().eventFilter(watched, event)


def _find_paths(event: QDropEvent) -> list[Path]:
    """Return the local files and folders that are dragged."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile() and url.toLocalFile()]
