"""Functional multi-layer perceptrons, so that one network can run with many tasks' weights at once.

A network is a dictionary of tensors and nothing else. A weight of two dimensions is shared by every task; one
of three has a leading task dimension, and the layer becomes one ``baddbmm`` over all tasks.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Params = dict[str, torch.Tensor]
"""Parameters by name; what a functional network is."""


def init_mlp(name: str, sizes: Sequence[int], generator: torch.Generator, *, last_layer_scale: float = 1.0) -> Params:
    """Return He-initialised weights (in, out) and zero biases (out,) for layers ``sizes``."""
    params: Params = {}
    for layer, (wide, narrow) in enumerate(itertools.pairwise(sizes)):
        scale = (2.0 / wide) ** 0.5 * (last_layer_scale if layer == len(sizes) - 2 else 1.0)
        params[f"{name}.{layer}.weight"] = torch.randn(wide, narrow, generator=generator) * scale
        params[f"{name}.{layer}.bias"] = torch.zeros(narrow)
    return params


def mlp(params: Params, name: str, inputs: torch.Tensor, layers: int) -> torch.Tensor:
    """Apply ``layers`` layers with ReLU between them to (tasks, points, in); if shared, to (..., in)."""
    for layer in range(layers):
        weight, bias = params[f"{name}.{layer}.weight"], params[f"{name}.{layer}.bias"]
        inputs = linear(inputs, weight, bias)
        if layer < layers - 1:
            inputs = torch.relu(inputs)
    return inputs


def linear(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """One layer: shared (in, out) weights, or (tasks, in, out) with inputs (tasks, points, in)."""
    if weight.dim() == 3:
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight)
    flat = torch.addmm(bias, inputs.reshape(-1, weight.shape[0]), weight)
    return flat.reshape(*inputs.shape[:-1], weight.shape[1])


def expand_per_task(params: Params, names: Iterable[str], tasks: int) -> Params:
    """Give the named tensors a leading task dimension without copying them."""
    return {name: params[name].expand(tasks, *params[name].shape) for name in names}


def detached(params: Params) -> Params:
    """Return copies cut off from any graph."""
    return {name: tensor.detach().clone() for name, tensor in params.items()}
