"""The rival without parameters: in every state, do what was done in the most similar demonstrated one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.adaptation.adapted_task import AdaptedClick, AdaptedTask
from metagui.learning.policy import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.features import Array, SegmentArrays

NEAREST_NEIGHBOUR = "nearest neighbour"


@dataclass(frozen=True)
class RememberedClick(AdaptedClick):
    """One click's demonstrated states, with what was done in them; a drop-in for an adapted policy."""

    actions: Array = field(default_factory=lambda: np.zeros((0, features.ACTIONS), np.float32))
    """(n, ACTIONS)"""
    done: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    """(n,)"""

    def act(self, anchors: Array, globals_: Array) -> tuple[Array, float]:
        """Return the action (ACTIONS,) of the nearest demonstrated state, and whether it was an end."""
        nearest = int(self._squared(anchors, globals_).argmin())
        return self.actions[nearest], float(self.done[nearest])

    def distance(self, anchors: Array, globals_: Array) -> float:
        """Return how far the nearest demonstrated state is, in the features' own units."""
        return float(np.sqrt(self._squared(anchors, globals_).min()))

    def _squared(self, anchors: Array, globals_: Array) -> Array:
        here = _state(anchors[None], globals_[None])
        return np.asarray(((self.reference - here) ** 2).sum(axis=1))


def remember(takes: Sequence[Demonstration]) -> AdaptedTask:
    """Return the task as all states of its takes. Raises FeatureError."""
    encoded = [features.encode(take) for take in takes]
    clicks = tuple(_remembered([segments[i] for segments in encoded]) for i in range(len(encoded[0])))
    provenance = {"takes": [take.name for take in takes]}
    return AdaptedTask(takes[0].task, clicks, tuple(a.name for a in takes[0].anchors), provenance)


def _remembered(takes: Sequence[SegmentArrays]) -> RememberedClick:
    return RememberedClick(
        policy={},
        choice=NEAREST_NEIGHBOUR,
        reason="It needs no training.",
        held_out={},
        decisions=max(len(take) for take in takes),
        reference=np.concatenate([_state(take.anchors, take.globals) for take in takes]),
        scale=1.0,
        actions=np.concatenate([take.actions for take in takes]),
        done=np.concatenate([take.done for take in takes]),
    )


def _state(anchors: Array, globals_: Array) -> Array:
    """(n, D): everything a policy may see."""
    return np.concatenate([anchors.reshape(len(anchors), -1), globals_], axis=1)
