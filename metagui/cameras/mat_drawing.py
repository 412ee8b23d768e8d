"""What is drawn on the mat and on the page of objects' tags, as shapes: paper and rendered table are the same."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from metagui.cameras.mat import (
    ARM_AXIS_X_M,
    CORNER_NAMES,
    FIRST_OBJECT_TAG,
    MAT_TAG_SIZE_M,
    OBJECT_TAG_EDGE_M,
    OBJECT_TAG_SIZE_M,
    REACH_M,
    SCALE_BAR_M,
    Mat,
)
from metagui.cameras.tags import TAG_MODULES, make_tag_modules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metagui.cameras.camera import FloatArray, Picture

BLACK, GREY = 0.0, 0.6
"""Brightness of lines, 0 to 1."""
_BASE_HALF_WIDTH_M = 0.046
_CELL_M = (0.036, 0.034)
"""Width and height of the cell of an object's tag on its page, m."""
_PAGE_MARGIN_M = 0.014
_FIXED_POINT_BITS = 6


@dataclass(frozen=True)
class Polygon:
    """A filled polygon; coordinates are metres from the page's lower left, x to the right, y up."""

    points: FloatArray
    """(N, 2) corners."""
    brightness: float = BLACK
    """0 for black, 1 for white."""


@dataclass(frozen=True)
class Text:
    """A line of text, centred at a point."""

    x: float
    """Horizontal position of its middle, m."""
    y: float
    """Vertical position of its base line, m."""
    size: float
    """Height of the letters, m."""
    text: str
    """The text."""


@dataclass(frozen=True)
class Page:
    """A page of shapes."""

    width: float
    """Width, m."""
    height: float
    """Height, m."""
    polygons: tuple[Polygon, ...]
    """Filled shapes."""
    texts: tuple[Text, ...]
    """Lines of text."""


def draw_mat_page(mat: Mat) -> Page:
    """Return the page of a mat, with the arm's base at its lower edge."""
    middle = mat.width / 2
    shapes: list[Polygon] = []
    for tag_id, centre in enumerate(mat.tag_centres):
        shapes += _draw_tag(tag_id, _to_page(mat, centre[:2]), MAT_TAG_SIZE_M)
    for cross in mat.crosses:
        shapes += _draw_cross(_to_page(mat, cross[:2]))
    for radius in REACH_M:
        shapes += _draw_arc(mat, radius)
    shapes += _draw_base(mat)
    bar_y = 0.0125
    start, end = np.array([middle - SCALE_BAR_M / 2, bar_y]), np.array([middle + SCALE_BAR_M / 2, bar_y])
    shapes += [_line(start, end, 0.0006)]
    shapes += [_line(each - (0.0, 0.002), each + (0.0, 0.002), 0.0004) for each in (start, end)]
    return Page(mat.width, mat.depth, tuple(shapes), tuple(_list_texts(mat, bar_y)))


def _list_texts(mat: Mat, bar_y: float) -> Iterator[Text]:
    """Yield the texts of a mat's page."""
    middle = mat.width / 2
    for index, (name, cross) in enumerate(zip(CORNER_NAMES, mat.crosses, strict=True)):
        x, y = _to_page(mat, cross[:2])
        yield Text(x, y - 0.0095, 0.003, f"{index + 1} {name}")
    yield Text(middle, bar_y + 0.0025, 0.0028, "This bar is 100 mm long; else print again at 100 %, not fitted.")
    yield Text(middle, 0.0060, 0.0026, "Put this edge against the front of the arm's base, between the two marks.")
    yield Text(middle, mat.depth - 0.010, 0.003, f"metagui mat, {mat.name}. Tape all four corners flat to the table.")


def draw_object_page(mat: Mat, first_tag: int = FIRST_OBJECT_TAG) -> Page:
    """Return a page of tags for objects, to cut out, on the paper of ``mat``, with ids from ``first_tag`` on."""
    columns = int((mat.width - 2 * _PAGE_MARGIN_M) / _CELL_M[0])
    rows = int((mat.depth - 2 * _PAGE_MARGIN_M - 0.006) / _CELL_M[1])
    left = (mat.width - columns * _CELL_M[0]) / 2
    shapes: list[Polygon] = []
    texts: list[Text] = []
    for row, column in itertools.product(range(rows), range(columns)):
        tag_id = first_tag + row * columns + column
        x = left + (column + 0.5) * _CELL_M[0]
        y = mat.depth - _PAGE_MARGIN_M - 0.008 - row * _CELL_M[1] - OBJECT_TAG_SIZE_M / 2
        shapes += _draw_tag(tag_id, np.array([x, y]), OBJECT_TAG_EDGE_M)
        shapes += _draw_cut_marks(np.array([x, y]))
        texts.append(Text(x, y - OBJECT_TAG_SIZE_M / 2 - 0.0045, 0.0028, f"tag {tag_id}"))
    title = "metagui tags for objects: cut along the marks, with the white border; stick each flat on top of an object."
    texts.append(Text(mat.width / 2, mat.depth - _PAGE_MARGIN_M, 0.003, title))
    return Page(mat.width, mat.depth, tuple(shapes), tuple(texts))


def render_page(page: Page, pixels_per_m: float) -> Picture:
    """Return a page as a picture (h, w, 3); texts are drawn in a plain font, and only as an impression of them."""
    height, width = round(page.height * pixels_per_m), round(page.width * pixels_per_m)
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    for shape in page.polygons:
        _fill(picture, shape, page, pixels_per_m)
    for text in page.texts:
        scale = text.size * pixels_per_m / 22
        (long, _), _ = cv2.getTextSize(text.text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        place = round(text.x * pixels_per_m - long / 2), round((page.height - text.y) * pixels_per_m)
        cv2.putText(picture, text.text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (30, 30, 30), 1, cv2.LINE_AA)
    return picture


def render_tag(tag_id: int, pixels: int) -> Picture:
    """Return the picture (pixels, pixels, 3) of an object's tag with its white border."""
    modules = np.pad(make_tag_modules(tag_id), 1)
    grey = np.where(modules, 0, 255).astype(np.uint8)
    resized = cv2.resize(grey, (pixels, pixels), interpolation=cv2.INTER_NEAREST)
    return np.repeat(resized[:, :, None], 3, axis=2)


def _fill(picture: Picture, shape: Polygon, page: Page, pixels_per_m: float) -> None:
    """Fill a polygon, with its corners at fractions of a pixel; a pixel's centre is at a whole number."""
    corners = np.stack([shape.points[:, 0], page.height - shape.points[:, 1]], axis=1) * pixels_per_m - 0.5
    fixed = np.round(corners * (1 << _FIXED_POINT_BITS)).astype(np.int32)
    colour = (round(255 * shape.brightness),) * 3
    cv2.fillPoly(picture, [fixed], colour, cv2.LINE_AA, _FIXED_POINT_BITS)


def _to_page(mat: Mat, point: FloatArray) -> FloatArray:
    """Return a point (2,) of the mat's frame on the page, m."""
    return np.array([mat.width / 2 - point[1], mat.depth / 2 + point[0]])


def _draw_tag(tag_id: int, centre: FloatArray, edge: float) -> Iterator[Polygon]:
    """Yield a tag's black runs of modules, each row's as few rectangles as possible."""
    module = edge / TAG_MODULES
    corner = centre + (-edge / 2, edge / 2)
    for row, modules in enumerate(make_tag_modules(tag_id)):
        column = 0
        for is_black, run in itertools.groupby(modules.tolist()):
            length = len(list(run))
            if is_black:
                yield _rectangle(corner + (column * module, -(row + 1) * module), length * module, module)
            column += length


def _draw_cross(centre: FloatArray) -> Iterator[Polygon]:
    for direction in (np.array([0.006, 0.0]), np.array([0.0, 0.006])):
        yield _line(centre - direction, centre + direction, 0.0005)


def _draw_arc(mat: Mat, radius: float) -> Iterator[Polygon]:
    """Yield the parts of a circle about the pan axis that are on the page and clear of the tags."""
    axis = np.array([ARM_AXIS_X_M, 0.0]) - mat.nominal_position[:2]
    angles = np.radians(np.arange(-100.0, 100.0, 1.5))
    points = axis + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    keep_off = MAT_TAG_SIZE_M * 0.75
    for start, end in itertools.pairwise(points):
        middle = (start + end) / 2
        on_page = abs(middle[0]) < mat.depth / 2 - 0.006 and abs(middle[1]) < mat.width / 2 - 0.006
        if on_page and (np.abs(mat.tag_centres[:, :2] - middle).max(axis=1) > keep_off).all():
            yield _line(_to_page(mat, start), _to_page(mat, end), 0.0004, GREY)


def _draw_base(mat: Mat) -> Iterator[Polygon]:
    """Yield the two marks between which the arm's base stands."""
    for side in (-1, 1):
        x = mat.width / 2 + side * _BASE_HALF_WIDTH_M
        yield _line(np.array([x, 0.0]), np.array([x, 0.0045]), 0.0006)
        yield _line(np.array([x, 0.0045]), np.array([x - side * 0.006, 0.0045]), 0.0006)


def _draw_cut_marks(centre: FloatArray) -> Iterator[Polygon]:
    half, length = OBJECT_TAG_SIZE_M / 2, 0.003
    for side_x, side_y in itertools.product((-1, 1), (-1, 1)):
        corner = centre + (side_x * half, side_y * half)
        yield _line(corner, corner + (side_x * length, 0.0), 0.0002, GREY)
        yield _line(corner, corner + (0.0, side_y * length), 0.0002, GREY)


def _line(start: FloatArray, end: FloatArray, width: float, brightness: float = BLACK) -> Polygon:
    """Return a line as a thin rectangle."""
    along = (end - start) / math.hypot(*(end - start))
    across = width / 2 * np.array([-along[1], along[0]])
    return Polygon(np.stack([start - across, end - across, end + across, start + across]), brightness)


def _rectangle(corner: FloatArray, width: float, height: float) -> Polygon:
    """Return the rectangle with a lower left corner."""
    return Polygon(corner + np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]))
