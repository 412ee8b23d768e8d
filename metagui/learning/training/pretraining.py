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
from metagui.learning.torch_utils.background_process import Beside
from metagui.learning.training import dagger
from metagui.learning.training.auxiliary_models import Side, make_side
from metagui.learning.training.phases import Phases, TrainSettings, TrainStep, Validation, split_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.learning.torch_utils.functional_mlp import Params
    from metagui.learning.training.training_data import TrainingData

__all__ = ["TrainSettings", "TrainStep", "Validation", "meta_train_prior", "split_tasks"]


def meta_train_prior(
    data: TrainingData,
    settings: TrainSettings | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    metadata: dict[str, Any] | None = None,
    programs: Sequence[ClickProgram] = (),
    workers: int | None = None,
    folder: Path | None = None,
) -> Generator[TrainStep, None, Prior]:
    """Make a prior from prepared takes; stopping early keeps what there is.

    ``checkpoint`` names a folder in which a killed run continues. On ``programs``, those that the takes show, policies
    are run to be corrected. So many ``workers`` do that, and share the steps, one a core if None. Where ``folder``
    holds the ``data``, and there is more than one worker, rival and Siamese network are made in a process of their
    own. The prior depends on neither. Raises DatasetError, StateFileError, BesideError, HelperError.
    """
    settings, workers = settings or TrainSettings(), workers or os.cpu_count() or 1
    policy = _Policy(Phases(data.meta, settings, checkpoint, should_stop, workers), programs)
    if folder is None or workers == 1:
        final = yield from policy.train()
        side = yield from make_side(data, settings, checkpoint, should_stop)
    else:
        with Beside(make_side, folder, settings, checkpoint) as beside:
            final = yield from _along(policy.train(), beside.news)
            side = yield from beside.result(should_stop)
    return policy.prior(final, side, {"data": data.meta.fingerprint()} | (metadata or {}))


def _along(
    steps: Generator[TrainStep, None, MetaState], news: Callable[[], Iterable[TrainStep]]
) -> Generator[TrainStep, None, MetaState]:
    """Yield the steps of one job, and in between those that come from elsewhere."""
    while True:
        try:
            yield next(steps)
        except StopIteration as finished:
            final: MetaState = finished.value
            return final
        yield from news()


class _Policy:
    """The making of a prior's policy."""

    def __init__(self, phases: Phases, programs: Sequence[ClickProgram]) -> None:
        self.phases, self.settings, self.programs = phases, phases.settings, programs
        self.model = PolicyModel()
        self.corrections: list[MetaDataset] = []

    def train(self) -> Generator[TrainStep, None, MetaState]:
        """Train it, phase by phase."""
        settings, seed = self.settings, self.settings.seed
        begin = self._begin(self.model.initial(seed), seed)
        state = yield from self.phases.run("encoder", self.model, begin, settings.encoder, settings.encoder_draw)
        for index, shown in enumerate(settings.rounds):
            found = yield from self._corrections(state, index, shown)
            if found is None:
                break
            self.corrections.append(found)
            begin = self._begin(state.meta.params, seed + 3 + index)
            name, draw = f"corrected {index + 1}", settings.encoder_draw
            state = yield from self.phases.run(name, self.model, begin, settings.corrected, draw, self.corrections)
        begin = self._begin(state.meta.params, seed + 1)
        return (
            yield from self.phases.run(
                "inner steps", self.model, begin, settings.inner, settings.inner_draw, self.corrections
            )
        )

    def prior(self, final: MetaState, side: Side, metadata: dict[str, Any]) -> Prior:
        """Return the prior, with what is to be known about it."""
        calibration = side.calibration
        about = {
            "joints": [joint.name for joint in JOINTS],
            "kinds": list(features.KINDS),
            "seed": self.settings.seed,
            "settings": asdict(self.settings),
            "tasks": len(self.phases.data.names),
            "corrected": sum(len(found.segments) for found in self.corrections),
            "validation": self.phases.curve + side.curve,
            "calibration": calibration.as_dict() if calibration else None,
        }
        finished = replace(self.model, reached=self.settings.reached)
        return Prior(finished, final.meta.frozen(), side.rival, side.encoder, about | metadata).rounded()

    def _begin(self, params: Params, seed: int) -> MetaState:
        """Return where a phase begins."""
        steps = max(self.settings.inner.inner_steps, 1)
        return MetaState(maml.initial(params, self.model.rates(), steps), seed)

    def _corrections(
        self, state: MetaState, index: int, shown: tuple[int, ...]
    ) -> Generator[TrainStep, None, MetaDataset | None]:
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
        known = {phases.data.names[task] for task in phases.training}
        programs = [program for program in self.programs if f"{program.name} / 1" in known]
        found = dagger.corrections(
            replace(self.model, reached=self.settings.reached),
            state.meta.frozen().params,
            phases.data,
            programs,
            self.settings.seed + index,
            shown,
            phases.workers,
            phases.should_stop,
        )
        while True:
            try:
                count = next(found)
            except StopIteration as finished:
                corrected: MetaDataset | None = finished.value
                break
            yield TrainStep(f"corrections {index + 1}", count, len(programs), float("nan"), phases.seconds)
        if path and corrected:
            corrected.save(path)
        return corrected
