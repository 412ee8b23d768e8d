"""An adapted policy in plain numpy, for the control thread: no torch, no graph, a tenth of a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.policy.conditioning import ahead, clues, keys_of, recalled
from metagui.learning.policy.features import ACTIONS, SEEN_FEATURES, Array

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYERS = 3


def act(policy: Mapping[str, Array], anchors: Array, globals_: Array) -> tuple[Array, float]:
    """Return the action (ACTIONS,) and the probability of being done for (A, F) and (G,) features."""
    first, second = (softmax(policy[name])[: len(anchors)] @ anchors for name in ("attention1", "attention2"))
    before = ahead(first, policy, np)
    ways = clues(first, second, before, policy, globals_, np)
    memory = _recalled(policy, keys_of(first, second, before, globals_, np), first)
    seen = [first[:SEEN_FEATURES], second[:SEEN_FEATURES]]
    values = np.concatenate([*seen, ways, memory, globals_, policy["context"]])
    for layer in range(LAYERS):
        values = values @ policy[f"policy.{layer}.weight"] + policy[f"policy.{layer}.bias"]
        if layer < LAYERS - 1:
            values = np.maximum(values, 0.0)
    return values[:ACTIONS], float(0.5 + 0.5 * np.tanh(0.5 * values[ACTIONS]))


def _recalled(policy: Mapping[str, Array], keys: Array, first: Array) -> Array:
    """Return what was done in the most similar situations shown, (RECALLED,)."""
    away = (policy["memory.keys"] - keys) * np.exp(policy["memory.scales"])
    apart = (away * away).sum(-1)
    like = softmax(-0.5 * apart) @ policy["memory.values"]
    return np.asarray(recalled(like, first, apart.min(keepdims=True), np))


def softmax(logits: Array) -> Array:
    """Return positive weights that sum to one."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float32)
