"""Which file an encoder is in, its hash and its calibration, without torch, whose import takes a second."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from metagui.checked_json import check_regular
from metagui.learning.similarity.verdicts import VerdictCalibration, describe_calibration
from metagui.paths import LIBRARY_MODELS_FOLDER, resources_dir

if TYPE_CHECKING:
    from pathlib import Path

ENCODER_FORMAT = 2
"""Version of the file format; the encoder of format 1 had one input per object of its scene."""


MAX_ENCODER_BYTES = 256 << 20
"""Maximum size of a file that is read."""


@dataclass(frozen=True)
class EncoderIdentity:
    """What is known of an encoder without its network."""

    digest: str
    """SHA-256 of its file, hexadecimal."""
    calibration: VerdictCalibration | None
    """None if there were too few tasks."""

    def describe_calibration(self) -> str:
        """Return a sentence for users about what the verdicts are based on."""
        return describe_calibration(self.calibration)


def shipped_encoder_path() -> Path:
    """Return the path of the shipped encoder."""
    return resources_dir() / "prior" / "encoder.safetensors"


def library_encoder_path(library: Path) -> Path:
    """Return the path of the encoder trained on a library's takes; the file need not exist."""
    return library / LIBRARY_MODELS_FOLDER / "encoder.safetensors"


def find_encoder_path(library: Path) -> Path:
    """Return the path of the library's own encoder if there is one, else of the shipped one."""
    own = library_encoder_path(library)
    return own if own.is_file() else shipped_encoder_path()


def identify_encoder(path: Path) -> EncoderIdentity | None:
    """Return what a file says of its encoder; None for one that is no encoder, or of another format."""
    try:
        check_regular(path, MAX_ENCODER_BYTES)
        digest = compute_file_digest(path)
        with safe_open(path, framework="np") as tensors:
            metadata = tensors.metadata()
        if int(metadata["format"]) != ENCODER_FORMAT:
            return None
        calibration = VerdictCalibration.from_dict(json.loads(metadata["encoder"])["calibration"])
        return EncoderIdentity(digest, calibration)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def compute_file_digest(path: Path) -> str:
    """Return the SHA-256 of an encoder's file, hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_format(path: Path) -> int:
    """Return the format of an encoder's file. Raises SafetensorError, OSError, KeyError, ValueError."""
    check_regular(path, MAX_ENCODER_BYTES)
    with safe_open(path, framework="np") as tensors:
        return int(tensors.metadata()["format"])
