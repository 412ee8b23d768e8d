"""Phases of making a prior: settings, progress records, and a runner that starts, resumes and validates each phase."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from metagui.learning.adaptation.memorization import MEMORIZATION_MARGIN
from metagui.learning.maml import maml
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.maml.training_state import MetaState, StateFileError
from metagui.learning.policy.dataset import program_name
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from metagui.learning.policy.dataset import MetaDataset
    from metagui.learning.policy.points import Points
    from metagui.learning.policy.policy import PolicyModel


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of making a prior; the defaults take 25 minutes on two cores, with the takes."""

    seed: int = 0
    """Seed of initial weights, batches and the training-validation split."""
    encoder: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=3_500, inner_steps=0, lr=1.5e-3, final_lr=5e-5, muon_lr=0.01, report_every=50, batches_per_step=2
        )
    )
    """Phase 1: no inner steps."""
    dagger: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=2_500, inner_steps=0, lr=1e-3, final_lr=3e-5, muon_lr=0.008, report_every=50, batches_per_step=2
        )
    )
    """Phase 2, once per round: no inner steps, with corrections; skipped if there are no programs to run."""
    dagger_rounds: tuple[tuple[int, ...], ...] = ((1, 3),)
    """For every round of phase 2: numbers of support takes, used in turn, of the policies that are corrected."""
    inner: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=300,
            lr=1.5e-4,
            multi_step_fraction=0.3,
            zero_step_weight=0.2,
            report_every=50,
            batches_per_step=2,
        )
    )
    """Phase 3: with inner steps, on all data."""
    baseline: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=2_500, inner_steps=0, lr=1.5e-3, report_every=50)
    )
    """Multi-task pretraining of the baseline."""
    encoder_sampling: SamplingSettings = field(
        default_factory=lambda: SamplingSettings(
            8, support=128, encoder_points=64, query=160, conditioning_dropout=0.25, zone_as_cube_fraction=0.2
        )
    )
    """Batches of phases 1 and 2. In a quarter of the tasks the policy has to do without conditioning features."""
    inner_sampling: SamplingSettings = field(
        default_factory=lambda: SamplingSettings(
            6, support=64, query=48, position_noise_fraction=0.15, zone_as_cube_fraction=0.2
        )
    )
    """Batches of phase 3. In some tasks the inferred positions are wrong, so that the inner steps learn to correct."""
    entry_reached_gain: float = 1.0
    """``PolicyModel.entry_reached_gain`` of the finished policy; training with it would undo its effect."""
    held_out_fraction: float = 0.1
    """Fraction of the tasks held out for validation."""
    validate_every: int = 1_000
    """Number of outer steps between two validations."""
    continued_weight: float = 0.4
    """Weight of the trained parameters in a prior that continues another, which has the rest (Wortsman et al. 2022,
    Robust fine-tuning of zero-shot models). With all of it, the script's lines were begun at their end."""

    def for_continuation(self) -> TrainingSettings:
        """Return the settings to continue from a prior: fewer steps, at half the rates."""
        steps = {name: max(1, round(0.8 * getattr(self, name).steps)) for name in ("dagger", "inner")}
        dagger = replace(self.dagger, lr=self.dagger.lr / 2, muon_lr=self.dagger.muon_lr / 2, steps=steps["dagger"])
        return replace(self, dagger=dagger, inner=replace(self.inner, steps=steps["inner"]))


@dataclass(frozen=True)
class Validation:
    """Mean imitation losses on the takes of held-out tasks."""

    before: float
    """Loss with the task's support set, before any inner step."""
    after: float
    """Loss after the inner steps."""
    other: float
    """Loss after adapting to another task's support set; if it is as low, support sets are ignored."""

    @property
    def is_memorizing(self) -> bool:
        """True if the policy ignores its support set (Yin et al. 2020, Meta-learning without memorization)."""
        return self.other < MEMORIZATION_MARGIN * self.after


@dataclass(frozen=True)
class TrainingStep:
    """Progress of making a prior."""

    phase: str
    step: int
    steps: int
    loss: float
    """Query loss after adaptation; NaN while policies run for corrections."""
    elapsed_seconds: float
    """Time since this run began, s."""
    skipped: int = 0
    """Number of outer steps skipped because of a number that was not finite."""
    validation: Validation | None = None
    """Validation at this step, if there was one."""


class PhaseRunner:
    """Runs phases of meta-training on the training tasks and validates them on the held-out tasks.

    ``checkpoint`` is a folder from which a killed phase continues; ``workers`` is the number of processes; ``people``
    are takes of the same tasks by people, for support sets.
    """

    def __init__(
        self,
        data: MetaDataset,
        settings: TrainingSettings,
        checkpoint: Path | None,
        should_stop: Callable[[], bool],
        workers: int = 1,
        people: MetaDataset | None = None,
    ) -> None:
        use_single_thread()
        self.data, self.settings, self.checkpoint, self.should_stop = data, settings, checkpoint, should_stop
        self.workers, self.people = workers, people
        self.started_at = time.perf_counter()
        self.validations: list[dict[str, Any]] = []
        """Phase, step and losses of every validation so far."""
        self.training_tasks, self.held_out_tasks = split_tasks(data, settings.held_out_fraction, settings.seed)
        self._validation_batches = _draw_validation_batches(data, self.held_out_tasks, settings.seed)

    @property
    def elapsed_seconds(self) -> float:
        """Time since this run began, s."""
        return time.perf_counter() - self.started_at

    def run(
        self,
        name: str,
        model: PolicyModel,
        state: MetaState,
        settings: MetaSettings,
        sampling: SamplingSettings,
        corrections: Sequence[MetaDataset] = (),
    ) -> Generator[TrainingStep, None, MetaState]:
        """Run or resume one phase; the checkpoint's file name is the phase's name.

        Raises StateFileError and OSError.
        """
        path = self.checkpoint / f"{name.replace(' ', '-')}.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, notes = state.load_next(path)
            self.validations = read_curve(path, notes)
        sampler = TaskSampler(self.data, self.training_tasks, sampling, corrections, self.people)
        for record in maml.meta_train(model, sampler, settings, state, self.workers):
            is_due = record.step % self.settings.validate_every == 0 or record.step == record.steps
            validation = self._validate(name, model, state, settings) if is_due else None
            if path and is_due:
                state.save(path, {"curve": self.validations})
            yield TrainingStep(
                name, record.step, record.steps, record.loss_after, self.elapsed_seconds, record.skipped, validation
            )
            if self.should_stop():
                break
        return state

    def _validate(self, name: str, model: PolicyModel, state: MetaState, settings: MetaSettings) -> Validation:
        validation = validate(model, state, self._validation_batches, settings.inner_steps)
        self.validations.append({"phase": name, "step": state.step, **asdict(validation)})
        return validation


def read_curve(path: Path, notes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the validations of the part that was run before. Raises StateFileError."""
    curve = notes.get("curve")
    keys = {"phase", "step", "before", "after", "other"}
    if not isinstance(curve, list) or not all(isinstance(each, dict) and keys <= set(each) for each in curve):
        raise StateFileError(f"{path} is damaged: it does not hold the losses so far. Remove it to repeat the phase.")
    return curve


def split_tasks(data: MetaDataset, held_out_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Return training and held-out tasks, random by seed; a program's segments are in the same part."""
    programs = sorted({program_name(name) for name in data.task_names})
    order = np.random.default_rng(seed).permutation(len(programs))
    held_out = {programs[i] for i in order[: round(len(programs) * held_out_fraction)]}
    parts: tuple[list[int], list[int]] = ([], [])
    for task, name in enumerate(data.task_names):
        parts[program_name(name) in held_out].append(task)
    return parts


def validate(model: PolicyModel, state: MetaState, batches: list[tuple[Points, Points]], steps: int) -> Validation:
    """Return the mean losses on (support, query) batches of held-out tasks, NaN without batches."""
    meta, rows = state.meta.detached_copy(), []
    for support, query in batches:
        with torch.no_grad():
            paths = list(maml.adapt(model, meta, support, steps))
            before, after = (model.loss(fast, query).mean() for fast in (paths[0], paths[-1]))
            other = {name: tensor.roll(1, 0) for name, tensor in paths[-1].items()}
            rows.append([float(before), float(after), float(model.loss(other, query).mean())])
    return Validation(*np.mean(rows, axis=0).tolist()) if rows else Validation(*[float("nan")] * 3)


def _draw_validation_batches(data: MetaDataset, tasks: list[int], seed: int) -> list[tuple[Points, Points]]:
    """Draw the batches that all validations use; none if nothing is held out."""
    if not any(len(data.find_segments(task)) >= 2 for task in tasks):
        return []
    sampler = TaskSampler(data, tasks, SamplingSettings(24, permute_objects=False, mirrored_fraction=0.0))
    return [sampler(np.random.default_rng(seed + i)) for i in range(4)]
