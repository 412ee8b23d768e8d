"""Where the calibration of an arm takes the place of the panels; top bar with Stop and status bar stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from metagui.gui.arm.calibration.wizard import CalibrationWizard

if TYPE_CHECKING:
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.gui.theme.theme import Theme


class WizardHost(QStackedWidget):
    """Shows what it covers, or a calibration while one is open."""

    finished = Signal(str)
    """The name of the arm that is calibrated now."""
    cancelled = Signal(str)
    """What was left behind, in words."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._wizard: CalibrationWizard | None = None

    def set_content(self, content: QWidget) -> None:
        """Take the panels in."""
        self.addWidget(content)

    @property
    def is_open(self) -> bool:
        """Whether an arm is being calibrated."""
        return self._wizard is not None

    def open_wizard(self, device: str, registry: ArmRegistry) -> None:
        """Calibrate the arm on a port that nobody has open."""
        self.close_wizard()
        self._wizard = wizard = CalibrationWizard(self._theme, device, registry, self)
        wizard.finished.connect(self._on_finished)
        wizard.cancelled.connect(self._on_cancelled)
        self.addWidget(wizard)
        self.setCurrentWidget(wizard)

    def cancel_wizard(self) -> None:
        """Change nothing and show the panels again."""
        if self._wizard is not None:
            self._wizard.cancel()

    def close_wizard(self) -> None:
        """Show the panels again; the calibration's thread is ended."""
        wizard, self._wizard = self._wizard, None
        if wizard is not None:
            wizard.end()
            self.removeWidget(wizard)
            wizard.deleteLater()

    def _on_finished(self, name: str) -> None:
        self.close_wizard()
        self.finished.emit(name)

    def _on_cancelled(self, message: str) -> None:
        self.close_wizard()
        self.cancelled.emit(message)
