"""Trains the prior on, on a person's own tasks mixed with generated ones, and keeps it only if it got better.

Better means: policies adapted from it are closer to takes of the person's tasks that were held out, and not farther
from those of the shipped validation programs. Two short phases as in the making of the shipped prior, the second with
inner steps; now and then everything is judged, and the best that was reached is what remains. Where training forgets,
a prior on the straight line back to the start forgets much less and keeps most of the gain (Wortsman et al. 2022).
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.maml.training_state import MetaParameters, MetaState
from metagui.learning.policy.dataset import DatasetError
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.torch_utils.torch_threads import use_single_thread
from metagui.learning.training.fine_tuning_data import MIN_LIBRARY_TASKS, MIN_TAKES_TO_HOLD_OUT, FineTuningData

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.learning.policy.points import Points
    from metagui.learning.prior import Prior


@dataclass(frozen=True)
class FineTuningSettings:
    """How to train on; the defaults take about three minutes on one thread."""

    seed: int = 0
    encoder: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=1_500, inner_steps=0, lr=3e-4, report_every=25)
    )
    """Phase 1: no inner steps."""
    inner: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=300, inner_steps=5, lr=1e-4, multi_step_fraction=0.3, zero_step_weight=0.2, report_every=10
        )
    )
    """Phase 2: five inner steps."""
    library_fraction: float = 0.5
    """Share of the batches that are drawn from the person's tasks; the others keep what was known."""
    validate_every: int = 100
    """Outer steps between two judgements."""
    min_gain: float = 0.02
    """The person's held-out takes must come closer by this share …"""
    max_forgetting: float = 0.03
    """… and those of the shipped programs may get farther by no more than this one."""
    interpolation_fractions: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    """How much of the way from the start to what was trained is tried, until that much does not forget."""


@dataclass(frozen=True)
class FineTuningLosses:
    """Mean imitation losses on held-out takes after adapting to the others, before any step and after five."""

    own_zero: float
    own: float
    shipped_zero: float
    shipped: float


@dataclass(frozen=True)
class FineTuningStep:
    """Progress of training on."""

    phase: str
    step: int
    steps: int
    loss: float
    elapsed_seconds: float
    losses: FineTuningLosses | None = None
    """Now and then, of the best so far."""


@dataclass(frozen=True)
class FineTuningResult:
    """What came of it."""

    prior: Prior
    """The best that was reached; not to be used unless ``better``."""
    before: FineTuningLosses
    """Of the prior in use so far."""
    after: FineTuningLosses
    is_better: bool
    reason: str
    """In words."""
    finished: bool
    """False if it was stopped; the checkpoint continues."""


def fine_tune(
    start_prior: Prior,
    current_prior: Prior,
    library_data: FineTuningData,
    generated_data: FineTuningData,
    settings: FineTuningSettings | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[FineTuningStep, None, FineTuningResult]:
    """Train ``start`` on; compare with ``in_use``. Stopping keeps the best so far. Raises DatasetError.

    ``generated`` are tasks of the shipped programs, to learn from and to be judged on. ``checkpoint`` names a folder
    in which a killed run continues.
    """
    check_enough_data(library_data)
    run = _FineTuning(
        start_prior, library_data, generated_data, settings or FineTuningSettings(), checkpoint, should_stop
    )
    yield from run.run_phases()
    return run.compare_with(current_prior)


def check_enough_data(library_data: FineTuningData) -> None:
    """Raise DatasetError if a library is too small to train on and to judge by."""
    if library_data.task_count < MIN_LIBRARY_TASKS or not library_data.held_out_task_count:
        raise DatasetError(
            f"The library has {library_data.task_count} tasks to learn from, {library_data.held_out_task_count} of them with {MIN_TAKES_TO_HOLD_OUT} takes or more. "
            f"It takes {MIN_LIBRARY_TASKS} tasks of two takes, and one of {MIN_TAKES_TO_HOLD_OUT}, to train on and to judge by. "
            "Nothing was changed; record more."
        )


class _FineTuning:
    """One training on a library."""

    def __init__(
        self,
        start_prior: Prior,
        library_data: FineTuningData,
        generated_data: FineTuningData,
        settings: FineTuningSettings,
        checkpoint: Path | None,
        should_stop: Callable[[], bool],
    ) -> None:
        use_single_thread()
        self.start_prior, self.library_data, self.generated_data, self.settings = (
            start_prior,
            library_data,
            generated_data,
            settings,
        )
        self.checkpoint, self.should_stop = checkpoint, should_stop
        self.started_at = time.perf_counter()
        self.initial_losses = self.validate(start_prior.meta)
        self.best_meta, self.best_losses = start_prior.meta, self.initial_losses
        self.finished = True

    def run_phases(self) -> Generator[FineTuningStep, None, None]:
        """Run or continue both phases."""
        self._restore_best()
        state = MetaState(self.start_prior.meta.trainable_copy(), self.settings.seed)
        for name, settings, draw in (
            ("encoder", self.settings.encoder, SamplingSettings()),
            ("inner steps", self.settings.inner, SamplingSettings(12, 48, 48)),
        ):
            state = yield from self._run_phase(name, state, settings, draw)
            if not self.finished:
                return
            state = MetaState(state.meta.trainable_copy(), self.settings.seed + 1)

    def _run_phase(
        self, name: str, state: MetaState, settings: MetaSettings, sampling: SamplingSettings
    ) -> Generator[FineTuningStep, None, MetaState]:
        path = self.checkpoint / f"{name.replace(' ', '-')}.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, _ = MetaState.load(path)
        sampler = _MixedSampler(self.library_data, self.generated_data, self.settings.library_fraction, sampling)
        model = replace(
            self.start_prior.model, entry_reached_gain=0.0
        )  # what the prior's own training did without as well
        for record in maml.meta_train(model, sampler, settings, state):
            due = record.step % self.settings.validate_every == 0 or record.step == record.steps
            judgement = self._validate_and_keep(state) if due else None
            if path and due:
                state.save(path)
            seconds = time.perf_counter() - self.started_at
            yield FineTuningStep(name, record.step, record.steps, record.loss_after, seconds, judgement)
            if self.should_stop():
                if path:
                    state.save(path)
                self.finished = False
                break
        return state

    def validate(self, meta: MetaParameters) -> FineTuningLosses:
        """Adapt to what is shown, and look at what was held out."""
        steps = self.settings.inner.inner_steps
        own, shipped = (
            _validation_losses(self.start_prior, meta, lesson, steps)
            for lesson in (self.library_data, self.generated_data)
        )
        return FineTuningLosses(*own, *shipped)

    def _validate_and_keep(self, state: MetaState) -> FineTuningLosses:
        """Go back towards the start until nothing is forgotten; keep that if it is the best so far."""
        for share in self.settings.interpolation_fractions:
            meta = self.start_prior.meta.interpolate(state.meta, share)
            judgement = self.validate(meta)
            if not self._has_forgotten(judgement, self.initial_losses):
                if judgement.own < self.best_losses.own:
                    self._keep_best(meta, judgement)
                break
        return self.best_losses

    def _keep_best(self, meta: MetaParameters, judgement: FineTuningLosses) -> None:
        self.best_meta, self.best_losses = meta, judgement
        if self.checkpoint:
            MetaState(meta, 0).save(self.checkpoint / "best.safetensors", asdict(judgement))

    def _restore_best(self) -> None:
        """Take up the best of a run that was killed."""
        path = self.checkpoint / "best.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, notes = MetaState.load(path)
            self.best_meta, self.best_losses = state.meta.detached_copy(), FineTuningLosses(**notes)

    def _has_forgotten(self, judgement: FineTuningLosses, before: FineTuningLosses) -> bool:
        return judgement.shipped > before.shipped * (1.0 + self.settings.max_forgetting)

    def compare_with(self, current_prior: Prior) -> FineTuningResult:
        """Compare the best with what is in use."""
        before, after = self.validate(current_prior.meta), self.best_losses
        enough = after.own < before.own * (1.0 - self.settings.min_gain)
        better = enough and not self._has_forgotten(after, before)
        words = (
            f"Held-out takes of your tasks: loss {before.own:.3f} before and {after.own:.3f} after; "
            f"of the shipped programs: {before.shipped:.3f} and {after.shipped:.3f}. "
        )
        if better:
            words += "The new prior is better and is used from now on."
        elif enough:
            words += "It forgets too much of what it knew. The prior stays as it was."
        else:
            words += "That is no gain. The prior stays as it was."
        about = {
            "tasks": self.library_data.task_count, "before": asdict(before), "after": asdict(after), "started_from": self.start_prior.id,
            "settings": asdict(self.settings),
        }  # fmt: skip
        prior = replace(self.start_prior, meta=self.best_meta, metadata=self.start_prior.metadata | {"library": about})
        return FineTuningResult(prior, before, after, better, words, self.finished)


class _MixedSampler:
    """Draws a batch from the person's tasks or from the generated ones; those may have other numbers of anchors."""

    def __init__(
        self,
        library_data: FineTuningData,
        generated_data: FineTuningData,
        library_fraction: float,
        sampling: SamplingSettings,
    ) -> None:
        self._library_samplers, self._generated_samplers, self._library_fraction = (
            _build_samplers(library_data, sampling),
            _build_samplers(generated_data, sampling),
            library_fraction,
        )

    def __call__(self, rng: np.random.Generator) -> tuple[Points, Points]:
        """Return (support, query)."""
        samplers = self._library_samplers if rng.random() < self._library_fraction else self._generated_samplers
        sizes = np.array([len(sampler) for sampler in samplers], dtype=np.float64)
        return samplers[int(rng.choice(len(samplers), p=sizes / sizes.sum()))](rng)


def _build_samplers(fine_tuning_data: FineTuningData, sampling: SamplingSettings) -> list[TaskSampler]:
    """Return a sampler for every number of anchors. Raises DatasetError if no click has two takes that last."""
    usable = [
        d
        for d in fine_tuning_data.training
        if any(len(d.find_segments(task)) >= 2 for task in range(len(d.task_names)))
    ]
    if not usable:
        raise DatasetError("No click of any task lasts two decisions in two takes. Nothing was changed; record more.")
    return [TaskSampler(data, range(len(data.task_names)), sampling) for data in usable]


def _validation_losses(
    prior: Prior, meta: MetaParameters, fine_tuning_data: FineTuningData, steps: int
) -> tuple[float, float]:
    """Return the mean loss on a lesson's trials before any step, and after all."""
    rows: list[torch.Tensor] = []
    for shown, asked in fine_tuning_data.validation_batches:
        with torch.no_grad():
            paths = list(maml.adapt(prior.model, meta, shown, steps))
            rows.append(torch.stack([prior.model.loss(fast, asked) for fast in (paths[0], paths[-1])]))
    mean = torch.cat(rows, dim=1).mean(dim=1) if rows else torch.full((2,), float("nan"))
    return float(mean[0]), float(mean[1])
