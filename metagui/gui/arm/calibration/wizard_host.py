"""Container of the window's panels that shows the calibration wizard in their place.

The top bar with Stop and the status bar stay visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

if TYPE_CHECKING:
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.gui.arm.calibration.wizard import CalibrationWizard
    from metagui.gui.theme.theme import Theme


class WizardHost(QStackedWidget):
    """Shows the panels, or a calibration wizard while one is open."""

    finished = Signal(str)
    """Name of the calibrated arm."""
    cancelled = Signal(str)
    """The state in which the arm was left, as text."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._wizard: CalibrationWizard | None = None

    def set_content(self, content: QWidget) -> None:
        """Add the panels."""
        self.addWidget(content)

    @property
    def is_open(self) -> bool:
        """True if a wizard is open."""
        return self._wizard is not None

    def open_wizard(self, device: str, registry: ArmRegistry) -> None:
        """Open a wizard for the arm on ``device``, a serial port that must be closed."""
        from metagui.gui.arm.calibration.wizard import CalibrationWizard  # rarely used: the start does not wait for it

        self.close_wizard()
        self._wizard = wizard = CalibrationWizard(self._theme, device, registry, self)
        wizard.finished.connect(self._on_finished)
        wizard.cancelled.connect(self._on_cancelled)
        self.addWidget(wizard)
        self.setCurrentWidget(wizard)

    def cancel_wizard(self) -> None:
        """Cancel the wizard; ``cancelled`` follows."""
        if self._wizard is not None:
            self._wizard.cancel()

    def close_wizard(self) -> None:
        """Stop the wizard's thread and show the panels again."""
        wizard, self._wizard = self._wizard, None
        if wizard is not None:
            wizard.end()
            self.removeWidget(wizard)
            wizard.deleteLater()

    def show_page(self, page: QWidget) -> None:
        """Show another page in place of the panels, such as the check of a pose."""
        self.addWidget(page)
        self.setCurrentWidget(page)

    def close_page(self, page: QWidget) -> None:
        """Remove a page; the panels are shown again."""
        self.removeWidget(page)
        page.deleteLater()

    def _on_finished(self, name: str) -> None:
        self.close_wizard()
        self.finished.emit(name)

    def _on_cancelled(self, message: str) -> None:
        self.close_wizard()
        self.cancelled.emit(message)
