"""The look: two finished sets of colours, light and dark, and what follows when the desktop changes its mind.

Qt's palette and a small style sheet colour the widgets; plots and the 3-D view ignore both and are recoloured on
``Theme.changed``. Plot colours are those of Okabe and Ito, chosen for at least 3:1 on their background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from metagui.gui.theme.stylesheet import make_stylesheet

ThemeChoice = Literal["system", "light", "dark"]


@dataclass(frozen=True)
class Colours:
    """Every colour the program uses, as hexadecimal strings."""

    window: str
    """Behind the panels."""
    panel: str
    raised: str
    """Buttons, fields, hovered rows."""
    border: str
    text: str
    muted: str
    """Secondary text, at least 4.5:1 on a panel."""
    accent: str
    on_accent: str
    selection: str
    danger: str
    on_danger: str
    success: str
    warning: str
    view: str
    """Behind the arm in the 3-D view."""
    table: str
    edge: str
    series: tuple[str, ...]
    """Plot colours, the leading ones first."""


LIGHT_COLOURS = Colours(
    window="#f1f3f5",
    panel="#ffffff",
    raised="#f3f5f7",
    border="#dde1e6",
    text="#1c2127",
    muted="#5c6773",
    accent="#0072b2",
    on_accent="#ffffff",
    selection="#dcebf5",
    danger="#c62f21",
    on_danger="#ffffff",
    success="#00795a",
    warning="#a85b00",
    view="#f6f8fa",
    table="#ffffff",
    edge="#c3c9d0",
    series=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56606b"),
)

DARK_COLOURS = Colours(
    window="#14171b",
    panel="#1d2126",
    raised="#2a2f36",
    border="#343a42",
    text="#e7eaee",
    muted="#9da7b3",
    accent="#56b4e9",
    on_accent="#08151e",
    selection="#23404f",
    danger="#e5533d",
    on_danger="#ffffff",
    success="#35c698",
    warning="#e69f00",
    view="#23282e",
    table="#6d747d",
    edge="#3c434b",
    series=("#56b4e9", "#e69f00", "#1fbf8f", "#e093c0", "#f0e442", "#b5bec9"),
)


def make_palette(colours: Colours) -> QPalette:
    """Return Qt's palette for a set of colours."""
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


def disabled_colour(colours: Colours) -> QColor:
    """Return the colour of what is disabled."""
    return mix_colours(colours.muted, colours.panel, 0.45)


def mix_colours(first: str, second: str, fraction: float) -> QColor:
    """Return a colour ``share`` of the way from the first to the second."""
    a, b = QColor(first), QColor(second)
    return QColor(*(round(x + (y - x) * fraction) for x, y in zip(_rgb(a), _rgb(b), strict=True)))


def _rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


def unit_rgb(colour: str) -> tuple[float, float, float]:
    """Return a colour as three numbers from 0 to 1, as the renderer wants them."""
    c = QColor(colour)
    return c.redF(), c.greenF(), c.blueF()


class Theme(QObject):
    """The colours in force; follows the desktop unless a person chose."""

    changed = Signal()

    def __init__(self, choice: ThemeChoice = "system") -> None:
        super().__init__()
        self.choice: ThemeChoice = choice
        self.colours = self._wanted_colours()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._update_colours)

    @property
    def is_dark(self) -> bool:
        """Whether the dark colours are in force."""
        return self.colours is DARK_COLOURS

    def choose(self, choice: ThemeChoice) -> None:
        """Take light, dark, or whatever the desktop says."""
        self.choice = choice
        self._update_colours()

    def apply(self) -> None:
        """Put the colours on the whole application."""
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.setStyle("Fusion")
            app.setPalette(make_palette(self.colours))
            app.setStyleSheet(make_stylesheet(self.colours))
        self.changed.emit()

    def _wanted_colours(self) -> Colours:
        if self.choice == "system":
            dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
            return DARK_COLOURS if dark else LIGHT_COLOURS
        return DARK_COLOURS if self.choice == "dark" else LIGHT_COLOURS

    def _update_colours(self) -> None:
        wanted = self._wanted_colours()
        if wanted is not self.colours:
            self.colours = wanted
            self.apply()


def scaled_font(factor: float = 1.0, bold: bool = False) -> QFont:
    """Return the application's font, scaled."""
    font = QFont(QApplication.font())
    font.setPointSizeF(font.pointSizeF() * factor)
    if bold:
        font.setWeight(QFont.Weight.DemiBold)
    return font
