"""The state of a camera over the table as data: what is wrong, what is safe, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.cameras.mat import CORNER_NAMES, MAT_TAG_SIZE_M
from metagui.cameras.picture_checks import MIN_BRIGHTNESS, explain_unseen
from metagui.vision.camera_condition import CameraCondition, CameraReport

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.cameras.camera import Frame
    from metagui.cameras.mat_view import MatView
    from metagui.cameras.object_tracker import TrackedScene
    from metagui.cameras.tags import Tag, TagDetector

MIN_HIDDEN_TAGS = 2
"""Number of hidden tags of the mat that is reported; the arm often hides one."""
SATURATED = 245
"""Brightness, of 255, from which on a pixel is in a reflection."""


def report_picture(frame: Frame, tags: Sequence[Tag], scene: TrackedScene, detector: TagDetector) -> CameraReport:
    """Return what is wrong with a picture."""
    if "repeats the same picture" in scene.problem:
        return CameraReport(CameraCondition.FROZEN, scene.problem)
    if frame.picture.mean() < MIN_BRIGHTNESS:
        return CameraReport(CameraCondition.DARK, explain_unseen(frame.picture, detector))
    if not tags:
        reason = explain_unseen(frame.picture, detector)
        if reason:
            return CameraReport(CameraCondition.UNREADABLE, reason)
        hidden = "Nothing of the mat is seen any more. Objects keep their last places. Uncover the camera and the mat."
        return CameraReport(CameraCondition.NO_MAT, scene.problem or hidden)
    if scene.problem:
        return CameraReport(CameraCondition.NO_MAT, scene.problem)
    return _report_hidden(frame, tags, scene.view) if scene.view is not None else CameraReport(CameraCondition.NO_MAT)


def _report_hidden(frame: Frame, tags: Sequence[Tag], view: MatView) -> CameraReport:
    """Return which tags of the mat are hidden, and whether by a reflection."""
    found = {tag.id for tag in tags}
    hidden = [index for index in range(len(CORNER_NAMES)) if index not in found]
    glaring = [index for index in hidden if _is_glaring(frame, view, index)]
    if glaring:
        return CameraReport(
            CameraCondition.GLARE,
            f"A lamp is reflected on the mat ({_name(glaring)}). Objects there keep their last places. Turn the lamp "
            "or the camera until the reflection has gone.",
        )
    if len(hidden) >= MIN_HIDDEN_TAGS:
        return CameraReport(
            CameraCondition.HIDDEN,
            f"Parts of the mat are hidden ({_name(hidden)}). Objects there keep their last places. Remove what covers "
            "the mat, unless it is the arm.",
        )
    return CameraReport(CameraCondition.GOOD)


def _is_glaring(frame: Frame, view: MatView, index: int) -> bool:
    """Return whether the place of a tag of the mat is overexposed in a picture."""
    width, height = frame.size
    x, y = view.corners[index].mean(axis=0).round().astype(int)
    reach = max(round(view.view.focal_length * MAT_TAG_SIZE_M / 2 / max(float(view.view.position[2]), 0.1)), 2)
    patch = frame.picture[max(y - reach, 0) : min(y + reach, height), max(x - reach, 0) : min(x + reach, width)]
    return bool(patch.size) and float((patch.mean(axis=-1) > SATURATED).mean()) > 0.5


def _name(indices: Sequence[int]) -> str:
    return ", ".join(CORNER_NAMES[index] for index in indices)
