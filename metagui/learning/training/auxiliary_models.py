"""Trains the other model of a prior, the multi-task baseline, which can run in a worker process beside the policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import SamplingSettings
from metagui.learning.training.phases import PhaseRunner, TrainingSettings, TrainingStep
from metagui.learning.training.training_data import TrainingData

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.learning.prior import Prior
    from metagui.learning.torch_utils.functional_mlp import Params

BASELINE_PHASE = "multi-task rival"
"""Phase of the baseline, with the name that checkpoints and priors of version 0.1 have."""


@dataclass(frozen=True)
class AuxiliaryModels:
    """The trained baseline."""

    baseline: Params
    """Parameters of the multi-task baseline."""
    validations: list[dict[str, float]]
    """Validations of the baseline, as in ``PhaseRunner.validations``."""


def train_auxiliary_models(
    data: TrainingData | Path, settings: TrainingSettings, checkpoint: Path | None, should_stop: Callable[[], bool]
) -> Generator[TrainingStep, None, AuxiliaryModels]:
    """Train the baseline on ``data``, or on the data cached in that folder.

    Raises DatasetError and StateFileError.
    """
    training_data = data if isinstance(data, TrainingData) else TrainingData.load(data)
    phases = PhaseRunner(training_data.decisions, settings, checkpoint, should_stop)
    model = PolicyModel(unconditioned=True)
    state = MetaState(maml.initialise(model.initialise(settings.seed), {}, 1), settings.seed + 2)
    baseline = yield from phases.run(BASELINE_PHASE, model, state, settings.baseline, SamplingSettings())
    frozen = {name: tensor.detach() for name, tensor in baseline.meta.params.items()}
    return AuxiliaryModels(frozen, phases.validations)


def take_auxiliary_models(prior: Prior) -> AuxiliaryModels:
    """Return the baseline of a prior, with its validations."""
    validations = [row for row in prior.metadata.get("validation", ()) if row["phase"] == BASELINE_PHASE]
    return AuxiliaryModels(prior.baseline, validations)
