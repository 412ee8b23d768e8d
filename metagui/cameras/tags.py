"""AprilTags of the family 36h11: found in pictures with sub-pixel corners, and drawn.

Olson (2011), *AprilTag: a robust and flexible visual fiducial system*; the detector is OpenCV's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from metagui.cameras.camera import FloatArray, Picture

TAG_MODULES = 8
"""Modules along the edge of a tag: six of data, and the black border on both sides."""
TAG_COUNT = 587
"""Number of tags in the family."""
_FAMILY = cv2.aruco.DICT_APRILTAG_36h11
_MAX_WRONG_BITS = 3
"""Wrong bits with which a tag still counts as found: with three, a pattern that is no tag is almost never one."""


@dataclass(frozen=True)
class Tag:
    """A tag in a picture."""

    id: int
    """Number of the tag in its family."""
    corners: FloatArray
    """(4, 2) pixels of the black square's corners, clockwise as printed, from its upper left."""

    @property
    def centre(self) -> FloatArray:
        """Pixel (2,) of the centre: where the diagonals intersect, which perspective keeps."""
        first, second = self.corners[2] - self.corners[0], self.corners[3] - self.corners[1]
        along = np.linalg.solve(np.stack([first, -second], axis=1), self.corners[1] - self.corners[0])
        centre: FloatArray = self.corners[0] + along[0] * first
        return centre

    @property
    def edge(self) -> float:
        """Mean length of the edges, pixels."""
        return float(np.linalg.norm(self.corners - np.roll(self.corners, 1, axis=0), axis=1).mean())


class TagDetector:
    """Finds tags in pictures; use one detector in one thread."""

    def __init__(self) -> None:
        dictionary = cv2.aruco.getPredefinedDictionary(_FAMILY)
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_NONE
        parameters.adaptiveThreshWinSizeMin, parameters.adaptiveThreshWinSizeMax = 5, 45
        parameters.adaptiveThreshWinSizeStep = 20
        parameters.minMarkerPerimeterRate = 0.02
        parameters.errorCorrectionRate = min(_MAX_WRONG_BITS / dictionary.maxCorrectionBits, 1.0)
        self._detector = cv2.aruco.ArucoDetector(dictionary, parameters)

    def detect(self, picture: Picture) -> tuple[Tag, ...]:
        """Return the tags in a picture (h, w, 3) or (h, w), ordered by id; of an id seen twice, the larger."""
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
        corners, ids, _ = self._detector.detectMarkers(grey)
        exact = grey.astype(np.float32)
        found: dict[int, Tag] = {}
        for tag_id, square in zip([] if ids is None else ids.ravel().tolist(), corners, strict=True):
            tag = Tag(int(tag_id), refine_corners(exact, square.reshape(4, 2).astype(np.float64)))
            if tag_id not in found or found[tag_id].edge < tag.edge:
                found[tag_id] = tag
        return tuple(found[tag_id] for tag_id in sorted(found))


def refine_corners(grey: NDArray[np.float32], corners: FloatArray) -> FloatArray:
    """Return the corners (4, 2) of a tag, pixels, as intersections of lines that are fitted to its four edges.

    Every edge is found at the steepest change of brightness across it, to a fraction of a pixel, at many places. That
    uses the whole tag, where a window around a corner uses a few pixels.
    """
    lines = [_fit_edge(grey, corners[i], corners[(i + 1) % 4]) for i in range(4)]
    refined = corners.copy()
    for index in range(4):
        before, after = lines[index - 1], lines[index]
        if before is None or after is None:
            return corners
        crossing = np.cross(before, after)
        if abs(crossing[2]) < 1e-9:
            return corners
        refined[index] = crossing[:2] / crossing[2]
    moved = np.linalg.norm(refined - corners, axis=1)
    edge = float(np.linalg.norm(corners[1] - corners[0]))
    return refined if moved.max() < max(2.0, 0.1 * edge) else corners


def _fit_edge(grey: NDArray[np.float32], start: FloatArray, end: FloatArray) -> FloatArray | None:
    """Return the line (3,) a x + b y + c = 0 of the edge from ``start`` to ``end`` (2,), None without contrast."""
    length = float(np.linalg.norm(end - start))
    if length < 6.0:
        return None
    along = (end - start) / length
    outward = np.array([along[1], -along[0]])  # clockwise corners with y down
    reach = min(max(length / TAG_MODULES * 0.7, 1.5), 6.0)
    places = np.linspace(0.12, 0.88, int(min(max(length, 12), 60)))
    offsets = np.arange(-reach, reach + 0.01, 0.25)
    points = start + places[:, None, None] * (end - start) + offsets[None, :, None] * outward
    profile = _sample(grey, points)
    change = np.gradient(profile, axis=1)
    weights = np.clip(change, 0.0, None) ** 2  # from black inside to white outside
    total = weights.sum(axis=1)
    good = total > 0.15 * total.max(initial=0.0)
    if good.sum() < 5:
        return None
    shifts = (weights @ offsets)[good] / total[good]
    edge_points = start + places[good, None] * (end - start) + shifts[:, None] * outward
    return _fit_line(edge_points, total[good])


def _fit_line(points: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the line (3,) through points (N, 2), robust against a few outliers."""
    line = np.zeros(3)
    for _ in range(3):
        mean = weights @ points / weights.sum()
        _, _, axes = np.linalg.svd((points - mean) * np.sqrt(weights)[:, None], full_matrices=False)
        normal = axes[1]
        line = np.array([*normal, -normal @ mean])
        distances = np.abs((points - mean) @ normal)
        scale = max(float(np.median(distances)) * 1.5, 0.02)
        weights = weights / (1.0 + (distances / (2 * scale)) ** 2)
    return line


def _sample(grey: NDArray[np.float32], points: FloatArray) -> FloatArray:
    """Return the brightness (...) at pixels (..., 2), interpolated."""
    sampled = cv2.remap(
        grey,
        points[..., 0].astype(np.float32),
        points[..., 1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    exact: FloatArray = sampled.astype(np.float64)
    return exact


def make_tag_modules(tag_id: int) -> NDArray[np.bool_]:
    """Return a tag as (8, 8) modules, True for black, the first row on top."""
    dictionary = cv2.aruco.getPredefinedDictionary(_FAMILY)
    return np.asarray(cv2.aruco.generateImageMarker(dictionary, tag_id, TAG_MODULES) < 128)
