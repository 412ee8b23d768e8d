"""Makes a prior: meta-trains policy and encoder, trains the multi-task rival and the Siamese network.

One phase after the other: the encoder and the policy without inner steps; the same again with what policies did
wrong, corrected; then inner steps on everything; then the rival; then the Siamese network. A checkpoint folder makes a
killed run continue where it was, exactly.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from metagui.arms.kinematics import JOINTS
from metagui.learning import correction, features, maml, siamese, similarity
from metagui.learning.dataset import DatasetError, Draw, MetaDataset, TaskSampler
from metagui.learning.maml import MetaSettings
from metagui.learning.meta_state import MetaState
from metagui.learning.policy import PolicyModel
from metagui.learning.prior import Prior
from metagui.learning.siamese import Encoder, SiameseSettings
from metagui.learning.training_data import alike

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from metagui.demonstrations.programs import ClickProgram
    from metagui.learning.policy import Points
    from metagui.learning.training_data import TrainingData


@dataclass(frozen=True)
class TrainSettings:
    """How to make a prior; the defaults take three quarters of an hour on one slow thread, beside another such run."""

    seed: int = 0
    encoder: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=14_000, inner_steps=0, lr=1.5e-3, final_lr=5e-5, report_every=50)
    )
    """Phase 1: no inner steps."""
    corrected: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=4_000, inner_steps=0, lr=5e-4, final_lr=3e-5, report_every=50)
    )
    """Phase 2: no inner steps, and corrections; left out where there are no programs to run policies on."""
    inner: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=600, inner_steps=5, lr=1.5e-4, multi_step=0.3, start_weight=0.2, report_every=50
        )
    )
    """Phase 3: five inner steps on everything."""
    rival: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=2_500, inner_steps=0, lr=1.5e-3, report_every=50)
    )
    """Phase 4: multi-task pretraining."""
    siamese: SiameseSettings = field(default_factory=SiameseSettings)
    """Phase 5."""
    encoder_draw: Draw = field(
        default_factory=lambda: Draw(support=128, studied=64, query=160, distrusted=0.25, disguised=0.2)
    )
    """A quarter of the tasks teach the policy to do without clues, from what was shown alone."""
    inner_draw: Draw = field(default_factory=lambda: Draw(12, support=64, query=48, nudged=0.15, disguised=0.2))
    """In some of the tasks what is inferred is wrong, so that there is something to put right."""
    reached: float = 1.0
    """What the finished policies add to ``PolicyModel.reached``. Training itself would take it back again."""
    held_out: float = 0.1
    """Share of the tasks kept for validation."""
    validate_every: int = 1_000
    """Outer steps between two validations."""


@dataclass(frozen=True)
class Validation:
    """Losses on the takes of held-out tasks."""

    before: float
    """With the demonstration, before any inner step."""
    after: float
    """After the inner steps."""
    other: float
    """After adapting to another task's demonstration: if that is as good, demonstrations are ignored."""

    @property
    def ignores_demonstrations(self) -> bool:
        """Whether the policy has learnt to do without its demonstration (Yin et al. 2020)."""
        return self.other < 1.1 * self.after


@dataclass(frozen=True)
class TrainStep:
    """Progress of making a prior."""

    phase: str
    step: int
    steps: int
    loss: float
    """NaN while policies run to be corrected: nothing is learnt meanwhile."""
    seconds: float
    """Since this run began."""
    skipped: int = 0
    validation: Validation | None = None


def meta_train_prior(
    data: TrainingData,
    settings: TrainSettings | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    metadata: dict[str, Any] | None = None,
    programs: Sequence[ClickProgram] = (),
    workers: int | None = None,
) -> Generator[TrainStep, None, Prior]:
    """Make a prior from prepared takes; stopping early keeps what there is.

    ``checkpoint`` names a folder in which a killed run continues. On ``programs``, those that the takes show, policies
    are run to be corrected, by so many ``workers``, one a core if None: the prior does not depend on how many. Raises
    DatasetError, StateFileError.
    """
    run = _Run(data, settings or TrainSettings(), checkpoint, should_stop, metadata or {}, programs, workers)
    return (yield from run.phases())


class _Run:
    """One making of a prior: what its phases share."""

    def __init__(
        self,
        data: TrainingData,
        settings: TrainSettings,
        checkpoint: Path | None,
        should_stop: Callable[[], bool],
        metadata: dict[str, Any],
        programs: Sequence[ClickProgram],
        workers: int | None,
    ) -> None:
        torch.set_num_threads(1)  # more threads than free cores spin; networks this small gain nothing from them
        self.data, self.settings, self.checkpoint = data, settings, checkpoint
        self.should_stop, self.metadata = should_stop, metadata
        self.programs, self.workers = programs, workers
        self.corrections: MetaDataset | None = None
        self.began = time.perf_counter()
        self.curve: list[dict[str, float]] = []
        self.training, self.held_out = split_tasks(data.meta, settings.held_out, settings.seed)
        self.judge = _validation_batches(data.meta, self.held_out, settings.seed)

    def phases(self) -> Generator[TrainStep, None, Prior]:
        model, seed = PolicyModel(), self.settings.seed
        steps = max(self.settings.inner.inner_steps, 1)
        fresh = maml.initial(model.initial(seed), model.rates(), steps)
        begin = MetaState(fresh, np.random.default_rng(seed))
        first = yield from self._phase("encoder", model, begin, self.settings.encoder, self.settings.encoder_draw)
        first = yield from self._corrected(model, first)
        second = MetaState(maml.initial(first.meta.params, model.rates(), steps), np.random.default_rng(seed + 1))
        final = yield from self._phase("inner steps", model, second, self.settings.inner, self.settings.inner_draw)
        blind = PolicyModel(blind=True)
        rival = MetaState(maml.initial(blind.initial(seed), {}, 1), np.random.default_rng(seed + 2))
        rival = yield from self._phase("multi-task rival", blind, rival, self.settings.rival, Draw())
        encoder, calibration = yield from self._siamese()
        about = {
            "joints": [joint.name for joint in JOINTS],
            "kinds": list(features.KINDS),
            "seed": seed,
            "settings": asdict(self.settings),
            "data": self.data.meta.fingerprint(),
            "tasks": len(self.data.meta.names),
            "corrected": len(self.corrections.segments) if self.corrections else 0,
            "validation": self.curve,
            "calibration": calibration.as_dict() if calibration else None,
        }
        frozen = {name: tensor.detach() for name, tensor in rival.meta.params.items()}
        finished = replace(model, reached=self.settings.reached)
        return Prior(finished, final.meta.frozen(), frozen, encoder, about | self.metadata).rounded()

    def _corrected(self, model: PolicyModel, first: MetaState) -> Generator[TrainStep, None, MetaState]:
        """Train the encoder's policies on, on corrections of what they do."""
        self.corrections = yield from self._corrections(model, first)
        if self.corrections is None:
            return first
        state = MetaState(
            maml.initial(first.meta.params, model.rates(), max(self.settings.inner.inner_steps, 1)),
            np.random.default_rng(self.settings.seed + 3),
        )
        return (yield from self._phase("corrected", model, state, self.settings.corrected, self.settings.encoder_draw))

    def _corrections(self, model: PolicyModel, first: MetaState) -> Generator[TrainStep, None, MetaDataset | None]:
        """Run policies of the training tasks, or read what an earlier run kept of it."""
        path = self.checkpoint / "corrections.npz" if self.checkpoint else None
        if path and path.is_file():
            try:
                return MetaDataset.load(path)
            except DatasetError as error:
                raise DatasetError(
                    f"{path} holds no corrections that can be read. Nothing was changed; remove it, and the same "
                    "command runs the policies again."
                ) from error
        known = {self.data.meta.names[task] for task in self.training}
        programs = [program for program in self.programs if f"{program.name} / 1" in known]
        found = correction.corrections(
            replace(model, reached=self.settings.reached),
            first.meta.frozen().params,
            self.data.meta,
            programs,
            self.settings.seed,
            self.workers,
            self.should_stop,
        )
        while True:
            try:
                count = next(found)
            except StopIteration as finished:
                corrected: MetaDataset | None = finished.value
                break
            yield TrainStep("corrections", count, len(programs), float("nan"), time.perf_counter() - self.began)
        if path and corrected:
            corrected.save(path)
        return corrected

    def _phase(
        self, name: str, model: PolicyModel, state: MetaState, settings: MetaSettings, draw: Draw
    ) -> Generator[TrainStep, None, MetaState]:
        """Run or continue one phase of meta-training."""
        path = self.checkpoint / f"{name.replace(' ', '-')}.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, notes = MetaState.load(path)
            self.curve = notes["curve"]
        sampler = TaskSampler(self.data.meta, self.training, draw, self.corrections)
        for record in maml.meta_train(model, sampler, settings, state):
            due = record.step % self.settings.validate_every == 0 or record.step == record.steps
            found = self._validate(name, model, state, settings) if due else None
            if path and due:
                state.save(path, {"curve": self.curve})
            seconds = time.perf_counter() - self.began
            yield TrainStep(name, record.step, record.steps, record.after, seconds, record.skipped, found)
            if self.should_stop():
                break
        return state

    def _validate(self, name: str, model: PolicyModel, state: MetaState, settings: MetaSettings) -> Validation:
        found = validate(model, state, self.judge, settings.inner_steps)
        self.curve.append({"phase": name, "step": state.step, **asdict(found)})  # type: ignore[dict-item]
        return found

    def _siamese(self) -> Generator[TrainStep, None, tuple[Encoder, similarity.Calibration | None]]:
        """Train the encoder on most labels, calibrate on the others."""
        names = list(self.data.series)
        order = np.random.default_rng(self.settings.seed).permutation(len(names))
        kept = order[: int(len(names) * self.settings.held_out)]
        held = {names[i]: self.data.series[names[i]] for i in kept}
        training = {name: takes for name, takes in self.data.series.items() if name not in held}
        groups = {name: alike(name) for name in training}
        steps = siamese.train(training, self.settings.siamese, should_stop=self.should_stop, alike=groups)
        while True:
            try:
                record = next(steps)
            except StopIteration as finished:
                encoder: Encoder = finished.value
                break
            seconds = time.perf_counter() - self.began
            yield TrainStep("similarity", record.step, record.steps, record.loss, seconds)
        if len(held) < similarity.LEAST_TASKS:
            return encoder, None
        library = {name: siamese.embed(encoder, takes) for name, takes in held.items()}
        return encoder, similarity.calibrate(library, {name: alike(name) for name in library})


def split_tasks(data: MetaDataset, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Return training and held-out tasks, by seed; all clicks of one program on the same side."""
    programs = sorted({name.rsplit(" / ", 1)[0] for name in data.names})
    order = np.random.default_rng(seed).permutation(len(programs))
    held = {programs[i] for i in order[: round(len(programs) * share)]}
    sides: tuple[list[int], list[int]] = ([], [])
    for task, name in enumerate(data.names):
        sides[name.rsplit(" / ", 1)[0] in held].append(task)
    return sides


def _validation_batches(data: MetaDataset, tasks: list[int], seed: int) -> list[tuple[Points, Points]]:
    """Draw the batches that every validation uses; none if nothing is held out."""
    if not any(len(data.takes_of(task)) >= 2 for task in tasks):
        return []
    sampler = TaskSampler(data, tasks, Draw(24, permute=False, mirrored=0.0))
    return [sampler(np.random.default_rng(seed + i)) for i in range(4)]


def validate(model: PolicyModel, state: MetaState, batches: list[tuple[Points, Points]], steps: int) -> Validation:
    """Return the losses on held-out tasks, NaN if there are none."""
    meta, rows = state.meta.frozen(), []
    for support, query in batches:
        with torch.no_grad():
            paths = list(maml.adapt(model, meta, support, steps))
            before, after = (model.loss(fast, query).mean() for fast in (paths[0], paths[-1]))
            turned = {name: tensor.roll(1, 0) for name, tensor in paths[-1].items()}
            rows.append([float(before), float(after), float(model.loss(turned, query).mean())])
    return Validation(*np.mean(rows, axis=0).tolist()) if rows else Validation(*[float("nan")] * 3)
