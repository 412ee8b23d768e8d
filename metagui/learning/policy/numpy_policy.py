"""An adapted policy in plain numpy, for the control thread: no torch, no graph, a tenth of a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.conditioning import (
    build_retrieval_keys,
    build_retrieved_features,
    compute_conditioning,
    compute_entry_distance,
)
from metagui.learning.policy.features import ACTION_SIZE, OBJECT_INPUT_FEATURES, Array

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYER_COUNT = 3


def act(params: Mapping[str, Array], object_features: Array, global_features: Array) -> tuple[Array, float]:
    """Return the action (ACTIONS,) and the probability of being done for (A, F) and (G,) features."""
    first, second = (
        softmax(params[name])[: len(object_features)] @ object_features for name in ("attention1", "attention2")
    )
    before = compute_entry_distance(first, params, np)
    ways = compute_conditioning(first, second, before, params, global_features, np)
    memory = _retrieve(params, build_retrieval_keys(first, second, before, global_features, np), first)
    seen = [first[:OBJECT_INPUT_FEATURES], second[:OBJECT_INPUT_FEATURES]]
    values = np.concatenate([*seen, ways, memory, global_features, params["context"]])
    for layer in range(LAYER_COUNT):
        values = values @ params[f"policy.{layer}.weight"] + params[f"policy.{layer}.bias"]
        if layer < LAYER_COUNT - 1:
            values = np.maximum(values, 0.0)
    return values[:ACTION_SIZE], float(0.5 + 0.5 * np.tanh(0.5 * values[ACTION_SIZE]))


def _retrieve(params: Mapping[str, Array], keys: Array, first: Array) -> Array:
    """Return what was done in the most similar situations shown, (RECALLED,)."""
    away = (params["memory.keys"] - keys) * np.exp(params["memory.scales"])
    apart = (away * away).sum(-1)
    like = softmax(-0.5 * apart) @ params["memory.values"]
    return np.asarray(build_retrieved_features(like, first, apart.min(keepdims=True), np))


def softmax(logits: Array) -> Array:
    """Return positive weights that sum to one."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float32)
