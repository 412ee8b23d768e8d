"""Siamese network with the contrastive loss of Hadsell, Chopra & LeCun 2006: which takes show the same task.

    L = y d² + (1 − y) max(0, m − d)²,     d = ‖f(a) − f(b)‖,   y = 1 for two takes of one task, else 0

f is one network, applied to both takes; its outputs are scaled to length one, so that d lies in [0, 2]; m = 1. All
pairs of a batch of P tasks x K takes are used, those of two tasks averaged over the ones within the margin. One
convolution over time is shared by all anchors; what it found at each anchor is put together in the scene's order.
Beside it one small network sees every pair of anchors as they lie at the end: where something was put is what tells
many tasks apart, to the millimetre, and by then the tool has left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M, FINEST_SCALE_M
from metagui.learning.similarity.trajectory import (
    GLOBAL_CHANNELS,
    OBJECT_CHANNELS,
    TRAJECTORY_POINTS,
    Trajectories,
    concatenate_trajectories,
    resample_takes,
)
from metagui.learning.torch_utils.functional_mlp import Params, init_mlp, linear, mlp
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array

CONTRASTIVE_MARGIN = 1.0
PAIR_FEATURES, PAIR_SUMMARY_SIZE = 21, 8
"""What is seen of two anchors, and the numbers that it is summarised in."""
PLACEMENT_FEATURES, MOVED_OBJECT_SHARPNESS = 13, 20.0
"""What is seen of the thing put somewhere, and how sharply it is told which that is, a 0.1 m."""
FINE_GAIN, FINEST_GAIN = COARSE_SCALE_M / FINE_SCALE_M, COARSE_SCALE_M / FINEST_SCALE_M
"""Scales at which lengths in 0.1 m are shown beside that one."""
END_POINTS = 2
"""The end of a take is the mean of so many points."""


class SiameseError(Exception):
    """There is nothing to train an encoder on; the message says what is missing."""


@dataclass(frozen=True)
class SiameseSettings:
    """How to train."""

    steps: int = 3000
    tasks_per_batch: int = 24
    """P, tasks a batch."""
    takes_per_task: int = 3
    """K, takes a task."""
    group_size: int = 3
    """Tasks that differ in hidden numbers only come into a batch in groups of up to so many: they are hard to tell …"""
    hard_negatives: int = 1
    """… and so are those that were last seen nearest: with every group so many, whatever they are."""
    lr: float = 1.5e-3
    seed: int = 0
    report_every: int = 20


@dataclass(frozen=True)
class SiameseStep:
    """Progress of training; the distances of the pairs in the last batch."""

    step: int
    steps: int
    loss: float
    positive_distances: Array
    negative_distances: Array


@dataclass(frozen=True)
class SiameseEncoder:
    """The network f: sizes, and parameters trained or not."""

    params: Params = field(default_factory=dict)
    width: int = 48
    object_summary_size: int = 24
    embedding_size: int = 24

    def initialise(self, object_count: int, seed: int) -> SiameseEncoder:
        """Return an untrained network for a number of anchors."""
        generator = torch.Generator().manual_seed(seed)
        channels, w = OBJECT_CHANNELS + GLOBAL_CHANNELS, self.width
        params = init_mlp("conv", (5 * channels, w), generator) | init_mlp("deep", (5 * w, w), generator)
        params |= init_mlp("anchor", (2 * w + 2 * channels, 2 * w, self.object_summary_size), generator)
        params |= init_mlp("pair", (PAIR_FEATURES, 2 * PAIR_SUMMARY_SIZE, PAIR_SUMMARY_SIZE), generator)
        found = (
            object_count * self.object_summary_size
            + object_count * object_count * PAIR_SUMMARY_SIZE
            + PLACEMENT_FEATURES
        )
        params |= init_mlp("head", (found + 1, 2 * w, self.embedding_size), generator)
        return SiameseEncoder(params, w, self.object_summary_size, self.embedding_size)

    @property
    def is_trained(self) -> bool:
        """Whether there are any parameters."""
        return bool(self.params)


def forward(
    params: Params, object_channels: torch.Tensor, global_channels: torch.Tensor, log_durations: torch.Tensor
) -> torch.Tensor:
    """Return embeddings (n, outputs) of length one; shapes as in ``Series``."""
    takes, points, count, _ = object_channels.shape
    beside = global_channels.unsqueeze(2).expand(-1, -1, count, -1)
    x = torch.cat([object_channels, beside], -1).permute(0, 2, 1, 3).reshape(takes * count, points, -1)
    ends = torch.cat([x[:, 0], x[:, -1]], -1)
    x = torch.relu(_convolve(params, "conv", x))
    x = torch.relu(_convolve(params, "deep", x))
    pooled = torch.cat([x.mean(1), x.amax(1), ends], -1)
    found = torch.relu(mlp(params, "anchor", pooled, 2)).reshape(takes, -1)
    if "pair.0.weight" in params:  # encoders made before 0.2 have none
        pairs = torch.relu(mlp(params, "pair", _pair_features(object_channels, global_channels), 2)).flatten(1)
        found = torch.cat([found, pairs, _placement_features(object_channels)], -1)
    out = mlp(params, "head", torch.cat([found, log_durations.unsqueeze(-1) * 0.3], -1), 2)
    return torch.nn.functional.normalize(out, dim=-1)


def _pair_features(object_channels: torch.Tensor, global_channels: torch.Tensor) -> torch.Tensor:
    """Return what is seen of every pair of anchors at the end, (n, A, A, PAIR_FEATURES).

    How the second lies from the first (of an anchor and itself: how the tool does), at three scales; how each was
    moved, whether it was held or touched; how high the tool is.
    """
    count = object_channels.shape[2]
    last = object_channels[:, -END_POINTS:].mean(1)
    way, moved = last[..., :3], last[..., 6:9] * FINE_GAIN
    same = torch.eye(count).view(1, count, count, 1)
    between = way.unsqueeze(1) - way.unsqueeze(2) * (1 - same)
    contact = object_channels[..., 9:11].amax(1)
    each = torch.cat([moved, contact], -1)
    first, second = each.unsqueeze(2).expand(-1, -1, count, -1), each.unsqueeze(1).expand(-1, count, -1, -1)
    height = (global_channels[:, -END_POINTS:, 1].mean(1) * FINE_GAIN).view(-1, 1, 1, 1).expand(-1, count, count, -1)
    itself = same.expand(len(object_channels), -1, -1, -1)
    scales = (between, (between * FINE_GAIN).clamp(-3.0, 3.0), torch.tanh(between * FINEST_GAIN))
    return torch.cat([*scales, first, second, height, itself], -1)


def _placement_features(object_channels: torch.Tensor) -> torch.Tensor:
    """Return where what moved most lies at the end from what is nearest to it, (n, PUT_FEATURES), at three scales.

    The same numbers whichever things these are, so that all tasks teach what a millimetre means.
    """
    count = object_channels.shape[2]
    last = object_channels[:, -END_POINTS:].mean(1)
    way, moved = last[..., :3], last[..., 6:9]
    far = moved.norm(dim=-1)
    subject = torch.softmax(MOVED_OBJECT_SHARPNESS * far, -1)
    between = way.unsqueeze(1) - way.unsqueeze(2)  # (n, A, A, 3): the second from the first
    near = torch.softmax(-MOVED_OBJECT_SHARPNESS * between.norm(dim=-1) - 1e3 * torch.eye(count), -1)
    offset = torch.einsum("na,nab,nabf->nf", subject, near, between)
    lifted = torch.einsum("na,naf->nf", subject, moved) * FINE_GAIN
    gate = torch.tanh(far.amax(-1, keepdim=True) * FINE_GAIN)
    scales = (offset, (offset * FINE_GAIN).clamp(-3.0, 3.0), torch.tanh(offset * FINEST_GAIN), lifted)
    return torch.cat([torch.cat(scales, -1) * gate, gate], -1)


def _convolve(params: Params, name: str, x: torch.Tensor) -> torch.Tensor:
    """Convolve (n, T, channels) over windows of five points, every second one."""
    windows = x.unfold(1, 5, 2).flatten(2)
    return linear(windows, params[f"{name}.0.weight"], params[f"{name}.0.bias"])


def contrastive_loss(
    distances: torch.Tensor, is_positive: torch.Tensor, margin: float = CONTRASTIVE_MARGIN
) -> torch.Tensor:
    """Return the loss over pairs: distances (n,) and whether each is of one task (n,)."""
    near = torch.relu(margin - distances[~is_positive])
    apart = near.square().sum() / (near > 0).sum().clamp_min(1)
    return distances[is_positive].square().mean() + apart


def train(
    takes: Mapping[str, Trajectories],
    settings: SiameseSettings | None = None,
    initial_encoder: SiameseEncoder | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    group_labels: Mapping[str, str] | None = None,
) -> Generator[SiameseStep, None, SiameseEncoder]:
    """Train on the series of every task's takes; tasks with one take serve as different ones only.

    Begins with ``start`` if given. Tasks with the same word in ``alike`` come into batches together. Raises
    SiameseError if there are no two tasks or no task with two takes.
    """
    use_single_thread()
    settings = settings or SiameseSettings()
    tasks = [task for task in takes.values() if len(task)]
    groups = _group_by_label([(group_labels or {}).get(name, name) for name, task in takes.items() if len(task)])
    if len(tasks) < 2 or all(len(task) < 2 for task in tasks):
        raise SiameseError(
            "An encoder needs two tasks or more, at least one of them with two takes. Nothing was changed; record more."
        )
    data, first = concatenate_trajectories(tasks), np.cumsum([0, *(len(task) for task in tasks)])
    encoder = (
        (initial_encoder or SiameseEncoder())
        if initial_encoder and initial_encoder.is_trained
        else SiameseEncoder().initialise(data.object_channels.shape[2], settings.seed)
    )
    params = {name: tensor.clone().requires_grad_() for name, tensor in encoder.params.items()}
    optimiser = torch.optim.Adam(params.values(), lr=settings.lr)
    rng = np.random.default_rng(settings.seed)
    seen = np.full((len(tasks), encoder.embedding_size), np.nan, dtype=np.float32)  # every task's last mean embedding
    for step in range(settings.steps):
        if should_stop():
            break
        rows, labels = _sample_batch(first, groups, settings, seen, rng)
        batch = _augment(data[rows], rng)
        embeddings = forward(params, *_to_tensors(batch))
        _update_task_embeddings(seen, embeddings.detach().numpy(), labels.numpy())
        distances, same = pair_distances(embeddings, labels)
        loss = contrastive_loss(distances, same)
        optimiser.param_groups[0]["lr"] = settings.lr * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        optimiser.step()
        if (step + 1) % settings.report_every == 0 or step + 1 == settings.steps:
            d = distances.detach()
            yield SiameseStep(step + 1, settings.steps, float(loss.detach()), d[same].numpy(), d[~same].numpy())
    frozen = {name: tensor.detach() for name, tensor in params.items()}
    return SiameseEncoder(frozen, encoder.width, encoder.object_summary_size, encoder.embedding_size)


def pair_distances(embeddings: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the distances of all pairs (n,), and whether each is of one task (n,)."""
    i, j = torch.triu_indices(len(labels), len(labels), 1)
    squared = (embeddings[i] - embeddings[j]).square().sum(-1)
    return torch.sqrt(squared + 1e-8), labels[i] == labels[j]


def embed(encoder: SiameseEncoder, takes: Sequence[Demonstration] | Trajectories) -> Array:
    """Return the embeddings (n, outputs) of takes. Raises SiameseError if the encoder is not trained."""
    if not encoder.is_trained:
        raise SiameseError("The encoder is not trained yet, so distances would mean nothing. Train it first.")
    series = takes if isinstance(takes, Trajectories) else resample_takes(takes)
    with torch.no_grad():
        return np.asarray(forward(encoder.params, *_to_tensors(series)).numpy())


def _to_tensors(series: Trajectories) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(series.object_channels),
        torch.from_numpy(series.global_channels),
        torch.from_numpy(series.log_durations),
    )


def _group_by_label(labels: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the tasks that have the same word, for every word."""
    _, which = np.unique(np.array(labels), return_inverse=True)
    return [np.flatnonzero(which == group) for group in range(which.max() + 1)]


def _sample_batch(
    first_rows: NDArray[np.int64],
    groups: list[NDArray[np.int64]],
    settings: SiameseSettings,
    task_embeddings: Array,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Draw P tasks, some of them alike or near each other, and K takes of each: their rows and labels."""
    wanted = min(settings.tasks_per_batch, len(first_rows) - 1)
    sizes = np.array([len(group) for group in groups])
    chosen: list[int] = []
    for group in rng.choice(len(groups), size=len(groups), replace=False, p=sizes / sizes.sum()):
        drawn = rng.permutation(groups[group])[: settings.group_size].tolist()
        chosen += [task for task in drawn if task not in chosen]
        chosen += _nearest_tasks(task_embeddings, drawn[0], [*groups[group].tolist(), *chosen], settings.hard_negatives)
        if len(chosen) >= wanted:
            break
    rows, labels = [], []
    for task in chosen[:wanted]:
        takes = rng.permutation(np.arange(first_rows[task], first_rows[task + 1]))[: settings.takes_per_task]
        rows.append(takes)
        labels += [task] * len(takes)
    return np.concatenate(rows), torch.tensor(labels)


def _nearest_tasks(task_embeddings: Array, task: int, excluded: list[int], count: int) -> list[int]:
    """Return the tasks last seen nearest to one, but for some; none that has not been seen."""
    distances = np.square(task_embeddings - task_embeddings[task]).sum(axis=1)
    distances[excluded] = np.nan
    order = np.argsort(distances)[:count]  # what is not a number comes last
    return [int(other) for other in order if np.isfinite(distances[other])]


def _update_task_embeddings(task_embeddings: Array, embeddings: Array, labels: NDArray[np.int64]) -> None:
    """Note the mean embedding of every task of a batch."""
    for task in np.unique(labels):
        task_embeddings[task] = embeddings[labels == task].mean(axis=0)


def _augment(series: Trajectories, rng: np.random.Generator) -> Trajectories:
    """Warp time, crop the ends a little, add noise. Never mirrors or shifts: that would be another task."""
    n = len(series)
    knots = np.cumsum(rng.uniform(0.6, 1.4, (n, 5)), axis=1)
    knots = (knots - knots[:, :1]) / (knots[:, -1:] - knots[:, :1])
    ends = rng.uniform(0.0, 0.03, (n, 2))
    at = np.stack([np.interp(np.linspace(0, 1, TRAJECTORY_POINTS), np.linspace(0, 1, 5), k) for k in knots])
    at = (ends[:, :1] + at * (1 - ends.sum(1, keepdims=True))) * (TRAJECTORY_POINTS - 1)
    rows = np.rint(at).astype(int)
    take = np.arange(n)[:, None]
    anchors, globals_ = series.object_channels[take, rows], series.global_channels[take, rows]
    anchors = anchors + rng.normal(0, 0.01, anchors.shape).astype(np.float32)
    durations = series.log_durations + rng.normal(0, 0.1, n).astype(np.float32)
    return Trajectories(anchors, globals_, durations)
