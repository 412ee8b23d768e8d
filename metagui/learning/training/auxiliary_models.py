"""Trains the other two models of a prior: the multi-task baseline, and the Siamese encoder with its calibration.

Neither depends on the policy, so both can be trained in a worker process in parallel to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.generators import flat_map
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

    from metagui.learning.prior import Prior
    from metagui.learning.similarity.siamese import SiameseEncoder
    from metagui.learning.similarity.trajectory import Trajectories
    from metagui.learning.torch_utils.functional_mlp import Params

BASELINE_PHASE = "multi-task rival"
"""Phase of the baseline, with the name that checkpoints and priors of version 0.1 have."""


@dataclass(frozen=True)
class AuxiliaryModels:
    """The trained auxiliary models."""

    baseline: Params
    """Parameters of the multi-task baseline."""
    encoder: SiameseEncoder
    """Encoder for task similarity."""
    calibration: similarity.DistanceCalibration | None
    """Calibration of its distances; None if there are too few tasks."""
    validations: list[dict[str, float]]
    """Validations of the baseline, as in ``PhaseRunner.validations``."""


def train_auxiliary_models(
    data: TrainingData | Path, settings: TrainingSettings, checkpoint: Path | None, should_stop: Callable[[], bool]
) -> Generator[TrainingStep, None, AuxiliaryModels]:
    """Train baseline and encoder on ``data``, or on the data cached in that folder.

    Raises DatasetError and StateFileError.
    """
    training_data = data if isinstance(data, TrainingData) else TrainingData.load(data)
    phases = PhaseRunner(training_data.decisions, settings, checkpoint, should_stop)
    model = PolicyModel(unconditioned=True)
    state = MetaState(maml.initialise(model.initialise(settings.seed), {}, 1), settings.seed + 2)
    baseline = yield from phases.run(BASELINE_PHASE, model, state, settings.baseline, SamplingSettings())
    encoder, calibration = yield from _train_encoder(training_data.trajectories, phases)
    frozen = {name: tensor.detach() for name, tensor in baseline.meta.params.items()}
    return AuxiliaryModels(frozen, encoder, calibration, phases.validations)


def take_auxiliary_models(prior: Prior) -> AuxiliaryModels:
    """Return baseline and encoder of a prior, with the validations of the former."""
    calibration = similarity.DistanceCalibration.from_dict(prior.metadata.get("calibration"))
    validations = [row for row in prior.metadata.get("validation", ()) if row["phase"] == BASELINE_PHASE]
    return AuxiliaryModels(prior.baseline, prior.siamese_encoder, calibration, validations)


def _train_encoder(
    trajectories: dict[str, Trajectories], phases: PhaseRunner
) -> Generator[TrainingStep, None, tuple[SiameseEncoder, similarity.DistanceCalibration | None]]:
    """Train the encoder on most labels, calibrate it on the others."""
    names, settings = list(trajectories), phases.settings
    order = np.random.default_rng(settings.seed).permutation(len(names))
    held_out = {names[i]: trajectories[names[i]] for i in order[: int(len(names) * settings.held_out_fraction)]}
    training = {name: takes for name, takes in trajectories.items() if name not in held_out}
    groups = {name: drop_label_parameters(name) for name in training}
    steps = siamese.train(training, settings.siamese, should_stop=phases.should_stop, group_labels=groups)
    encoder = yield from flat_map(
        steps,
        lambda record: [TrainingStep("similarity", record.step, record.steps, record.loss, phases.elapsed_seconds)],
    )
    if len(held_out) < similarity.MIN_CALIBRATION_TASKS:
        return encoder, None
    library = {name: siamese.embed(encoder, takes) for name, takes in held_out.items()}
    return encoder, similarity.calibrate(library, {name: drop_label_parameters(name) for name in library})
