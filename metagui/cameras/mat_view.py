"""The camera's view of the mat, from the corners of its four tags: pose, focal length and distortion of the lens.

The focal length follows from the perspective of the plane (Zhang 2000, with square pixels and the axis in the middle),
so that no chessboard is needed; a camera that looks straight down sees no perspective, and is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.cameras.camera import CameraError, FloatArray
from metagui.cameras.mat import CORNER_NAMES, MATS, Mat
from metagui.cameras.view import CameraView, rotation_from_vector
from metagui.least_squares import minimise_squares

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.cameras.tags import Tag

MIN_TAGS = 3
"""Smallest number of the mat's tags from which the view is found."""
MIN_TILT_RAD = math.radians(15.0)
"""Smallest angle between the line of sight and the vertical at which the focal length can be found, rad."""
ADVISED_TILT_DEG = (20, 50)
"""Angles to the vertical to which a camera should be set."""
MAX_RESIDUAL_PX = 2.5
"""Largest root mean square distance of the tags' corners from where a flat mat has them, pixels per 1280 of width."""
DOUBTFUL_RESIDUAL_PX = 0.5
"""The same, from which on the sizes of paper are compared; those of A4 and Letter differ by little."""
_CORNER_NOISE_PX = 0.15
"""Standard deviation of a corner, pixels."""
_K1_SPREAD = 0.15
"""Standard deviation of the radial distortion of webcams, before anything is measured."""
_LOG_FOCAL_SPREAD = 0.35
"""The same for the logarithm of the focal length in widths of the picture; its mean is that of a 60° webcam."""
_USUAL_FOCAL_WIDTHS = 0.87


class MatNotSeenError(CameraError):
    """The mat is not seen well enough; the message states what is missing and what to do."""


@dataclass(frozen=True)
class MatView:
    """The view of a camera on a mat."""

    mat: Mat
    """The mat."""
    view: CameraView
    """Pose and lens of the camera in the mat's frame."""
    corners: FloatArray
    """(4, 4, 2) pixels of the corners of the mat's tags; of a hidden one, where they are."""
    seen_corners: Mapping[int, FloatArray]
    """(4, 2) pixels of the corners of every tag that was seen, by its id."""
    residual: float
    """Root mean square distance of the corners from where the view projects them, pixels."""


def solve_mat_view(tags: Sequence[Tag], mat: Mat, size: tuple[int, int]) -> MatView:
    """Return the view of a camera whose picture of ``size`` (width, height) has these tags. Raises MatNotSeenError.

    One of the mat's tags may be hidden, by the arm or an object.
    """
    found = {tag.id: tag for tag in tags if tag.id < len(CORNER_NAMES)}
    if len(found) < MIN_TAGS:
        raise MatNotSeenError(describe_missing([name for index, name in enumerate(CORNER_NAMES) if index not in found]))
    solved = _solve({index: tag.corners for index, tag in found.items()}, mat, size)
    if solved.residual > DOUBTFUL_RESIDUAL_PX * size[0] / 1280:
        _check_paper(solved, size)
    if solved.view.tilt < MIN_TILT_RAD:
        raise MatNotSeenError(
            f"The camera looks almost straight down ({math.degrees(solved.view.tilt):.0f}° to the vertical), where its "
            "focal length cannot be found, and objects would be 5 to 8 mm off. Nothing was changed; tilt it to "
            f"{ADVISED_TILT_DEG[0]} to {ADVISED_TILT_DEG[1]}°."
        )
    return solved


def describe_missing(missing: Sequence[str]) -> str:
    """Return the message for tags of the mat that are not seen, by the names of their corners."""
    if len(missing) == len(CORNER_NAMES):
        return (
            "No tag of the mat is seen. Nothing was changed; point the camera at the whole mat, 40 to 70 cm away, "
            "in good light."
        )
    tags = "tag is" if len(missing) == 1 else "tags are"
    return (
        f"The mat's {' and '.join(missing)} {tags} not seen: outside the picture, covered, or in a reflection. "
        "Nothing was changed; move the camera, the arm or what covers it."
    )


def _check_paper(solved: MatView, size: tuple[int, int]) -> None:
    """Raise MatNotSeenError if the tags are on another paper, or not where a flat mat of this paper has them."""
    for other in MATS.values():
        if other is not solved.mat and _solve(solved.seen_corners, other, size).residual < solved.residual / 2:
            raise MatNotSeenError(
                f"The mat that is seen was printed for {other.name}, but {solved.mat.name} is chosen. Nothing was "
                f"changed; choose {other.name}."
            )
    if solved.residual > MAX_RESIDUAL_PX * size[0] / 1280:
        raise MatNotSeenError(
            f"The mat's tags are {solved.residual:.1f} pixels from where they should be: the paper is not flat, or it "
            "was printed at another scale. Nothing was changed; tape its corners down, and check its bar of 100 mm."
        )


def _solve(seen: Mapping[int, FloatArray], mat: Mat, size: tuple[int, int]) -> MatView:
    """Return the most likely view for the corners (4, 2) of the mat's tags by their ids."""
    points = mat.tag_corners[list(seen)].reshape(-1, 3)
    pixels = np.concatenate(list(seen.values()))
    centred = pixels - (np.array(size) - 1.0) / 2.0
    homography = fit_homography(points[:, :2], centred / size[0])
    focal = _find_focal_length(homography)
    rotation, translation = _decompose(homography, focal)

    def make(parameters: FloatArray) -> CameraView:
        turned = rotation @ rotation_from_vector(parameters[2:5])
        moved = translation + parameters[5:8]
        return CameraView(turned, moved, focal * math.exp(parameters[0]) * size[0], size, parameters[1])

    def compute_residuals(parameters: FloatArray) -> FloatArray:
        errors = (make(parameters).project(points) - pixels).ravel() / _CORNER_NOISE_PX
        log_focal = math.log(focal / _USUAL_FOCAL_WIDTHS) + parameters[0]
        return np.array([*errors, log_focal / _LOG_FOCAL_SPREAD, parameters[1] / _K1_SPREAD])

    view = make(minimise_squares(compute_residuals, np.zeros(8)))
    errors = view.project(points) - pixels
    corners = view.project(mat.tag_corners)
    corners[list(seen)] = np.stack(list(seen.values()))
    return MatView(mat, view, corners, seen, float(np.sqrt(np.mean(np.sum(errors**2, axis=1)))))


def fit_homography(points: FloatArray, pixels: FloatArray) -> FloatArray:
    """Return the homography (3, 3) from points (N, 2) of a plane to pixels (N, 2): the direct linear transformation."""
    scale = float(np.abs(points).max())
    x, y = (points / scale).T
    u, v = pixels.T
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=1),
        ]
    )
    homography = np.linalg.svd(rows)[2][-1].reshape(3, 3) @ np.diag([1 / scale, 1 / scale, 1.0])
    scaled: FloatArray = homography / np.linalg.norm(homography) * np.sign(homography[2, 2])
    return scaled


def _find_focal_length(homography: FloatArray) -> float:
    """Return the focal length, in widths of the picture, from two equations that are linear in its inverse square."""
    (a1, a2), (b1, b2) = homography[:2, 0], homography[:2, 1]
    c1, c2 = homography[2, 0], homography[2, 1]
    slopes = np.array([a1 * b1 + a2 * b2, a1 * a1 + a2 * a2 - b1 * b1 - b2 * b2])
    offsets = np.array([c1 * c2, c1 * c1 - c2 * c2])
    inverse_square = -float(slopes @ offsets) / max(float(slopes @ slopes), 1e-30)
    if not 0.05 < inverse_square < 10.0:  # no perspective to find it by
        return _USUAL_FOCAL_WIDTHS
    return 1.0 / math.sqrt(inverse_square)


def _decompose(homography: FloatArray, focal: float) -> tuple[FloatArray, FloatArray]:
    """Return rotation (3, 3) and translation (3,), m, of the camera for a focal length, in widths."""
    columns = np.diag([1 / focal, 1 / focal, 1.0]) @ homography
    columns /= (np.linalg.norm(columns[:, 0]) + np.linalg.norm(columns[:, 1])) / 2
    if columns[2, 2] < 0:
        columns = -columns
    first, second = columns[:, 0], columns[:, 1]
    left, _, right = np.linalg.svd(np.stack([first, second, np.cross(first, second)], axis=1))
    return left @ np.diag([1.0, 1.0, float(np.linalg.det(left @ right))]) @ right, columns[:, 2]
