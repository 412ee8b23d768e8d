"""Line icons from the SVG files in ``resources/icons``, tinted in the colour of the adjacent text."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from metagui.paths import resources_dir

_SIZES_PX = (16, 20, 24, 32, 48, 64)


@cache
def make_icon(name: str, colour: str, disabled: str | None = None) -> QIcon:
    """Return an icon in ``colour``, and in the colour ``disabled`` for disabled widgets."""
    out = QIcon()
    for size in _SIZES_PX:
        out.addPixmap(make_pixmap(name, colour, size))
        if disabled:
            out.addPixmap(make_pixmap(name, disabled, size), QIcon.Mode.Disabled)
    return out


@cache
def make_pixmap(name: str, colour: str, size: int, device_pixel_ratio: float = 1.0) -> QPixmap:
    """Return an icon as a square pixmap of ``size`` device-independent pixels."""
    out = QPixmap(round(size * device_pixel_ratio), round(size * device_pixel_ratio))
    out.fill(Qt.GlobalColor.transparent)
    painter = QPainter(out)
    _load_svg(name, colour).render(painter, QRectF(out.rect()))
    painter.end()
    out.setDevicePixelRatio(device_pixel_ratio)
    return out


@cache
def _load_svg(name: str, colour: str) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(_read_svg(name).replace("currentColor", colour).encode()))


@cache
def _read_svg(name: str) -> str:
    return (resources_dir() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
