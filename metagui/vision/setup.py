"""Set-up of a camera over an arm's table, stored by the arm's name: its address, where the mat lies, and the tags."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.atomic_write import write_atomically
from metagui.cameras.camera import CameraError
from metagui.cameras.mat import MATS, MatPose, find_mat, make_nominal_pose
from metagui.cameras.view import rotation_from_vector
from metagui.checked_json import FileReasonError, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from metagui.cameras.mat import Mat

MAX_SHIFT_M, MAX_TURN_RAD = 0.15, math.radians(45)
"""Largest distance and rotation of a mat from where it belongs, m and rad."""


class CameraSetupError(CameraError):
    """The stored set-up of a camera cannot be used; the message states the reason."""


@dataclass(frozen=True)
class CameraSetup:
    """How a camera sees the table of one arm."""

    address: str
    """Identity of the webcam, or address of the stream."""
    paper: str = "A4"
    """Paper of the mat."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Shift of the mat from where it belongs, along x and y of the arm's base, m."""
    turn: float = 0.0
    """Rotation of the mat about the vertical, rad."""
    residual: float | None = None
    """Largest distance of a touched cross after the fit, m; None if no cross was touched."""
    tags: Mapping[str, int] = field(default_factory=dict)
    """Ids of the tags by the names of the objects, as far as they are not the usual ones."""

    @property
    def mat(self) -> Mat:
        """The mat. Raises UnknownPaperError."""
        return find_mat(self.paper)

    @property
    def mat_pose(self) -> MatPose:
        """Where the mat lies in the arm's base frame."""
        nominal = make_nominal_pose(self.mat)
        return MatPose(nominal.position + (*self.shift, 0.0), rotation_from_vector(np.array([0.0, 0.0, self.turn])))


def setups_folder(registry: Path) -> Path:
    """Return the folder of the set-ups that belong to a registry of arms."""
    return registry.parent / "cameras"


def save_setup(folder: Path, arm: str, setup: CameraSetup) -> None:
    """Store the set-up for an arm. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    document = asdict(setup) | {"tags": dict(setup.tags)}
    write_atomically(_find_path(folder, arm), json.dumps(document, indent=1).encode("utf-8"), replace=True)


def remove_setup(folder: Path, arm: str) -> None:
    """Delete the set-up for an arm, if there is one. Raises OSError."""
    _find_path(folder, arm).unlink(missing_ok=True)


def load_setup(folder: Path, arm: str) -> CameraSetup | None:
    """Return the stored set-up for an arm, None if there is none. Raises CameraSetupError."""
    path = _find_path(folder, arm)
    if not path.exists():
        return None
    try:
        return _parse(read_json(path))
    except (FileReasonError, ValueError, TypeError, KeyError) as error:
        raise CameraSetupError(
            f"The set-up of the camera in {path} cannot be used: {error}. The arm and your recordings are not "
            "affected; set the camera up again."
        ) from error


def _parse(document: Any) -> CameraSetup:
    """Return the set-up in a JSON document. Raises KeyError, TypeError, ValueError."""
    x, y = (float(each) for each in document["shift"])
    turn, residual = float(document["turn"]), document["residual"]
    if str(document["paper"]) not in MATS:
        raise ValueError(f"the paper is none of {', '.join(MATS)}")
    if not (math.hypot(x, y) <= MAX_SHIFT_M and abs(turn) <= MAX_TURN_RAD):
        raise ValueError("the mat would not lie before the arm")
    tags = {str(name): int(tag) for name, tag in dict(document["tags"]).items()}
    distance = None if residual is None else float(residual)
    return CameraSetup(
        str(document["address"]),
        str(document["paper"]),
        (x, y),
        turn,
        distance,
        tags,
    )


def _find_path(folder: Path, arm: str) -> Path:
    name = re.sub(r"[^\w-]+", "_", arm).strip("_") or "arm"
    return folder / f"{name}.json"
