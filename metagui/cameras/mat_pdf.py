"""The printable pages as a PDF file: the only module that uses reportlab."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from reportlab.pdfgen.canvas import Canvas

from metagui.cameras.mat_drawing import draw_mat_page, draw_object_page

if TYPE_CHECKING:
    from metagui.cameras.mat import Mat
    from metagui.cameras.mat_drawing import Page

_POINTS_PER_M = 72.0 / 0.0254
_LETTER_HEIGHT = 0.72
"""Height of a capital letter as a fraction of the font's size."""


def make_mat_pdf(mat: Mat) -> bytes:
    """Return a PDF file with the mat and, on a second page, tags for objects; the same bytes for the same mat."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=True, pageCompression=True)
    canvas.setTitle(f"metagui mat, {mat.name}")
    canvas.setViewerPreference("PrintScaling", "None")  # asks the viewer not to fit the page to the paper
    for page in (draw_mat_page(mat), draw_object_page(mat)):
        _draw(canvas, page)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def _draw(canvas: Canvas, page: Page) -> None:
    """Draw a page; neighbouring rectangles overlap by nothing, and are filled as one path to leave no seams."""
    canvas.setPageSize((page.width * _POINTS_PER_M, page.height * _POINTS_PER_M))
    for brightness in sorted({shape.brightness for shape in page.polygons}):
        canvas.setFillGray(brightness)
        path = canvas.beginPath()
        for shape in page.polygons:
            if shape.brightness == brightness:
                (x, y), *rest = (shape.points * _POINTS_PER_M).tolist()
                path.moveTo(x, y)
                for x, y in rest:
                    path.lineTo(x, y)
                path.close()
        canvas.drawPath(path, stroke=0, fill=1)
    canvas.setFillGray(0.1)
    for text in page.texts:
        canvas.setFont("Helvetica", text.size / _LETTER_HEIGHT * _POINTS_PER_M)
        canvas.drawCentredString(text.x * _POINTS_PER_M, text.y * _POINTS_PER_M, text.text)
