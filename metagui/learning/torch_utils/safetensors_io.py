"""Tensors with a JSON header on disk, whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from safetensors.torch import save_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

FILE_MODE = 0o644
"""Permissions of a finished file; safetensors leaves its files to their owner alone."""


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file beside ``path``, then rename it into place. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        plain = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
        save_file(plain, beside, dict(metadata))
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.chmod(FILE_MODE)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
