"""Makes a prior: meta-trains the policy, and beside it the multi-task rival and the Siamese network.

The policy's phases come one after the other: the encoder and the policy without inner steps; the same again, round by
round, with what policies did wrong, corrected; then inner steps on everything. A checkpoint folder makes a killed run
continue where it was, exactly.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from metagui.arms.kinematics import JOINTS
from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy import features
from metagui.learning.policy.dataset import DatasetError, MetaDataset
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.prior import Prior
from metagui.learning.torch_utils.background_process import BackgroundProcess
from metagui.learning.training import dagger
from metagui.learning.training.auxiliary_models import AuxiliaryModels, train_auxiliary_models
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
) -> Generator[TrainingStep, None, Prior]:
    """Make a prior from prepared takes; stopping early keeps what there is.

    ``checkpoint`` names a folder in which a killed run continues. On ``programs``, those that the takes show, policies
    are run to be corrected. So many ``workers`` do that, and share the steps, one a core if None. Where ``folder``
    holds the ``data``, and there is more than one worker, rival and Siamese network are made in a process of their
    own. The prior depends on neither. Raises DatasetError, StateFileError, BesideError, HelperError.
    """
    settings, workers = settings or TrainingSettings(), workers or os.cpu_count() or 1
    policy = _PolicyTraining(PhaseRunner(data.decisions, settings, checkpoint, should_stop, workers), programs)
    if data_folder is None or workers == 1:
        final = yield from policy.train()
        side = yield from train_auxiliary_models(data, settings, checkpoint, should_stop)
    else:
        with BackgroundProcess(train_auxiliary_models, data_folder, settings, checkpoint) as beside:
            final = yield from _interleave_steps(policy.train(), beside.poll_steps)
            side = yield from beside.wait_for_result(should_stop)
    return policy.build_prior(final, side, {"data": data.decisions.fingerprint()} | (metadata or {}))


def _interleave_steps(
    steps: Generator[TrainingStep, None, MetaState], poll_steps: Callable[[], Iterable[TrainingStep]]
) -> Generator[TrainingStep, None, MetaState]:
    """Yield the steps of one job, and in between those that come from elsewhere."""
    while True:
        try:
            yield next(steps)
        except StopIteration as finished:
            final: MetaState = finished.value
            return final
        yield from poll_steps()


class _PolicyTraining:
    """The making of a prior's policy."""

    def __init__(self, phases: PhaseRunner, programs: Sequence[TaskProgram]) -> None:
        self.phases, self.settings, self.programs = phases, phases.settings, programs
        self.model = PolicyModel()
        self.corrections: list[MetaDataset] = []

    def train(self) -> Generator[TrainingStep, None, MetaState]:
        """Train it, phase by phase."""
        settings, seed = self.settings, self.settings.seed
        begin = self._initial_state(self.model.initialise(seed), seed)
        state = yield from self.phases.run("encoder", self.model, begin, settings.encoder, settings.encoder_sampling)
        for index, shown in enumerate(settings.dagger_rounds):
            found = yield from self._collect_corrections(state, index, shown)
            if found is None:
                break
            self.corrections.append(found)
            begin = self._initial_state(state.meta.params, seed + 3 + index)
            name, draw = f"corrected {index + 1}", settings.encoder_sampling
            state = yield from self.phases.run(name, self.model, begin, settings.dagger, draw, self.corrections)
        begin = self._initial_state(state.meta.params, seed + 1)
        return (
            yield from self.phases.run(
                "inner steps", self.model, begin, settings.inner, settings.inner_sampling, self.corrections
            )
        )

    def build_prior(self, final: MetaState, auxiliary: AuxiliaryModels, metadata: dict[str, Any]) -> Prior:
        """Return the prior, with what is to be known about it."""
        calibration = auxiliary.calibration
        about = {
            "joints": [joint.name for joint in JOINTS],
            "kinds": list(features.OBJECT_KINDS),
            "seed": self.settings.seed,
            "settings": asdict(self.settings),
            "tasks": len(self.phases.data.task_names),
            "corrected": sum(len(found.segments) for found in self.corrections),
            "validation": self.phases.validations + auxiliary.validations,
            "calibration": calibration.as_dict() if calibration else None,
        }
        finished = replace(self.model, entry_reached_gain=self.settings.entry_reached_gain)
        return Prior(
            finished, final.meta.detached_copy(), auxiliary.baseline, auxiliary.encoder, about | metadata
        ).to_half_precision()

    def _initial_state(self, params: Params, seed: int) -> MetaState:
        """Return where a phase begins."""
        steps = max(self.settings.inner.inner_steps, 1)
        return MetaState(maml.initialise(params, self.model.initial_inner_rates(), steps), seed)

    def _collect_corrections(
        self, state: MetaState, index: int, support_take_counts: tuple[int, ...]
    ) -> Generator[TrainingStep, None, MetaDataset | None]:
        """Run policies of the training tasks, or read what an earlier run kept of it."""
        phases = self.phases
        path = phases.checkpoint / f"corrections-{index + 1}.npz" if phases.checkpoint else None
        if path and path.is_file():
            try:
                return MetaDataset.load(path)
            except DatasetError as error:
                raise DatasetError(
                    f"{path} holds no corrections that can be read. Nothing was changed; remove it, and the same "
                    "command runs the policies again."
                ) from error
        known = {phases.data.task_names[task] for task in phases.training_tasks}
        programs = [program for program in self.programs if f"{program.name} / 1" in known]
        found = dagger.collect_corrections(
            replace(self.model, entry_reached_gain=self.settings.entry_reached_gain),
            state.meta.detached_copy().params,
            phases.data,
            programs,
            self.settings.seed + index,
            support_take_counts,
            phases.workers,
            phases.should_stop,
        )
        while True:
            try:
                count = next(found)
            except StopIteration as finished:
                corrected: MetaDataset | None = finished.value
                break
            yield TrainingStep(f"corrections {index + 1}", count, len(programs), float("nan"), phases.elapsed_seconds)
        if path and corrected:
            corrected.save(path)
        return corrected
