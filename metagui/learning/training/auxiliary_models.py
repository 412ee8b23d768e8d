"""What a prior has beside its policy: the rival that it is compared with, and the encoder of similar tasks.

Neither knows of the policy: on a machine of two cores they are made beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import SamplingSettings
from metagui.learning.similarity import siamese, similarity
from metagui.learning.training.phases import PhaseRunner, TrainingSettings, TrainingStep
from metagui.learning.training.training_data import TrainingData, drop_label_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.learning.similarity.siamese import SiameseEncoder
    from metagui.learning.similarity.trajectory import Trajectories
    from metagui.learning.torch_utils.functional_mlp import Params


@dataclass(frozen=True)
class AuxiliaryModels:
    """What is made beside the policy."""

    baseline: Params
    """Of the multi-task rival."""
    encoder: SiameseEncoder
    calibration: similarity.DistanceCalibration | None
    validations: list[dict[str, float]]
    """The rival's validations."""


def train_auxiliary_models(
    data: TrainingData | Path, settings: TrainingSettings, checkpoint: Path | None, should_stop: Callable[[], bool]
) -> Generator[TrainingStep, None, AuxiliaryModels]:
    """Train rival and encoder on ``data``, or on what is kept in that folder. Raises DatasetError, StateFileError."""
    known = data if isinstance(data, TrainingData) else TrainingData.load(data)
    phases = PhaseRunner(known.decisions, settings, checkpoint, should_stop)
    blind = PolicyModel(unconditioned=True)
    begin = maml.initialise(blind.initialise(settings.seed), {}, 1)
    state = MetaState(begin, settings.seed + 2)
    rival = yield from phases.run("multi-task rival", blind, state, settings.baseline, SamplingSettings())
    encoder, calibration = yield from _train_encoder(known.trajectories, phases)
    frozen = {name: tensor.detach() for name, tensor in rival.meta.params.items()}
    return AuxiliaryModels(frozen, encoder, calibration, phases.validations)


def _train_encoder(
    series: dict[str, Trajectories], phases: PhaseRunner
) -> Generator[TrainingStep, None, tuple[SiameseEncoder, similarity.DistanceCalibration | None]]:
    """Train the encoder on most labels, calibrate on the others."""
    names, settings = list(series), phases.settings
    order = np.random.default_rng(settings.seed).permutation(len(names))
    kept = order[: int(len(names) * settings.held_out_fraction)]
    held = {names[i]: series[names[i]] for i in kept}
    training = {name: takes for name, takes in series.items() if name not in held}
    groups = {name: drop_label_parameters(name) for name in training}
    steps = siamese.train(training, settings.siamese, should_stop=phases.should_stop, group_labels=groups)
    while True:
        try:
            record = next(steps)
        except StopIteration as finished:
            encoder: SiameseEncoder = finished.value
            break
        yield TrainingStep("similarity", record.step, record.steps, record.loss, phases.elapsed_seconds)
    if len(held) < similarity.MIN_CALIBRATION_TASKS:
        return encoder, None
    library = {name: siamese.embed(encoder, takes) for name, takes in held.items()}
    return encoder, similarity.calibrate(library, {name: drop_label_parameters(name) for name in library})
