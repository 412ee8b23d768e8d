"""A training of a few seconds on the example takes, for tests."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from metagui.generators import run_to_end
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.training.pretraining import TrainingSettings, TrainingStep, train_prior
from metagui.learning.training.training_data import TrainingData, encode_takes
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.learning.prior import Prior


@functools.cache
def encode_example_training_data() -> TrainingData:
    """Return the example takes as training data."""
    return encode_takes(take for takes in generate_example_takes().values() for take in takes)


def make_short_settings() -> TrainingSettings:
    """Return settings with which every phase takes four steps."""
    return TrainingSettings(
        encoder=MetaSettings(steps=4, inner_steps=0, report_every=2, batches_per_step=2),
        dagger=MetaSettings(steps=4, inner_steps=0, report_every=2),
        inner=MetaSettings(steps=4, inner_steps=2, report_every=2),
        baseline=MetaSettings(steps=4, inner_steps=0, report_every=2),
        dagger_rounds=((1,), (1, 3)),
        held_out_fraction=0.3,
        validate_every=2,
    )


def train_shortly(
    data: TrainingData, checkpoint: Path | None = None, should_stop: Callable[[], bool] = lambda: False
) -> tuple[list[TrainingStep], Prior]:
    """Return the steps of a short training, and the prior that it made."""
    training = train_prior(data, make_short_settings(), checkpoint, should_stop, {"command": "test"})
    steps: list[TrainingStep] = []
    return steps, run_to_end(training, steps.append)
