"""The rival without parameters: in every state, do what was done in the most similar demonstrated one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.adaptation.adapted_task import SkillPolicy, TaskPolicy
from metagui.learning.policy import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays

NEAREST_NEIGHBOUR = "nearest neighbour"


@dataclass(frozen=True)
class NearestNeighbourSkill(SkillPolicy):
    """One click's demonstrated states, with what was done in them; a drop-in for an adapted policy."""

    actions: Array = field(default_factory=lambda: np.zeros((0, ACTION_SIZE), np.float32))
    """(n, ACTIONS)"""
    done: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    """(n,)"""

    def act(self, object_features: Array, global_features: Array) -> tuple[Array, float]:
        """Return the action (ACTIONS,) of the nearest demonstrated state, and whether it was an end."""
        nearest = int(self._squared_distances(object_features, global_features).argmin())
        return self.actions[nearest], float(self.done[nearest])

    def distance_to_reference(self, object_features: Array, global_features: Array) -> float:
        """Return how far the nearest demonstrated state is, in the features' own units."""
        return float(np.sqrt(self._squared_distances(object_features, global_features).min()))

    def _squared_distances(self, object_features: Array, global_features: Array) -> Array:
        here = _state_features(object_features[None], global_features[None])
        return np.asarray(((self.reference - here) ** 2).sum(axis=1))


def build_nearest_neighbour_policy(takes: Sequence[Demonstration]) -> TaskPolicy:
    """Return the task as all states of its takes. Raises FeatureError."""
    encoded = [features.encode(take) for take in takes]
    clicks = tuple(_build_skill([segments[i] for segments in encoded]) for i in range(len(encoded[0])))
    provenance = {"takes": [take.name for take in takes]}
    return TaskPolicy(takes[0].task, clicks, tuple(a.name for a in takes[0].objects), provenance)


def _build_skill(takes: Sequence[SegmentArrays]) -> NearestNeighbourSkill:
    return NearestNeighbourSkill(
        params={},
        choice=NEAREST_NEIGHBOUR,
        reason="It needs no training.",
        held_out={},
        decisions=max(len(take) for take in takes),
        reference=np.concatenate([_state_features(take.object_features, take.global_features) for take in takes]),
        scale=1.0,
        actions=np.concatenate([take.actions for take in takes]),
        done=np.concatenate([take.done for take in takes]),
    )


def _state_features(object_features: Array, global_features: Array) -> Array:
    """(n, D): everything a policy may see."""
    return np.concatenate([object_features.reshape(len(object_features), -1), global_features], axis=1)
