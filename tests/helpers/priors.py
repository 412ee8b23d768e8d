"""Untrained priors and their policies, small enough for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.learning.adaptation.adaptation import AdaptationStep, adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.maml import maml
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.prior import Prior

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy

UNTRAINED_MODEL = PolicyModel(hidden=32, encoder=32, summary=16, context=8)
QUICK_SETTINGS = CandidateSettings(max_adam_steps=10, support_points=48)
"""Settings with which a task is adapted in about a second."""


def make_small_prior() -> Prior:
    """Return an untrained prior for tests of the window, whose predictions do not matter."""
    model = PolicyModel(hidden=16, encoder=16, summary=8, context=4)
    meta = maml.initialise(model.initialise(0), model.initial_inner_rates(), 5).detached_copy()
    return Prior(model, meta, PolicyModel(16, 16, 8, 4, unconditioned=True).initialise(1))


def make_untrained_prior(**metadata: object) -> Prior:
    """Return an untrained prior of ``UNTRAINED_MODEL`` for tests of learning."""
    model = UNTRAINED_MODEL
    meta = maml.initialise(model.initialise(0), model.initial_inner_rates(), 5).detached_copy()
    baseline = PolicyModel(32, 32, 16, 8, unconditioned=True).initialise(1)
    return Prior(model, meta, baseline, dict(metadata))


def adapt_untrained_prior(
    takes: Sequence[Demonstration], should_stop: Callable[[], bool] = lambda: False, **options: object
) -> tuple[list[AdaptationStep], TaskPolicy]:
    """Adapt an untrained prior to ``takes``; return every step and the policy."""
    job = adapt_task(make_untrained_prior(), takes, QUICK_SETTINGS, should_stop, **options)  # type: ignore[arg-type]
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as finished:
            return steps, finished.value
