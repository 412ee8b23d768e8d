"""The colour theme in force, for the whole window: Qt's palette, the style sheet, and a signal when it changes.

Qt's palette and a small style sheet colour the widgets; plots and the 3-D view ignore both, so they recolour themselves
on ``Theme.changed``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from metagui.gui.theme.colours import DARK_COLOURS, LIGHT_COLOURS, disabled_colour
from metagui.gui.theme.stylesheet import make_stylesheet

if TYPE_CHECKING:
    from metagui.gui.theme.colours import Colours

ThemeChoice = Literal["system", "light", "dark"]


def make_palette(colours: Colours) -> QPalette:
    """Return the Qt palette for a set of colours."""
    out = QPalette()
    roles = {
        QPalette.ColorRole.Window: colours.window,
        QPalette.ColorRole.WindowText: colours.text,
        QPalette.ColorRole.Base: colours.panel,
        QPalette.ColorRole.AlternateBase: colours.raised,
        QPalette.ColorRole.Text: colours.text,
        QPalette.ColorRole.Button: colours.raised,
        QPalette.ColorRole.ButtonText: colours.text,
        QPalette.ColorRole.BrightText: colours.on_danger,
        QPalette.ColorRole.ToolTipBase: colours.raised,
        QPalette.ColorRole.ToolTipText: colours.text,
        QPalette.ColorRole.PlaceholderText: colours.muted,
        QPalette.ColorRole.Highlight: colours.selection,
        QPalette.ColorRole.HighlightedText: colours.text,
        QPalette.ColorRole.Link: colours.accent,
        QPalette.ColorRole.Mid: colours.border,
    }
    for role, colour in roles.items():
        out.setColor(role, QColor(colour))
    for role in (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        out.setColor(QPalette.ColorGroup.Disabled, role, disabled_colour(colours))
    return out


def parse_theme_choice(stored: object) -> ThemeChoice:
    """Return a stored choice of colours; an unknown one, of another version or edited by hand, is "system"."""
    return next((choice for choice in get_args(ThemeChoice) if choice == stored), "system")


class Theme(QObject):
    """The colours in force; follows the desktop unless the user has chosen light or dark."""

    changed = Signal()

    def __init__(self, choice: ThemeChoice = "system") -> None:
        super().__init__()
        self.choice: ThemeChoice = choice
        self.colours = self._chosen_colours()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._update_colours)

    @property
    def is_dark(self) -> bool:
        """True if the dark colours are in force."""
        return self.colours is DARK_COLOURS

    def choose(self, choice: ThemeChoice) -> None:
        """Switch to light, dark, or the desktop's colour scheme."""
        self.choice = choice
        self._update_colours()

    def apply(self) -> None:
        """Apply the colours to the whole application and emit ``changed``."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.setStyle("Fusion")
            app.setPalette(make_palette(self.colours))
            app.setStyleSheet(make_stylesheet(self.colours))
        self.changed.emit()

    def _chosen_colours(self) -> Colours:
        if self.choice == "system":
            dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
            return DARK_COLOURS if dark else LIGHT_COLOURS
        return DARK_COLOURS if self.choice == "dark" else LIGHT_COLOURS

    def _update_colours(self) -> None:
        chosen = self._chosen_colours()
        if chosen is not self.colours:
            self.colours = chosen
            self.apply()


def scaled_font(factor: float = 1.0, bold: bool = False) -> QFont:
    """Return the application's font, scaled by ``factor``."""
    font = QFont(QApplication.font())
    font.setPointSizeF(font.pointSizeF() * factor)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    return font
