"""Parts of the camera's picture: what of it is shown, the table in it, and the objects that a click is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF

from metagui.vision.table_picture import TablePicture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import SceneObject, SceneState
    from metagui.cameras.mat import MatPose
    from metagui.gui.teaching.click_teacher import Proposal
    from metagui.vision.table_camera import TableSight

CROP_MARGIN = 0.25
"""Margin around the mat in the shown part of the picture, as a fraction of the mat's size."""


def find_crop(sight: TableSight) -> QRectF:
    """Return the part of a picture with the mat and its surroundings, pixels; all of it before the mat was seen."""
    width, height = sight.frame.size
    whole = QRectF(0, 0, width, height)
    if sight.scene.view is None:
        return whole
    corners = sight.scene.view.corners.reshape(-1, 2)
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    across, down = CROP_MARGIN * (right - left), CROP_MARGIN * (bottom - top)
    return QRectF(left - across, top - down, right - left + 2 * across, bottom - top + 2 * down).intersected(whole)


def make_table_picture(
    sight: TableSight | None, mat_pose: MatPose, objects: Sequence[SceneObject], scene: SceneState
) -> TablePicture | None:
    """Return the table in a picture; None before the mat was seen."""
    if sight is None or sight.scene.view is None:
        return None
    return TablePicture(sight.scene.view.view, mat_pose, objects, scene)


def list_names(proposal: Proposal) -> tuple[str, ...]:
    """Return the objects that a proposal is about."""
    instruction = proposal.instruction
    if instruction is None:
        return (proposal.pushed_object,) if proposal.pushed_object else ()
    return (instruction.object_name, *([instruction.target_name] if instruction.target_name else []))
