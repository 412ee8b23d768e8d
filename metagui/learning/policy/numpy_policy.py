"""Evaluates an adapted policy in numpy for the control thread: no torch, about 0.1 ms per decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.conditioning import (
    build_retrieval_keys,
    build_retrieved_features,
    compute_conditioning,
    compute_entry_distance,
)
from metagui.learning.policy.feature_layout import ACTION_SIZE, OBJECT_INPUT_FEATURES, Array

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY_LAYERS = 3
"""Number of layers of the policy network."""


def act(params: Mapping[str, Array], object_features: Array, global_features: Array) -> tuple[Array, float]:
    """Return the action (ACTION_SIZE,) and the done probability for one state.

    The features are (A, OBJECT_FEATURES) and (GLOBAL_FEATURES,).
    """
    first, second = (
        softmax(params[name])[: len(object_features)] @ object_features for name in ("attention1", "attention2")
    )
    entry_distance = compute_entry_distance(first, params, np)
    conditioning = compute_conditioning(first, second, entry_distance, params, global_features, np)
    keys = build_retrieval_keys(first, second, entry_distance, global_features, np)
    retrieved = _retrieve(params, keys, first)
    objects = [first[:OBJECT_INPUT_FEATURES], second[:OBJECT_INPUT_FEATURES]]
    values = np.concatenate([*objects, conditioning, retrieved, global_features, params["context"]])
    for layer in range(POLICY_LAYERS):
        values = values @ params[f"policy.{layer}.weight"] + params[f"policy.{layer}.bias"]
        if layer < POLICY_LAYERS - 1:
            values = np.maximum(values, 0.0)
    return values[:ACTION_SIZE], float(0.5 + 0.5 * np.tanh(0.5 * values[ACTION_SIZE]))


def _retrieve(params: Mapping[str, Array], keys: Array, first: Array) -> Array:
    """Return the features of the most similar stored situations, (RETRIEVED_FEATURES,)."""
    difference = (params["memory.keys"] - keys) * np.exp(params["memory.scales"])
    squared_distances = (difference * difference).sum(-1)
    values = softmax(-0.5 * squared_distances) @ params["memory.values"]
    return np.asarray(build_retrieved_features(values, first, squared_distances.min(keepdims=True), np))


def softmax(logits: Array) -> Array:
    """Return exp(x) / sum(exp(x)) of logits x, float32."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float32)
