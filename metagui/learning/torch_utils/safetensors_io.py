"""Safetensors files with a JSON header, written atomically and read with checks: priors, policies and encoders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from metagui.atomic_write import write_atomically
from metagui.checked_json import FileReasonError, check_regular

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

MAX_FILE_BYTES = 256 << 20
"""Maximum size of a file that is read."""
DECODING_ERRORS = (
    OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError, RuntimeError, RecursionError,
    ArithmeticError, MemoryError,
)  # fmt: skip
"""Exceptions of decoding a file's contents that are not as expected."""


class TensorFileError(Exception):
    """A file cannot be used; the message is the reason, as a clause for another message."""


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata to a safetensors file, atomically; create its folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copies = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(copies, dict(metadata)), replace=True)


def read_tensors(path: Path, key: str, framework: str = "pt") -> tuple[Any, dict[str, Any]]:
    """Return the JSON value that a safetensors file holds under ``key``, and its tensors, which are finite.

    Raises TensorFileError.
    """
    try:
        check_regular(path, MAX_FILE_BYTES)
        with safe_open(path, framework=framework) as file:
            header = json.loads((file.metadata() or {})[key])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
    except FileReasonError as error:
        raise TensorFileError(str(error)) from error
    except KeyError as error:
        raise TensorFileError("it holds something else") from error
    except DECODING_ERRORS as error:
        raise TensorFileError("it is damaged, or another program's") from error
    if not isinstance(header, dict):
        raise TensorFileError("its description is damaged")
    for name, tensor in tensors.items():
        values = tensor.float().numpy() if framework == "pt" else tensor
        if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise TensorFileError(f"{name[:60]!r} contains numbers that are not finite")
    return header, tensors
