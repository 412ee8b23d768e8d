"""Why no tag is found in a picture: too dark, out of focus, overexposed, or mirrored by the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from metagui.cameras.camera import Picture
    from metagui.cameras.tags import TagDetector

MIN_BRIGHTNESS = 30.0
"""Mean brightness, of 255, below which a picture is too dark."""
MAX_BRIGHT_FRACTION = 0.85
"""Fraction of saturated pixels above which a picture is overexposed."""
MIN_SHARPNESS = 12.0
"""Curvature of the brightness at the sharpest places, below which a picture is out of focus."""


def explain_unseen(picture: Picture, detector: TagDetector) -> str:
    """Return why tags are missing from a picture (h, w, 3) and what to do; empty if the picture is good."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    if grey.mean() < MIN_BRIGHTNESS:
        return "The picture is too dark. Nothing was changed; switch on a light, or uncover the lens."
    if (grey > 250).mean() > MAX_BRIGHT_FRACTION:
        return "The picture is overexposed. Nothing was changed; dim the light, or lower the camera's exposure."
    if detector.detect(picture):
        return ""
    if detector.detect(np.ascontiguousarray(picture[:, ::-1])):
        return (
            "The picture is mirrored, so no tag can be read. Nothing was changed; switch off mirroring in the "
            "camera's own settings."
        )
    if measure_sharpness(picture) < MIN_SHARPNESS:
        return "The picture is out of focus. Nothing was changed; focus the camera, or move it 40 to 70 cm away."
    return ""


def measure_sharpness(picture: Picture) -> float:
    """Return the Laplacian that a thousandth of the pixels exceed, smoothed so that noise does not count."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.5)
    return float(np.quantile(np.abs(cv2.Laplacian(grey, cv2.CV_32F)), 0.999))
