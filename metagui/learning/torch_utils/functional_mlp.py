"""Functional multi-layer perceptrons: one network run with the weights of many tasks at once.

A network is a dictionary of tensors. A weight with two dimensions is shared by all tasks; a weight with three
dimensions has a leading task dimension, and the layer becomes one ``baddbmm`` over all tasks.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Params = dict[str, torch.Tensor]
"""Parameters of a functional network by name."""


def init_mlp(name: str, sizes: Sequence[int], generator: torch.Generator, *, last_layer_scale: float = 1.0) -> Params:
    """Return He-initialised weights (in, out) and zero biases (out,) for layers ``sizes``."""
    params: Params = {}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        scale = (2.0 / fan_in) ** 0.5 * (last_layer_scale if layer == len(sizes) - 2 else 1.0)
        params[f"{name}.{layer}.weight"] = torch.randn(fan_in, fan_out, generator=generator) * scale
        params[f"{name}.{layer}.bias"] = torch.zeros(fan_out)
    return params


def mlp(params: Params, name: str, inputs: torch.Tensor, layers: int) -> torch.Tensor:
    """Apply an MLP with ReLU to (tasks, points, in); with shared weights to (..., in)."""
    for layer in range(layers):
        weight, bias = params[f"{name}.{layer}.weight"], params[f"{name}.{layer}.bias"]
        inputs = linear(inputs, weight, bias)
        if layer < layers - 1:
            inputs = torch.relu(inputs)
    return inputs


def linear(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Apply one layer: shared (in, out) weights, or (tasks, in, out) with inputs (tasks, points, in)."""
    if weight.dim() == 3:
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight)
    flat = torch.addmm(bias, inputs.reshape(-1, weight.shape[0]), weight)
    return flat.reshape(*inputs.shape[:-1], weight.shape[1])


def expand_per_task(params: Params, names: Iterable[str], tasks: int) -> Params:
    """Return the named tensors with a leading task dimension, as views without copies."""
    return {name: params[name].expand(tasks, *params[name].shape) for name in names}
