"""What the phases of making a prior share: their settings, their progress, and how one of them runs or goes on."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.maml import maml
from metagui.learning.maml.maml import MetaSettings
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.dataset import MetaDataset
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.similarity.siamese import SiameseSettings
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from metagui.learning.policy.points import Points
    from metagui.learning.policy.policy import PolicyModel


@dataclass(frozen=True)
class TrainingSettings:
    """How to make a prior; the defaults take a quarter of an hour on two cores, the takes included."""

    seed: int = 0
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
    """Phase 2, round by round: no inner steps, and corrections; left out where there are no programs to run."""
    dagger_rounds: tuple[tuple[int, ...], ...] = ((1, 3),)
    """From how many takes, in turn, the policies that are corrected are started, for every round of phase 2."""
    inner: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=300,
            inner_steps=5,
            lr=1.5e-4,
            multi_step_fraction=0.3,
            zero_step_weight=0.2,
            report_every=50,
            batches_per_step=2,
        )
    )
    """Phase 3: five inner steps on everything."""
    baseline: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=2_500, inner_steps=0, lr=1.5e-3, report_every=50)
    )
    """Beside these: multi-task pretraining, …"""
    siamese: SiameseSettings = field(default_factory=SiameseSettings)
    """… and the encoder of similar tasks."""
    encoder_sampling: SamplingSettings = field(
        default_factory=lambda: SamplingSettings(
            8, support=128, encoder_points=64, query=160, conditioning_dropout=0.25, zone_as_cube_fraction=0.2
        )
    )
    """A quarter of the tasks teach the policy to do without clues, from what was shown alone."""
    inner_sampling: SamplingSettings = field(
        default_factory=lambda: SamplingSettings(
            6, support=64, query=48, position_noise_fraction=0.15, zone_as_cube_fraction=0.2
        )
    )
    """In some of the tasks what is inferred is wrong, so that there is something to put right."""
    entry_reached_gain: float = 1.0
    """What the finished policies add to ``PolicyModel.reached``. Training itself would take it back again."""
    held_out_fraction: float = 0.1
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
    def is_memorizing(self) -> bool:
        """Whether the policy has learnt to do without its demonstration (Yin et al. 2020)."""
        return self.other < 1.1 * self.after


@dataclass(frozen=True)
class TrainingStep:
    """Progress of making a prior."""

    phase: str
    step: int
    steps: int
    loss: float
    """NaN while policies run to be corrected: nothing is learnt meanwhile."""
    elapsed_seconds: float
    """Since this run began."""
    skipped: int = 0
    validation: Validation | None = None


class PhaseRunner:
    """Runs phases of meta-training on the training tasks, and judges them on the held-out ones.

    ``checkpoint`` names a folder in which a killed phase continues; ``workers`` processes share the steps.
    """

    def __init__(
        self,
        data: MetaDataset,
        settings: TrainingSettings,
        checkpoint: Path | None,
        should_stop: Callable[[], bool],
        workers: int = 1,
    ) -> None:
        use_single_thread()
        self.data, self.settings, self.checkpoint, self.should_stop = data, settings, checkpoint, should_stop
        self.workers = workers
        self.started_at = time.perf_counter()
        self.validations: list[dict[str, float]] = []
        self.training_tasks, self.held_out_tasks = split_tasks(data, settings.held_out_fraction, settings.seed)
        self._validation_batches = _validation_batches(data, self.held_out_tasks, settings.seed)

    @property
    def elapsed_seconds(self) -> float:
        """Since this run began."""
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
        """Run or continue one phase of meta-training."""
        path = self.checkpoint / f"{name.replace(' ', '-')}.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, notes = MetaState.load(path)
            self.validations = notes["curve"]
        sampler = TaskSampler(self.data, self.training_tasks, sampling, corrections)
        for record in maml.meta_train(model, sampler, settings, state, self.workers):
            due = record.step % self.settings.validate_every == 0 or record.step == record.steps
            found = self._validate(name, model, state, settings) if due else None
            if path and due:
                state.save(path, {"curve": self.validations})
            yield TrainingStep(
                name, record.step, record.steps, record.loss_after, self.elapsed_seconds, record.skipped, found
            )
            if self.should_stop():
                break
        return state

    def _validate(self, name: str, model: PolicyModel, state: MetaState, settings: MetaSettings) -> Validation:
        found = validate(model, state, self._validation_batches, settings.inner_steps)
        self.validations.append({"phase": name, "step": state.step, **asdict(found)})  # type: ignore[dict-item]
        return found


def split_tasks(data: MetaDataset, held_out_fraction: float, seed: int) -> tuple[list[int], list[int]]:
    """Return training and held-out tasks, by seed; all clicks of one program on the same side."""
    programs = sorted({name.rsplit(" / ", 1)[0] for name in data.task_names})
    order = np.random.default_rng(seed).permutation(len(programs))
    held = {programs[i] for i in order[: round(len(programs) * held_out_fraction)]}
    sides: tuple[list[int], list[int]] = ([], [])
    for task, name in enumerate(data.task_names):
        sides[name.rsplit(" / ", 1)[0] in held].append(task)
    return sides


def _validation_batches(data: MetaDataset, tasks: list[int], seed: int) -> list[tuple[Points, Points]]:
    """Draw the batches that every validation uses; none if nothing is held out."""
    if not any(len(data.find_segments(task)) >= 2 for task in tasks):
        return []
    sampler = TaskSampler(data, tasks, SamplingSettings(24, permute_objects=False, mirrored_fraction=0.0))
    return [sampler(np.random.default_rng(seed + i)) for i in range(4)]


def validate(model: PolicyModel, state: MetaState, batches: list[tuple[Points, Points]], steps: int) -> Validation:
    """Return the losses on held-out tasks, NaN if there are none."""
    meta, rows = state.meta.detached_copy(), []
    for support, query in batches:
        with torch.no_grad():
            paths = list(maml.adapt(model, meta, support, steps))
            before, after = (model.loss(fast, query).mean() for fast in (paths[0], paths[-1]))
            turned = {name: tensor.roll(1, 0) for name, tensor in paths[-1].items()}
            rows.append([float(before), float(after), float(model.loss(turned, query).mean())])
    return Validation(*np.mean(rows, axis=0).tolist()) if rows else Validation(*[float("nan")] * 3)
