"""Page with the version of the program, its folders, and the details for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QLabel

from metagui import __doc__ as PURPOSE
from metagui.gui.help.overlay_page import OverlayPage
from metagui.gui.widgets.action_button import make_button
from metagui.gui.widgets.panel import make_muted_label
from metagui.log_file import describe_program, read_log_tail

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from metagui.gui.core.actions import Actions


class AboutPage(OverlayPage):
    """Versions, folders, and a button that copies them with the end of the log."""

    def __init__(self, window: QWidget, actions: Actions) -> None:
        super().__init__(window, "About metagui", "About metagui")
        self.card_layout.addWidget(QLabel(PURPOSE))
        self._details = QLabel()
        self._folder: Path | None = None
        """Library that is open instead of the default one."""
        self._details.setAccessibleName("Versions and folders")
        self._details.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.card_layout.addWidget(self._details)
        row = QHBoxLayout()
        row.addWidget(make_muted_label("Esc goes back"))
        row.addStretch(1)
        row.addWidget(make_button(actions["copy_details"]))
        self.card_layout.addLayout(row)

    def open(self) -> None:
        """Show the page; the versions are looked up only now, because that takes a moment."""
        self._details.setText(describe_program(self._folder))
        super().open()

    def set_library(self, folder: Path) -> None:
        """Name the library that is open instead of the default one."""
        self._folder = folder

    def copy_details(self) -> None:
        """Copy versions, folders and the end of the log to the clipboard."""
        QGuiApplication.clipboard().setText(f"{describe_program(self._folder)}\n\n{read_log_tail()}\n")
