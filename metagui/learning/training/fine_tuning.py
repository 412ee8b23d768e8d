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
from metagui.learning.maml.training_state import Meta, MetaState
from metagui.learning.policy.dataset import DatasetError, Draw, TaskSampler
from metagui.learning.torch_utils.torch_threads import compute_alone
from metagui.learning.training.fine_tuning_data import LEAST_TAKES, LEAST_TASKS, Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from metagui.learning.policy.policy import Points
    from metagui.learning.prior import Prior


@dataclass(frozen=True)
class LibrarySettings:
    """How to train on; the defaults take about three minutes on one thread."""

    seed: int = 0
    encoder: MetaSettings = field(
        default_factory=lambda: MetaSettings(steps=1_500, inner_steps=0, lr=3e-4, report_every=25)
    )
    """Phase 1: no inner steps."""
    inner: MetaSettings = field(
        default_factory=lambda: MetaSettings(
            steps=300, inner_steps=5, lr=1e-4, multi_step=0.3, start_weight=0.2, report_every=10
        )
    )
    """Phase 2: five inner steps."""
    own: float = 0.5
    """Share of the batches that are drawn from the person's tasks; the others keep what was known."""
    judge_every: int = 100
    """Outer steps between two judgements."""
    gain: float = 0.02
    """The person's held-out takes must come closer by this share …"""
    forgotten: float = 0.03
    """… and those of the shipped programs may get farther by no more than this one."""
    shares: tuple[float, ...] = (1.0, 0.75, 0.5, 0.25)
    """How much of the way from the start to what was trained is tried, until that much does not forget."""


@dataclass(frozen=True)
class Judgement:
    """Mean imitation losses on held-out takes after adapting to the others, before any step and after five."""

    own_zero: float
    own: float
    shipped_zero: float
    shipped: float


@dataclass(frozen=True)
class LibraryStep:
    """Progress of training on."""

    phase: str
    step: int
    steps: int
    loss: float
    seconds: float
    judgement: Judgement | None = None
    """Now and then, of the best so far."""


@dataclass(frozen=True)
class LibraryResult:
    """What came of it."""

    prior: Prior
    """The best that was reached; not to be used unless ``better``."""
    before: Judgement
    """Of the prior in use so far."""
    after: Judgement
    better: bool
    reason: str
    """In words."""
    finished: bool
    """False if it was stopped; the checkpoint continues."""


def train_on_library(
    start: Prior,
    in_use: Prior,
    own: Lesson,
    generated: Lesson,
    settings: LibrarySettings | None = None,
    checkpoint: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Generator[LibraryStep, None, LibraryResult]:
    """Train ``start`` on; compare with ``in_use``. Stopping keeps the best so far. Raises DatasetError.

    ``generated`` are tasks of the shipped programs, to learn from and to be judged on. ``checkpoint`` names a folder
    in which a killed run continues.
    """
    require_enough(own)
    run = _Run(start, own, generated, settings or LibrarySettings(), checkpoint, should_stop)
    yield from run.phases()
    return run.result(in_use)


def require_enough(own: Lesson) -> None:
    """Raise DatasetError if a library is too small to train on and to judge by."""
    if own.tasks < LEAST_TASKS or not own.judged:
        raise DatasetError(
            f"The library has {own.tasks} tasks to learn from, {own.judged} of them with {LEAST_TAKES} takes or more. "
            f"It takes {LEAST_TASKS} tasks of two takes, and one of {LEAST_TAKES}, to train on and to judge by. "
            "Nothing was changed; record more."
        )


class _Run:
    """One training on a library."""

    def __init__(
        self,
        start: Prior,
        own: Lesson,
        generated: Lesson,
        settings: LibrarySettings,
        checkpoint: Path | None,
        should_stop: Callable[[], bool],
    ) -> None:
        compute_alone()
        self.start, self.own, self.generated, self.settings = start, own, generated, settings
        self.checkpoint, self.should_stop = checkpoint, should_stop
        self.began = time.perf_counter()
        self.before = self.judge(start.meta)
        self.best, self.judgement = start.meta, self.before
        self.finished = True

    def phases(self) -> Generator[LibraryStep, None, None]:
        """Run or continue both phases."""
        self._recall()
        state = MetaState(self.start.meta.trainable(), self.settings.seed)
        for name, settings, draw in (
            ("encoder", self.settings.encoder, Draw()),
            ("inner steps", self.settings.inner, Draw(12, 48, 48)),
        ):
            state = yield from self._phase(name, state, settings, draw)
            if not self.finished:
                return
            state = MetaState(state.meta.trainable(), self.settings.seed + 1)

    def _phase(
        self, name: str, state: MetaState, settings: MetaSettings, draw: Draw
    ) -> Generator[LibraryStep, None, MetaState]:
        path = self.checkpoint / f"{name.replace(' ', '-')}.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, _ = MetaState.load(path)
        sampler = _Mixed(self.own, self.generated, self.settings.own, draw)
        model = replace(self.start.model, reached=0.0)  # what the prior's own training did without as well
        for record in maml.meta_train(model, sampler, settings, state):
            due = record.step % self.settings.judge_every == 0 or record.step == record.steps
            judgement = self._judge_and_keep(state) if due else None
            if path and due:
                state.save(path)
            seconds = time.perf_counter() - self.began
            yield LibraryStep(name, record.step, record.steps, record.after, seconds, judgement)
            if self.should_stop():
                if path:
                    state.save(path)
                self.finished = False
                break
        return state

    def judge(self, meta: Meta) -> Judgement:
        """Adapt to what is shown, and look at what was held out."""
        steps = self.settings.inner.inner_steps
        own, shipped = (_losses(self.start, meta, lesson, steps) for lesson in (self.own, self.generated))
        return Judgement(*own, *shipped)

    def _judge_and_keep(self, state: MetaState) -> Judgement:
        """Go back towards the start until nothing is forgotten; keep that if it is the best so far."""
        for share in self.settings.shares:
            meta = self.start.meta.towards(state.meta, share)
            judgement = self.judge(meta)
            if not self._forgets(judgement, self.before):
                if judgement.own < self.judgement.own:
                    self._keep(meta, judgement)
                break
        return self.judgement

    def _keep(self, meta: Meta, judgement: Judgement) -> None:
        self.best, self.judgement = meta, judgement
        if self.checkpoint:
            MetaState(meta, 0).save(self.checkpoint / "best.safetensors", asdict(judgement))

    def _recall(self) -> None:
        """Take up the best of a run that was killed."""
        path = self.checkpoint / "best.safetensors" if self.checkpoint else None
        if path and path.is_file():
            state, notes = MetaState.load(path)
            self.best, self.judgement = state.meta.frozen(), Judgement(**notes)

    def _forgets(self, judgement: Judgement, before: Judgement) -> bool:
        return judgement.shipped > before.shipped * (1.0 + self.settings.forgotten)

    def result(self, in_use: Prior) -> LibraryResult:
        """Compare the best with what is in use."""
        before, after = self.judge(in_use.meta), self.judgement
        enough = after.own < before.own * (1.0 - self.settings.gain)
        better = enough and not self._forgets(after, before)
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
            "tasks": self.own.tasks, "before": asdict(before), "after": asdict(after), "started_from": self.start.id,
            "settings": asdict(self.settings),
        }  # fmt: skip
        prior = replace(self.start, meta=self.best, metadata=self.start.metadata | {"library": about})
        return LibraryResult(prior, before, after, better, words, self.finished)


class _Mixed:
    """Draws a batch from the person's tasks or from the generated ones; those may have other numbers of anchors."""

    def __init__(self, own: Lesson, generated: Lesson, share: float, draw: Draw) -> None:
        self._own, self._generated, self._share = _samplers(own, draw), _samplers(generated, draw), share

    def __call__(self, rng: np.random.Generator) -> tuple[Points, Points]:
        """Return (support, query)."""
        samplers = self._own if rng.random() < self._share else self._generated
        sizes = np.array([len(sampler) for sampler in samplers], dtype=np.float64)
        return samplers[int(rng.choice(len(samplers), p=sizes / sizes.sum()))](rng)


def _samplers(lesson: Lesson, draw: Draw) -> list[TaskSampler]:
    """Return a sampler for every number of anchors. Raises DatasetError if no click has two takes that last."""
    usable = [d for d in lesson.training if any(len(d.takes_of(task)) >= 2 for task in range(len(d.names)))]
    if not usable:
        raise DatasetError("No click of any task lasts two decisions in two takes. Nothing was changed; record more.")
    return [TaskSampler(data, range(len(data.names)), draw) for data in usable]


def _losses(prior: Prior, meta: Meta, lesson: Lesson, steps: int) -> tuple[float, float]:
    """Return the mean loss on a lesson's trials before any step, and after all."""
    rows: list[torch.Tensor] = []
    for shown, asked in lesson.trials:
        with torch.no_grad():
            paths = list(maml.adapt(prior.model, meta, shown, steps))
            rows.append(torch.stack([prior.model.loss(fast, asked) for fast in (paths[0], paths[-1])]))
    mean = torch.cat(rows, dim=1).mean(dim=1) if rows else torch.full((2,), float("nan"))
    return float(mean[0]), float(mean[1])
