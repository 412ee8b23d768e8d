"""Makes a prior: meta-trains the policy, and trains the multi-task baseline.

The policy's phases are sequential: encoder and policy without inner steps; the same again, round by round, with
corrections of policies' errors (DAgger); then inner steps on all data. With a checkpoint folder, a killed run continues
where it was and computes exactly the same numbers.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from metagui.arms.kinematics import JOINTS
from metagui.generators import flat_map
from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.dataset import DatasetError, MetaDataset, meta_task_name
from metagui.learning.policy.feature_layout import OBJECT_KINDS
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.prior import Prior
from metagui.learning.torch_utils.worker_process import WorkerProcess
from metagui.learning.training import dagger
from metagui.learning.training.auxiliary_models import (
    AuxiliaryModels,
    take_auxiliary_models,
    train_auxiliary_models,
)
from metagui.learning.training.phases import PhaseRunner, TrainingSettings, TrainingStep, Validation, split_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from metagui.demonstrations.programs.program import TaskProgram
    from metagui.learning.torch_utils.functional_mlp import Params
    from metagui.learning.training.training_data import TrainingData

__all__ = ["TrainingSettings", "TrainingStep", "Validation", "split_tasks", "train_prior"]


def train_prior(
    data: TrainingData,
    settings: TrainingSettings | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    metadata: dict[str, Any] | None = None,
    programs: Sequence[TaskProgram] = (),
    workers: int | None = None,
    data_folder: Path | None = None,
    start: Prior | None = None,
) -> Generator[TrainingStep, None, Prior]:
    """Make a prior from encoded takes; stopping early returns what has been trained so far.

    ``checkpoint`` is a folder from which a killed run continues. On ``programs``, those that the takes show, policies
    run to be corrected. ``workers`` processes run them and compute the gradients, one per core if None. If
    ``data_folder`` contains the ``data`` and there is more than one worker, the baseline is trained in a process of its
    own; the policy does not depend on it. From a ``start``, the first phase is left out, and the baseline is taken from
    it. Raises DatasetError, StateFileError, WorkerProcessError.
    """
    settings, workers = settings or TrainingSettings(), workers or os.cpu_count() or 1
    phases = PhaseRunner(data.decisions, settings, checkpoint, should_stop, workers, data.people)
    policy = _PolicyTraining(phases, programs, start)
    if start is not None:
        final = yield from policy.train()
        auxiliary = take_auxiliary_models(start)
    elif data_folder is None or workers == 1:
        final = yield from policy.train()
        auxiliary = yield from train_auxiliary_models(data, settings, checkpoint, should_stop)
    else:
        with WorkerProcess[TrainingStep, AuxiliaryModels](train_auxiliary_models) as worker:
            worker.start(data_folder, settings, checkpoint)
            final = yield from _interleave_steps(policy.train(), worker.poll_steps)
            auxiliary = yield from worker.wait_for_result(should_stop)
    about = {"data": data.decisions.fingerprint()} | ({"people": data.people.fingerprint()} if data.people else {})
    return policy.build_prior(final, auxiliary, about | (metadata or {}))


def _interleave_steps(
    steps: Generator[TrainingStep, None, MetaState], poll_steps: Callable[[], Iterable[TrainingStep]]
) -> Generator[TrainingStep, None, MetaState]:
    """Yield the records of one job, each followed by those of ``poll_steps``; return the job's result."""

    def with_polled(step: TrainingStep) -> Iterable[TrainingStep]:
        yield step
        yield from poll_steps()

    return flat_map(steps, with_polled)


class _PolicyTraining:
    """Trains a prior's policy, phase by phase."""

    def __init__(self, phases: PhaseRunner, programs: Sequence[TaskProgram], start: Prior | None = None) -> None:
        self.phases, self.settings, self.programs, self.start = phases, phases.settings, programs, start
        self.model = PolicyModel()
        self.corrections: list[MetaDataset] = []

    def train(self) -> Generator[TrainingStep, None, MetaState]:
        """Run all phases; return the final state."""
        settings, seed = self.settings, self.settings.seed
        if self.start is None:
            state = self._initial_state(self.model.initialise(seed), seed)
            state = yield from self.phases.run(
                "encoder", self.model, state, settings.encoder, settings.encoder_sampling
            )
        else:
            state = self._initial_state(self.start.meta.params, seed)
        for index, support_take_counts in enumerate(settings.dagger_rounds):
            found = yield from self._collect_corrections(state, index, support_take_counts)
            if found is None:
                break
            self.corrections.append(found)
            begin = self._initial_state(state.meta.params, seed + 3 + index)
            name, sampling = f"corrected {index + 1}", settings.encoder_sampling
            state = yield from self.phases.run(name, self.model, begin, settings.dagger, sampling, self.corrections)
        begin = self._initial_state(state.meta.params, seed + 1)
        return (
            yield from self.phases.run(
                "inner steps", self.model, begin, settings.inner, settings.inner_sampling, self.corrections
            )
        )

    def build_prior(self, final: MetaState, auxiliary: AuxiliaryModels, metadata: dict[str, Any]) -> Prior:
        """Return the prior with its metadata."""
        meta = final.meta.detached_copy()
        if self.start is not None:
            meta = self.start.meta.interpolate(meta, self.settings.continued_weight)
        about = {
            "joints": [joint.name for joint in JOINTS],
            "kinds": list(OBJECT_KINDS),
            "seed": self.settings.seed,
            "start": self.start.id if self.start else None,
            "settings": asdict(self.settings),
            "tasks": len(self.phases.data.task_names),
            "corrected": sum(len(found.segments) for found in self.corrections),
            "validation": self.phases.validations + auxiliary.validations,
        }
        return Prior(
            self._finished_model(),
            meta,
            auxiliary.baseline,
            about | metadata,
        ).to_half_precision()

    def _finished_model(self) -> PolicyModel:
        """Return the model with the gain that is not used in training."""
        return replace(self.model, entry_reached_gain=self.settings.entry_reached_gain)

    def _initial_state(self, params: Params, seed: int) -> MetaState:
        """Return the state at the start of a phase."""
        steps = max(self.settings.inner.inner_steps, 1)
        return MetaState(maml.initialise(params, self.model.initial_inner_rates(), steps), seed)

    def _collect_corrections(
        self, state: MetaState, index: int, support_take_counts: tuple[int, ...]
    ) -> Generator[TrainingStep, None, MetaDataset | None]:
        """Collect the corrections of one round, or read those of an earlier run; None if there are none."""
        phases = self.phases
        path = phases.checkpoint / f"corrections-{index + 1}.npz" if phases.checkpoint else None
        if path and path.is_file():
            return _load_corrections(path)
        known = {phases.data.task_names[task] for task in phases.training_tasks}
        programs = [program for program in self.programs if meta_task_name(program.name, 0) in known]
        counts = dagger.collect_corrections(
            self._finished_model(),
            state.meta.detached_copy().params,
            phases.data,
            programs,
            self.settings.seed + index,
            support_take_counts,
            phases.workers,
            phases.should_stop,
            phases.people,
        )
        name = f"corrections {index + 1}"
        corrections = yield from flat_map(
            counts,
            lambda count: [TrainingStep(name, count, len(programs), float("nan"), phases.elapsed_seconds)],
        )
        if path and corrections:
            corrections.save(path)
        return corrections


def _load_corrections(path: Path) -> MetaDataset:
    """Read the corrections of an earlier run. Raises DatasetError."""
    try:
        return MetaDataset.load(path)
    except DatasetError as error:
        raise DatasetError(
            f"{path} does not contain corrections that can be read. Nothing was changed; remove it, and the same "
            "command runs the policies again."
        ) from error
