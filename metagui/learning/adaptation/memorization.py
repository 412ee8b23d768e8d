"""Detects memorization: a policy that ignores its support set (Yin et al. 2020, Meta-learning without memorization).

Such a policy has a low loss on its training tasks, but does not do what was demonstrated. It is detected by adapting
to the takes of other tasks: its loss stays the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.adaptation.behaviour_distance import build_segment_batches
from metagui.learning.maml import maml
from metagui.learning.maml.maml import INNER_STEPS
from metagui.learning.policy import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.points import Points
    from metagui.learning.prior import Prior

MEMORIZATION_MARGIN = 1.1
"""Minimum ratio of the loss after other tasks' support sets to the loss after the task's own."""


def is_memorizing(
    prior: Prior,
    takes: Sequence[Demonstration],
    unrelated_takes: Sequence[Sequence[Demonstration]],
    points_per_segment: int = 64,
) -> bool:
    """Return whether the prior does as well on ``takes`` after adapting to unrelated tasks' takes.

    False without unrelated tasks.
    """
    rng = np.random.default_rng(0)
    own = build_segment_batches([features.encode(take) for take in takes], points_per_segment, rng)
    unrelated = [
        batch
        for task in unrelated_takes
        for batch in build_segment_batches([features.encode(take) for take in task], points_per_segment, rng)
    ]
    if not own or not unrelated:
        return False
    after = np.array([_loss_after_adapting(prior, segment, segment) for segment in own])
    other = np.array([[_loss_after_adapting(prior, segment, support) for support in unrelated] for segment in own])
    return bool(np.all(np.median(other, axis=1) < MEMORIZATION_MARGIN * after))


def _loss_after_adapting(prior: Prior, query: Points, support: Points) -> float:
    """Return the mean imitation loss on ``query`` after adapting to ``support``."""
    *_, adapted = maml.adapt(prior.model, prior.meta, support, INNER_STEPS)
    with torch.no_grad():
        return float(prior.model.loss(adapted, query).mean())
