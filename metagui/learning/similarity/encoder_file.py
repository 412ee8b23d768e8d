"""Files of the Siamese encoder with its calibration: the shipped one, and one that a library's own takes trained."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from metagui.checked_json import FileReasonError
from metagui.learning.similarity.cache.encoder_identity import (
    ENCODER_FORMAT,
    compute_file_digest,
    library_encoder_path,
    read_format,
    shipped_encoder_path,
)
from metagui.learning.similarity.siamese_network import SiameseEncoder
from metagui.learning.similarity.verdicts import VerdictCalibration, describe_calibration
from metagui.learning.torch_utils.safetensors_io import (
    DECODING_ERRORS,
    TensorFileError,
    read_tensors,
    save_tensors,
)

if TYPE_CHECKING:
    from pathlib import Path

OWN_KEY = "trained on"
"""Key in ``about`` of an encoder that was trained further on a library's takes."""


class EncoderFileError(Exception):
    """An encoder cannot be read."""


@dataclass(frozen=True)
class CalibratedEncoder:
    """An encoder and the calibration of its verdicts."""

    encoder: SiameseEncoder = field(default_factory=SiameseEncoder)
    """Untrained if there is none."""
    calibration: VerdictCalibration | None = None
    """None if there were too few tasks."""
    about: dict[str, Any] = field(default_factory=dict)
    """JSON values about how it was made: command, seed, tasks, takes, date."""
    file_digest: str = ""
    """SHA-256 of the file that it was read from, by which its embeddings are stored; empty if it was made here."""

    @property
    def is_own(self) -> bool:
        """True if it was trained further on a library's takes."""
        return OWN_KEY in self.about

    def with_about(self, about: dict[str, Any]) -> CalibratedEncoder:
        """Return the encoder with other values about how it was made."""
        return replace(self, about=about, file_digest="")

    def save(self, path: Path) -> None:
        """Write the file atomically, in half precision where that is exact. Raises OSError."""
        calibration = self.calibration.as_dict() if self.calibration else None
        header = {"sizes": list(self.encoder.sizes), "calibration": calibration, "about": self.about}
        tensors = {n: t.half() if (t.half().float() == t).all() else t for n, t in self.encoder.params.items()}
        save_tensors(path, tensors, {"format": str(ENCODER_FORMAT), "encoder": json.dumps(header)})

    def describe_calibration(self) -> str:
        """Return a sentence for users about what the verdicts are based on."""
        return describe_calibration(self.calibration)

    def to_half_precision(self) -> CalibratedEncoder:
        """Return the encoder with its tensors rounded to half precision; its file is half as large."""
        rounded = {name: tensor.half().float() for name, tensor in self.encoder.params.items()}
        return CalibratedEncoder(SiameseEncoder(rounded, *self.encoder.sizes), self.calibration, self.about)


def load_encoder(path: Path) -> CalibratedEncoder:
    """Read an encoder. Raises EncoderFileError."""
    try:
        version = read_format(path)
        if version != ENCODER_FORMAT:
            raise EncoderFileError(
                f"{path} was trained by {'an earlier' if version < ENCODER_FORMAT else 'a later'} version of this "
                "program, whose encoder saw takes in another form. Your takes are unchanged. Train it again."
            )
        digest = compute_file_digest(path)
        header, tensors = read_tensors(path, "encoder")
        params = {name: tensor.float() for name, tensor in tensors.items()}
        calibration = VerdictCalibration.from_dict(header["calibration"])
        network = SiameseEncoder(params, *header["sizes"])
        found = CalibratedEncoder(network, calibration, dict(header["about"]), digest)
        if compute_file_digest(path) != digest:
            raise FileReasonError("it was replaced while it was read")
        wanted = {name: tensor.shape for name, tensor in found.encoder.initialise(0).params.items()}
    except (TensorFileError, *DECODING_ERRORS) as error:
        is_clear = isinstance(error, TensorFileError | FileReasonError)
        reason = error if is_clear else "it is damaged, or another program's"
        raise EncoderFileError(f"{path} is not an encoder of this program: {reason}. Train it again.") from error
    if {name: tensor.shape for name, tensor in params.items()} != wanted:
        raise EncoderFileError(f"{path} was made for another network than this program's. Train it again.")
    return found


def load_shipped_encoder() -> CalibratedEncoder:
    """Read the encoder that is installed with the program. Raises EncoderFileError."""
    path = shipped_encoder_path()
    if not path.is_file():
        raise EncoderFileError(
            f"The shipped encoder is missing: {path}. Your takes are unchanged. Reinstall metagui, or run 'metagui "
            "train-encoder'."
        )
    return load_encoder(path)


def load_encoder_for_library(library: Path) -> CalibratedEncoder:
    """Return the library's own encoder if there is one, else the shipped one.

    Raises EncoderFileError. If the own file cannot be read, the shipped one is used, and ``about["problem"]`` gives the
    reason.
    """
    path = library_encoder_path(library)
    if not path.is_file():
        return load_shipped_encoder()
    try:
        return load_encoder(path)
    except EncoderFileError as error:
        shipped = load_shipped_encoder()
        problem = f"{error} The shipped encoder is used until then."
        return replace(shipped, about=shipped.about | {"problem": problem})
