"""Fine-tunes a prior on a user's own tasks mixed with generated ones; the new prior is used only if it is better.

Better means: policies adapted from it have a lower loss on held-out takes of the user's tasks, and not a higher one on
those of the shipped validation programs. Two short phases as in pretraining, the second with inner steps; at intervals
both losses are measured, and the best prior so far is stored. Where training forgets, a prior interpolated back towards
the start forgets much less and retains most of the gain (Wortsman et al. 2022).
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from metagui.learning.maml import maml
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.maml.training_state import MetaParameters, MetaState, StateFileError
from metagui.learning.policy.dataset import DatasetError
from metagui.learning.policy.task_sampler import SamplingSettings
from metagui.learning.torch_utils.torch_threads import use_single_thread
from metagui.learning.training.fine_tuning_data import (
    MIN_LIBRARY_TASKS,
    MIN_TAKES_TO_HOLD_OUT,
    FineTuningData,
    MixedSampler,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.learning.prior import Prior


@dataclass(frozen=True)
class FineTuningSettings:
    """Hyperparameters of fine-tuning; the defaults take about three minutes on one thread."""

    seed: int = 0
    """Seed of the batches."""
    encoder: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=1_500, inner_steps=0, lr=3e-4, report_every=25)
    )
    """Phase 1: no inner steps."""
    inner: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=300, lr=1e-4, multi_step_fraction=0.3, zero_step_weight=0.2, report_every=10
        )
    )
    """Phase 2: with inner steps."""
    library_fraction: float = 0.5
    """Fraction of the batches drawn from the user's tasks; the others prevent forgetting."""
    validate_every: int = 100
    """Number of outer steps between two validations."""
    min_gain: float = 0.02
    """Minimum relative decrease of the loss on the user's held-out takes."""
    max_forgetting: float = 0.03
    """Maximum relative increase of the loss on the shipped programs."""
    interpolation_fractions: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    """Interpolations between the start (0) and the trained prior (1), tried in order until one does not forget."""


@dataclass(frozen=True)
class FineTuningLosses:
    """Mean imitation losses on held-out takes, with the other takes as support set."""

    own_zero: float
    """On the user's tasks, before any inner step."""
    own: float
    """On the user's tasks, after the inner steps."""
    shipped_zero: float
    """On the shipped programs, before any inner step."""
    shipped: float
    """On the shipped programs, after the inner steps."""


@dataclass(frozen=True)
class FineTuningStep:
    """Progress of fine-tuning."""

    phase: str
    step: int
    steps: int
    loss: float
    """Query loss of the last batch after adaptation."""
    elapsed_seconds: float
    """Time since this run began, s."""
    losses: FineTuningLosses | None = None
    """Losses of the best prior so far, if they were measured at this step."""


@dataclass(frozen=True)
class FineTuningResult:
    """The fine-tuned prior compared with the one in use."""

    prior: Prior
    """Best prior that was reached; to be used only if ``is_better``."""
    before: FineTuningLosses
    """Losses of the prior in use so far."""
    after: FineTuningLosses
    """Losses of ``prior``."""
    is_better: bool
    """True if it has a lower loss on the user's tasks and does not forget."""
    reason: str
    """Comparison for users."""
    finished: bool
    """False if it was stopped; it continues from the checkpoint."""


def fine_tune(
    start_prior: Prior,
    current_prior: Prior,
    library_data: FineTuningData,
    generated_data: FineTuningData,
    settings: FineTuningSettings | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[FineTuningStep, None, FineTuningResult]:
    """Fine-tune ``start_prior`` and compare the best result with ``current_prior``.

    ``generated_data`` are tasks of the shipped programs, for training and validation. ``checkpoint`` is a folder from
    which a killed run continues. Stopping returns the best so far. Raises DatasetError, StateFileError and OSError.
    """
    check_enough_data(library_data)
    run = _FineTuning(
        start_prior, library_data, generated_data, settings or FineTuningSettings(), checkpoint, should_stop
    )
    yield from run.run_phases()
    return run.compare_with(current_prior)


def check_enough_data(library_data: FineTuningData) -> None:
    """Raise DatasetError if a library is too small for training and validation."""
    if library_data.task_count < MIN_LIBRARY_TASKS or not library_data.held_out_task_count:
        raise DatasetError(
            f"The library has {library_data.task_count} tasks to learn from, "
            f"{library_data.held_out_task_count} of them with {MIN_TAKES_TO_HOLD_OUT} takes or more. Fine-tuning needs "
            f"{MIN_LIBRARY_TASKS} tasks with two takes, and one with {MIN_TAKES_TO_HOLD_OUT}. Nothing was changed; "
            "record more."
        )


class _FineTuning:
    """One fine-tuning run."""

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
        self.start_prior, self.library_data, self.generated_data = start_prior, library_data, generated_data
        self.settings, self.checkpoint, self.should_stop = settings, checkpoint, should_stop
        self.started_at = time.perf_counter()
        self.initial_losses = self.validate(start_prior.meta)
        self.best_meta, self.best_losses = start_prior.meta, self.initial_losses
        self.finished = True

    def run_phases(self) -> Generator[FineTuningStep, None, None]:
        """Run or resume both phases."""
        self._restore_best()
        state = MetaState(self.start_prior.meta.trainable_copy(), self.settings.seed)
        for name, settings, sampling in (
            ("encoder", self.settings.encoder, SamplingSettings()),
            ("inner steps", self.settings.inner, SamplingSettings(12, 48, 48)),
        ):
            state = yield from self._run_phase(name, state, settings, sampling)
            if not self.finished:
                return
            state = MetaState(state.meta.trainable_copy(), self.settings.seed + 1)

    def _run_phase(
        self, name: str, state: MetaState, settings: MetaSettings, sampling: SamplingSettings
    ) -> Generator[FineTuningStep, None, MetaState]:
        """Run or resume one phase."""
        path = self.checkpoint / f"{name.replace(' ', '-')}.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, _ = state.load_next(path)
        sampler = MixedSampler(self.library_data, self.generated_data, self.settings.library_fraction, sampling)
        model = replace(self.start_prior.model, entry_reached_gain=0.0)  # as in pretraining
        for record in maml.meta_train(model, sampler, settings, state):
            is_due = record.step % self.settings.validate_every == 0 or record.step == record.steps
            losses = self._validate_and_keep(state) if is_due else None
            if path and is_due:
                state.save(path)
            seconds = time.perf_counter() - self.started_at
            yield FineTuningStep(name, record.step, record.steps, record.loss_after, seconds, losses)
            if self.should_stop():
                if path:
                    state.save(path)
                self.finished = False
                break
        return state

    def validate(self, meta: MetaParameters) -> FineTuningLosses:
        """Return the losses on held-out takes of both data sets."""
        steps = self.settings.inner.inner_steps
        own, shipped = (
            _validation_losses(self.start_prior, meta, data, steps) for data in (self.library_data, self.generated_data)
        )
        return FineTuningLosses(*own, *shipped)

    def _validate_and_keep(self, state: MetaState) -> FineTuningLosses:
        """Interpolate towards the start until nothing is forgotten; store the result if it is the best so far."""
        for fraction in self.settings.interpolation_fractions:
            meta = self.start_prior.meta.interpolate(state.meta, fraction)
            losses = self.validate(meta)
            if not self._has_forgotten(losses, self.initial_losses):
                if losses.own < self.best_losses.own:
                    self._keep_best(meta, losses)
                break
        return self.best_losses

    def _keep_best(self, meta: MetaParameters, losses: FineTuningLosses) -> None:
        self.best_meta, self.best_losses = meta, losses
        if self.checkpoint:
            MetaState(meta, 0).save(self.checkpoint / "best.safetensors", asdict(losses))

    def _restore_best(self) -> None:
        """Read the best prior of a killed run from the checkpoint."""
        path = self.checkpoint / "best.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, notes = MetaState(self.start_prior.meta, 0).load_next(path)
            try:
                self.best_losses = FineTuningLosses(**{key: float(value) for key, value in notes.items()})
            except (TypeError, ValueError) as error:
                raise StateFileError(f"{path} is damaged: it does not say how good it is. Remove it.") from error
            self.best_meta = state.meta.detached_copy()

    def _has_forgotten(self, losses: FineTuningLosses, before: FineTuningLosses) -> bool:
        return losses.shipped > before.shipped * (1.0 + self.settings.max_forgetting)

    def compare_with(self, current_prior: Prior) -> FineTuningResult:
        """Compare the best prior with the one in use."""
        before, after = self.validate(current_prior.meta), self.best_losses
        has_gained = after.own < before.own * (1.0 - self.settings.min_gain)
        is_better = has_gained and not self._has_forgotten(after, before)
        reason = (
            f"Loss on held-out takes of your tasks: {before.own:.3f} before and {after.own:.3f} after; "
            f"of the shipped programs: {before.shipped:.3f} and {after.shipped:.3f}. "
        )
        if is_better:
            reason += "The new prior is better and is used from now on."
        elif has_gained:
            reason += "The new prior is worse on the shipped programs. The prior in use was not changed."
        else:
            reason += "The new prior is not better. The prior in use was not changed."
        about = {
            "tasks": self.library_data.task_count,
            "before": asdict(before),
            "after": asdict(after),
            "started_from": self.start_prior.id,
            "settings": asdict(self.settings),
        }
        prior = replace(self.start_prior, meta=self.best_meta, metadata=self.start_prior.metadata | {"library": about})
        return FineTuningResult(prior, before, after, is_better, reason, self.finished)


def _validation_losses(prior: Prior, meta: MetaParameters, data: FineTuningData, steps: int) -> tuple[float, float]:
    """Return the mean loss on held-out takes before any inner step, and after all."""
    rows: list[torch.Tensor] = []
    for support, query in data.validation_batches:
        with torch.no_grad():
            paths = list(maml.adapt(prior.model, meta, support, steps))
            rows.append(torch.stack([prior.model.loss(fast, query) for fast in (paths[0], paths[-1])]))
    mean = torch.cat(rows, dim=1).mean(dim=1) if rows else torch.full((2,), float("nan"))
    return float(mean[0]), float(mean[1])
