"""Nearest-neighbour baseline: in every state, repeat the action of the most similar demonstrated state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.adaptation.selection import Candidate
from metagui.learning.adaptation.task_policy import Provenance, SkillPolicy, TaskPolicy
from metagui.learning.policy import features
from metagui.learning.policy.feature_layout import ACTION_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array
    from metagui.learning.policy.features import SegmentArrays


@dataclass(frozen=True)
class NearestNeighbourSkill(SkillPolicy):
    """One segment's demonstrated states and actions, in place of an adapted policy."""

    actions: Array = field(default_factory=lambda: np.zeros((0, ACTION_SIZE), np.float32))
    """(n, ACTION_SIZE)"""
    done: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    """(n,) 1 at the end of a segment."""

    def act(self, object_features: Array, global_features: Array) -> tuple[Array, float]:
        """Return the action (ACTION_SIZE,) of the nearest demonstrated state, and 1 if it was an end."""
        nearest = int(self._squared_distances(object_features, global_features).argmin())
        return self.actions[nearest], float(self.done[nearest])

    def distance_to_reference(self, object_features: Array, global_features: Array) -> float:
        """Return the distance of the nearest demonstrated state, in units of the features."""
        return float(np.sqrt(self._squared_distances(object_features, global_features).min()))

    def _squared_distances(self, object_features: Array, global_features: Array) -> Array:
        here = _state_features(object_features[None], global_features[None])
        return np.asarray(((self.reference - here) ** 2).sum(axis=1))


def build_nearest_neighbour_policy(takes: Sequence[Demonstration]) -> TaskPolicy:
    """Return the policy that consists of all states of a task's takes. Raises FeatureError."""
    encoded = [features.encode(take) for take in takes]
    skills = tuple(_build_skill([segments[i] for segments in encoded]) for i in range(len(encoded[0])))
    provenance = Provenance(takes=tuple(take.name for take in takes))
    return TaskPolicy(takes[0].task, skills, tuple(obj.name for obj in takes[0].objects), provenance)


def _build_skill(takes: Sequence[SegmentArrays]) -> NearestNeighbourSkill:
    return NearestNeighbourSkill(
        params={},
        choice=Candidate.NEAREST_NEIGHBOUR,
        reason="It needs no training.",
        held_out={},
        decisions=max(len(take) for take in takes),
        reference=np.concatenate([_state_features(take.object_features, take.global_features) for take in takes]),
        scale=1.0,
        actions=np.concatenate([take.actions for take in takes]),
        done=np.concatenate([take.done for take in takes]),
    )


def _state_features(object_features: Array, global_features: Array) -> Array:
    """Return all features of n states, (n, D)."""
    return np.concatenate([object_features.reshape(len(object_features), -1), global_features], axis=1)
