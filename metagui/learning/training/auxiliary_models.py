"""What a prior has beside its policy: the rival that it is compared with, and the encoder of similar tasks.

Neither knows of the policy: on a machine of two cores they are made beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.dataset import Draw
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.similarity import siamese, similarity
from metagui.learning.training.phases import Phases, TrainSettings, TrainStep
from metagui.learning.training.training_data import TrainingData, alike

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.learning.similarity.siamese import Encoder
    from metagui.learning.similarity.trajectory import Series
    from metagui.learning.torch_utils.functional_mlp import Params


@dataclass(frozen=True)
class Side:
    """What is made beside the policy."""

    rival: Params
    """Of the multi-task rival."""
    encoder: Encoder
    calibration: similarity.Calibration | None
    curve: list[dict[str, float]]
    """The rival's validations."""


def make_side(
    data: TrainingData | Path, settings: TrainSettings, checkpoint: Path | None, should_stop: Callable[[], bool]
) -> Generator[TrainStep, None, Side]:
    """Train rival and encoder on ``data``, or on what is kept in that folder. Raises DatasetError, StateFileError."""
    known = data if isinstance(data, TrainingData) else TrainingData.load(data)
    phases = Phases(known.meta, settings, checkpoint, should_stop)
    blind = PolicyModel(blind=True)
    begin = maml.initial(blind.initial(settings.seed), {}, 1)
    state = MetaState(begin, settings.seed + 2)
    rival = yield from phases.run("multi-task rival", blind, state, settings.rival, Draw())
    encoder, calibration = yield from _encoder(known.series, phases)
    frozen = {name: tensor.detach() for name, tensor in rival.meta.params.items()}
    return Side(frozen, encoder, calibration, phases.curve)


def _encoder(
    series: dict[str, Series], phases: Phases
) -> Generator[TrainStep, None, tuple[Encoder, similarity.Calibration | None]]:
    """Train the encoder on most labels, calibrate on the others."""
    names, settings = list(series), phases.settings
    order = np.random.default_rng(settings.seed).permutation(len(names))
    kept = order[: int(len(names) * settings.held_out)]
    held = {names[i]: series[names[i]] for i in kept}
    training = {name: takes for name, takes in series.items() if name not in held}
    groups = {name: alike(name) for name in training}
    steps = siamese.train(training, settings.siamese, should_stop=phases.should_stop, alike=groups)
    while True:
        try:
            record = next(steps)
        except StopIteration as finished:
            encoder: Encoder = finished.value
            break
        yield TrainStep("similarity", record.step, record.steps, record.loss, phases.seconds)
    if len(held) < similarity.LEAST_TASKS:
        return encoder, None
    library = {name: siamese.embed(encoder, takes) for name, takes in held.items()}
    return encoder, similarity.calibrate(library, {name: alike(name) for name in library})
