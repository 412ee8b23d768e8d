"""Saves a plot as a picture, PNG or SVG, or its numbers as CSV; a file is complete or absent."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, NamedTuple

from pyqtgraph.exporters import CSVExporter, ImageExporter
from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter
from PySide6.QtSvg import QSvgGenerator

from metagui.atomic_write import open_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyqtgraph as pg

MIN_PICTURE_WIDTH_PX = 1200
"""Minimum width of a PNG, pixels; a wider plot is saved at twice its own width."""


class PlotFormat(NamedTuple):
    """A format in which a plot can be saved."""

    suffix: str
    title: str
    """What is saved, for users."""


PLOT_FORMATS = (
    PlotFormat("png", "picture (PNG)"),
    PlotFormat("svg", "drawing (SVG)"),
    PlotFormat("csv", "numbers (CSV)"),
)


class PlotTable(NamedTuple):
    """The numbers behind a plot."""

    header: Sequence[str]
    """Names of the columns, with units."""
    rows: Sequence[Sequence[str | float]]


def save_plot(item: pg.PlotItem, path: Path, table: PlotTable | None) -> None:
    """Save a plot in the format of the path's suffix; the curves' points if it has no ``table``. Raises OSError."""
    with open_atomically(path, replace=True) as temporary:
        if path.suffix == ".png":
            _save_picture(item, temporary)
        elif path.suffix == ".svg":
            _save_drawing(item, temporary)
        elif table is None:
            CSVExporter(item).export(str(temporary))
        else:
            with temporary.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([table.header, *table.rows])


def _save_picture(item: pg.PlotItem, path: Path) -> None:
    exporter = ImageExporter(item)
    exporter.parameters()["width"] = max(MIN_PICTURE_WIDTH_PX, 2 * round(item.width()))  # the height follows
    if not exporter.export(toBytes=True).save(str(path), "PNG"):
        raise OSError(f"The picture {path.name} could not be written.")


def _save_drawing(item: pg.PlotItem, path: Path) -> None:
    """Save vectors by Qt: pyqtgraph's own exporter cannot read what Qt 6.11 writes (pyqtgraph#3485)."""
    source = item.mapRectToScene(item.boundingRect())
    target = QRectF(0.0, 0.0, source.width(), source.height())
    view, generator = item.scene().views()[0], QSvgGenerator()
    generator.setResolution(view.logicalDpiX())  # the axes are stored drawings, which would be scaled otherwise
    generator.setFileName(str(path))
    generator.setSize(target.size().toSize())
    generator.setViewBox(target)
    painter = QPainter()
    if not painter.begin(generator):
        raise OSError(f"The drawing {path.name} could not be written.")
    painter.fillRect(target, view.backgroundBrush())
    item.scene().render(painter, target, source)
    painter.end()
