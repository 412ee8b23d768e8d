"""Retrieval: a memory of the situations and actions of the support set, and soft nearest-neighbour look-up in it.

    retrieved = Σₙ softmaxₙ(−½ ‖e^s · (k − kₙ)‖²) vₙ

with key k of the present situation, stored keys kₙ and values vₙ, and learnt log scales s. Used by ``policy`` in
training; ``numpy_policy`` computes the same during execution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from metagui.learning.policy import conditioning
from metagui.learning.policy.feature_layout import OBJECT_LAYOUT
from metagui.learning.policy.task_inference import attend_both

if TYPE_CHECKING:
    from metagui.learning.policy.points import Points
    from metagui.learning.torch_utils.functional_mlp import Params

STORED_MEMORY_TENSORS = ("memory.keys", "memory.values", "memory.scales")
"""Memory of a task: (B, N, RETRIEVAL_KEY_FEATURES), (B, N, RETRIEVAL_VALUE_FEATURES), (B, RETRIEVAL_KEY_FEATURES)."""
MEMORY_TENSORS = (*STORED_MEMORY_TENSORS, "memory.takes")
"""The same and, during adaptation, the take of every stored point, (B, N)."""
RETRIEVAL_TENSORS = ("attention1", "attention2", "entry")
"""Tensors that the keys depend on. The inner loop does not adapt them, so retrieval runs once for all steps."""
NO_TAKE = -1000.0
"""Take number that equals no other one."""
OWN_PHASE_WINDOW, OWN_DISTANCE_PENALTY = 0.1, 1e4
"""Phase difference below which a point does not retrieve its own take, and the penalty on the squared distance;
otherwise adaptation would learn to copy."""


class TorchNamespace:
    """The functions that ``conditioning`` needs; arctan2 passes no gradient, since it has none at 0."""

    stack = staticmethod(torch.stack)
    concat = staticmethod(torch.cat)
    tanh = staticmethod(torch.tanh)
    maximum = staticmethod(torch.maximum)
    minimum = staticmethod(torch.minimum)
    sqrt = staticmethod(torch.sqrt)

    @staticmethod
    def arctan2(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the angle of (x, y), detached."""
        return torch.atan2(y.detach(), x.detach())


def build_memory(fast: Params, support: Points) -> Params:
    """Return the memory of the support set: keys, and position, action, done and phase as values."""
    first, second = attend_both(fast["attention1"], fast["attention2"], support.object_features)
    entry_distance = conditioning.compute_entry_distance(first, broadcast_inferred(fast), TorchNamespace)
    keys = conditioning.build_retrieval_keys(first, second, entry_distance, support.global_features, TorchNamespace)
    values = [
        first[..., OBJECT_LAYOUT.offset],
        support.actions,
        support.done.unsqueeze(-1),
        support.phase.unsqueeze(-1),
    ]
    return {"memory.keys": keys, "memory.values": torch.cat(values, -1), "memory.takes": _stored_takes(support)}


def empty_memory(tasks: int) -> Params:
    """Return a memory with one zero entry for every task."""
    return {
        "memory.keys": torch.zeros(tasks, 1, conditioning.RETRIEVAL_KEY_FEATURES),
        "memory.values": torch.zeros(tasks, 1, conditioning.RETRIEVAL_VALUE_FEATURES),
        "memory.takes": torch.full((tasks, 1), NO_TAKE),
    }


def retrieve(fast: Params, keys: torch.Tensor, first: torch.Tensor, points: Points) -> torch.Tensor:
    """Return the features of the most similar stored situations, (tasks, N, RETRIEVED_FEATURES)."""
    scales = fast["memory.scales"].exp().unsqueeze(1)
    keys = keys * scales
    stored = fast["memory.keys"] * scales
    squares = keys.square().sum(-1, keepdim=True) + stored.square().sum(-1).unsqueeze(1)
    squared_distances = (squares - 2.0 * torch.bmm(keys, stored.transpose(1, 2))).clamp_min(0.0)
    if points.take_ids is not None:
        own = points.take_ids.unsqueeze(-1) == fast["memory.takes"].unsqueeze(1)
        own &= (points.phase.unsqueeze(-1) - fast["memory.values"][..., -1].unsqueeze(1)).abs() < OWN_PHASE_WINDOW
        squared_distances = squared_distances + OWN_DISTANCE_PENALTY * own
    values = torch.bmm(torch.softmax(-0.5 * squared_distances, -1), fast["memory.values"])
    nearest = squared_distances.amin(-1, keepdim=True)
    retrieved: torch.Tensor = conditioning.build_retrieved_features(values, first, nearest, TorchNamespace)
    return retrieved


def broadcast_inferred(fast: Params) -> Params:
    """Return the inferred tensors of every task with a point dimension, (tasks, 1, ...)."""
    return {name: fast[name].unsqueeze(1) for name in conditioning.CONDITIONING_TENSORS}


def _stored_takes(support: Points) -> torch.Tensor:
    """Return the take of every stored point, (tasks, N); NO_TAKE if the task has only one take."""
    if support.take_ids is None:
        return torch.full_like(support.done, NO_TAKE)
    single = support.take_ids.amax(1, keepdim=True) == support.take_ids.amin(1, keepdim=True)
    return torch.where(single, NO_TAKE, support.take_ids)
