"""An adapted policy in plain numpy, for the control thread: no torch, no graph, a tenth of a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.clues import clues, keys_of, recalled
from metagui.learning.features import ACTIONS, Array

if TYPE_CHECKING:
    from collections.abc import Mapping

LAYERS = 3


def act(policy: Mapping[str, Array], anchors: Array, globals_: Array) -> tuple[Array, float]:
    """Return the action (ACTIONS,) and the probability of being done for (A, F) and (G,) features."""
    first, second = (softmax(policy[name])[: len(anchors)] @ anchors for name in ("attention1", "attention2"))
    ways = clues(first, second, policy, globals_, np)
    memory = _recalled(policy, first, second, globals_)
    values = np.concatenate([first, second, ways, memory, globals_, policy["context"]])
    for layer in range(LAYERS):
        values = values @ policy[f"policy.{layer}.weight"] + policy[f"policy.{layer}.bias"]
        if layer < LAYERS - 1:
            values = np.maximum(values, 0.0)
    return values[:ACTIONS], float(0.5 + 0.5 * np.tanh(0.5 * values[ACTIONS]))


def _recalled(policy: Mapping[str, Array], first: Array, second: Array, globals_: Array) -> Array:
    """Return what was done in the most similar situations shown, (RECALLED,)."""
    away = (policy["memory.keys"] - keys_of(first, second, globals_, np)) * np.exp(policy["memory.scales"])
    apart = (away * away).sum(-1)
    like = softmax(-0.5 * apart) @ policy["memory.values"]
    return np.asarray(recalled(like, first, apart.min(keepdims=True), np))


def softmax(logits: Array) -> Array:
    """Return positive weights that sum to one."""
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), dtype=np.float32)
