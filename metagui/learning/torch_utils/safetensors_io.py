"""Atomic writing of safetensors files with a JSON header; used for priors, adapted policies and checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors.torch import save

from metagui.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata to a safetensors file, atomically; create its folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    copies = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(copies, dict(metadata)), replace=True)
