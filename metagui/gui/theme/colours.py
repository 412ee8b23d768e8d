"""The light and the dark set of colours, and colours derived from them, for every widget and plot.

The plot colours are those of Okabe and Ito, adjusted to a contrast of at least 3:1 on their background.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor


@dataclass(frozen=True)
class Colours:
    """Every colour the program uses, as hexadecimal strings."""

    window: str
    """Background behind the panels."""
    panel: str
    raised: str
    """Background of buttons, fields and hovered rows."""
    border: str
    text: str
    muted: str
    """Secondary text, with a contrast of at least 4.5:1 on a panel."""
    accent: str
    on_accent: str
    selection: str
    danger: str
    on_danger: str
    success: str
    warning: str
    view: str
    """Background of the 3-D view."""
    table: str
    edge: str
    series: tuple[str, ...]
    """Plot colours, in the order in which curves take them."""


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
    danger="#ea5f4a",
    on_danger="#190603",
    success="#35c698",
    warning="#e69f00",
    view="#23282e",
    table="#6d747d",
    edge="#3c434b",
    series=("#56b4e9", "#e69f00", "#1fbf8f", "#e093c0", "#f0e442", "#b5bec9"),
)


def disabled_colour(colours: Colours) -> QColor:
    """Return the text and icon colour of disabled widgets."""
    return mix_colours(colours.muted, colours.panel, 0.45)


def mix_colours(first: str, second: str, fraction: float) -> QColor:
    """Return the linear mix of two colours: the first at ``fraction`` 0, the second at 1."""
    a, b = QColor(first), QColor(second)
    return QColor(*(round(x + (y - x) * fraction) for x, y in zip(_rgb(a), _rgb(b), strict=True)))


def _rgb(colour: QColor) -> tuple[int, int, int]:
    return colour.red(), colour.green(), colour.blue()


def unit_rgb(colour: str) -> tuple[float, float, float]:
    """Return a colour as red, green and blue from 0 to 1, as the renderer expects them."""
    converted = QColor(colour)
    return converted.redF(), converted.greenF(), converted.blueF()
