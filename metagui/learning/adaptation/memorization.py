"""The alarm that a policy ignores its demonstrations: it would do as well after another task's.

A meta-learnt policy may have memorised what to do and need no demonstration (Yin et al., 2020, Meta-learning without
memorization). Then its losses look fine, and it does not what was shown.
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
"""A policy must be this much better after its own demonstrations than after another task's."""


def is_memorizing(
    prior: Prior,
    takes: Sequence[Demonstration],
    unrelated_takes: Sequence[Sequence[Demonstration]],
    points_per_segment: int = 64,
) -> bool:
    """Whether the prior does as well on ``takes`` after the demonstrations of ``others``, task by task.

    False where there are no other tasks to tell by.
    """
    rng = np.random.default_rng(0)
    own = build_segment_batches([features.encode(take) for take in takes], points_per_segment, rng)
    foreign = [
        c
        for task in unrelated_takes
        for c in build_segment_batches([features.encode(take) for take in task], points_per_segment, rng)
    ]
    if not own or not foreign:
        return False
    after = np.array([_loss_after_adapting(prior, click, click) for click in own])
    other = np.array([[_loss_after_adapting(prior, click, shown) for shown in foreign] for click in own])
    return bool(np.all(np.median(other, axis=1) < MEMORIZATION_MARGIN * after))


def _loss_after_adapting(prior: Prior, query: Points, support: Points) -> float:
    """Return the imitation loss on ``asked`` after adapting to ``shown``."""
    *_, adapted = maml.adapt(prior.model, prior.meta, support, INNER_STEPS)
    with torch.no_grad():
        return float(prior.model.loss(adapted, query).mean())
