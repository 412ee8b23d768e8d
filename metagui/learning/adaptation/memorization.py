"""The alarm that a policy ignores its demonstrations: it would do as well after another task's.

A meta-learnt policy may have memorised what to do and need no demonstration (Yin et al., 2020, Meta-learning without
memorization). Then its losses look fine, and it does not what was shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.adaptation.behaviour_distance import clicks_of
from metagui.learning.maml import maml
from metagui.learning.policy import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.policy import Points
    from metagui.learning.prior import Prior

MARGIN = 1.1
"""A policy must be this much better after its own demonstrations than after another task's."""


def ignores_demonstrations(
    prior: Prior, takes: Sequence[Demonstration], others: Sequence[Sequence[Demonstration]], points: int = 64
) -> bool:
    """Whether the prior does as well on ``takes`` after the demonstrations of ``others``, task by task.

    False where there are no other tasks to tell by.
    """
    rng = np.random.default_rng(0)
    own = clicks_of([features.encode(take) for take in takes], points, rng)
    foreign = [c for task in others for c in clicks_of([features.encode(take) for take in task], points, rng)]
    if not own or not foreign:
        return False
    after = np.array([_loss(prior, click, click) for click in own])
    other = np.array([[_loss(prior, click, shown) for shown in foreign] for click in own])
    return bool(np.all(np.median(other, axis=1) < MARGIN * after))


def _loss(prior: Prior, asked: Points, shown: Points) -> float:
    """Return the imitation loss on ``asked`` after adapting to ``shown``."""
    *_, adapted = maml.adapt(prior.model, prior.meta, shown, 5)
    with torch.no_grad():
        return float(prior.model.loss(adapted, asked).mean())
