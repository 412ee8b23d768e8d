"""Siamese network with the contrastive loss of Hadsell, Chopra & LeCun 2006: which takes show the same task.

    L = y d² + (1 − y) max(0, m − d)²,     d = ‖f(a) − f(b)‖,   y = 1 for two takes of one task, else 0

f is one network, applied to both takes; its outputs are scaled to length one, so that d is in [0, 2]; m = 1. All pairs
of a batch of P tasks x K takes are used; negative pairs are averaged over those within the margin. One convolution over
time is shared by all objects, and the objects' summaries are concatenated in the scene's order. A second small network
reads every pair of objects as they are at the end: where an object was put distinguishes many tasks, to the millimetre,
and by then the tool has left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.policy.feature_layout import COARSE_SCALE_M, FINE_SCALE_M, FINEST_SCALE_M
from metagui.learning.similarity.batch_sampler import BatchSampler, BatchSettings, augment, group_by_label
from metagui.learning.similarity.trajectory import (
    CONTACT_CHANNELS,
    GLOBAL_CHANNELS,
    HEIGHT_CHANNEL,
    MOVED_CHANNELS,
    OBJECT_CHANNELS,
    OFFSET_CHANNELS,
    Trajectories,
    concatenate_trajectories,
    resample_takes,
)
from metagui.learning.torch_utils.functional_mlp import Params, init_mlp, linear, mlp
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array

CONTRASTIVE_MARGIN = 1.0
"""Margin m of the loss."""
PAIR_FEATURES, PAIR_SUMMARY_SIZE = 21, 8
"""Number of input features of a pair of objects, and the size of its summary."""
PLACEMENT_FEATURES, MOVED_OBJECT_SHARPNESS = 13, 20.0
"""Number of features of the object that was put somewhere, and the gain of its softmax selection, per 0.1 m."""
FINE_GAIN, FINEST_GAIN = COARSE_SCALE_M / FINE_SCALE_M, COARSE_SCALE_M / FINEST_SCALE_M
"""Gains for the finer scales of lengths in 0.1 m."""
END_POINTS = 2
"""Number of points averaged for the end of a take."""


class SiameseError(Exception):
    """An encoder cannot be trained or used; the message gives the reason."""


@dataclass(frozen=True)
class SiameseSettings(BatchSettings):
    """Hyperparameters of training, with the composition of a batch."""

    steps: int = 3000
    """Number of gradient steps."""
    lr: float = 1.5e-3
    """Initial step size of Adam; a cosine schedule lowers it to 0."""
    seed: int = 0
    """Seed of the initial weights and the batches."""
    report_every: int = 20
    """Number of steps between two progress records."""


@dataclass(frozen=True)
class SiameseStep:
    """Progress of training, with the pair distances of the last batch."""

    step: int
    steps: int
    loss: float
    positive_distances: Array
    """(n,) distances of pairs of the same task."""
    negative_distances: Array
    """(n,) distances of pairs of different tasks."""


@dataclass(frozen=True)
class SiameseEncoder:
    """The network f: sizes and parameters."""

    params: Params = field(default_factory=dict)
    """Parameters by name; empty if untrained."""
    width: int = 48
    """Number of channels of the convolutions."""
    object_summary_size: int = 24
    """Size of the summary of one object."""
    embedding_size: int = 24
    """Size of an embedding."""

    def initialise(self, object_count: int, seed: int) -> SiameseEncoder:
        """Return an untrained network for a number of objects."""
        generator = torch.Generator().manual_seed(seed)
        channels, w = OBJECT_CHANNELS + GLOBAL_CHANNELS, self.width
        params = init_mlp("conv", (5 * channels, w), generator) | init_mlp("deep", (5 * w, w), generator)
        params |= init_mlp("anchor", (2 * w + 2 * channels, 2 * w, self.object_summary_size), generator)
        params |= init_mlp("pair", (PAIR_FEATURES, 2 * PAIR_SUMMARY_SIZE, PAIR_SUMMARY_SIZE), generator)
        summaries = (
            object_count * self.object_summary_size
            + object_count * object_count * PAIR_SUMMARY_SIZE
            + PLACEMENT_FEATURES
        )
        params |= init_mlp("head", (summaries + 1, 2 * w, self.embedding_size), generator)
        return SiameseEncoder(params, w, self.object_summary_size, self.embedding_size)

    @property
    def is_trained(self) -> bool:
        """True if there are parameters."""
        return bool(self.params)


def forward(
    params: Params, object_channels: torch.Tensor, global_channels: torch.Tensor, log_durations: torch.Tensor
) -> torch.Tensor:
    """Return embeddings (n, embedding_size) of length one; shapes as in ``Trajectories``."""
    takes, points, count, _ = object_channels.shape
    shared = global_channels.unsqueeze(2).expand(-1, -1, count, -1)
    x = torch.cat([object_channels, shared], -1).permute(0, 2, 1, 3).reshape(takes * count, points, -1)
    ends = torch.cat([x[:, 0], x[:, -1]], -1)
    x = torch.relu(_convolve(params, "conv", x))
    x = torch.relu(_convolve(params, "deep", x))
    pooled = torch.cat([x.mean(1), x.amax(1), ends], -1)
    objects = torch.relu(mlp(params, "anchor", pooled, 2)).reshape(takes, -1)
    pairs = torch.relu(mlp(params, "pair", _pair_features(object_channels, global_channels), 2)).flatten(1)
    summaries = torch.cat([objects, pairs, _placement_features(object_channels)], -1)
    out = mlp(params, "head", torch.cat([summaries, log_durations.unsqueeze(-1) * 0.3], -1), 2)
    return torch.nn.functional.normalize(out, dim=-1)


def contrastive_loss(
    distances: torch.Tensor, is_positive: torch.Tensor, margin: float = CONTRASTIVE_MARGIN
) -> torch.Tensor:
    """Return mean d² of positive pairs plus mean max(0, m − d)² of negative pairs within the margin.

    ``distances`` (n,) and ``is_positive`` (n,), true for pairs of the same task.
    """
    within_margin = torch.relu(margin - distances[~is_positive])
    negative_loss = within_margin.square().sum() / (within_margin > 0).sum().clamp_min(1)
    return distances[is_positive].square().mean() + negative_loss


def train(
    takes: Mapping[str, Trajectories],
    settings: SiameseSettings | None = None,
    initial_encoder: SiameseEncoder | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    group_labels: Mapping[str, str] | None = None,
) -> Generator[SiameseStep, None, SiameseEncoder]:
    """Train on every task's takes, from ``initial_encoder`` if it is trained.

    Tasks with one take are negatives only. Tasks with the same label in ``group_labels`` are drawn into batches
    together. Raises SiameseError if there are not
    two tasks, or no task has two takes.
    """
    use_single_thread()
    settings = settings or SiameseSettings()
    data, sampler, encoder = _prepare_training(takes, settings, initial_encoder, group_labels or {})
    params = {name: tensor.clone().requires_grad_() for name, tensor in encoder.params.items()}
    optimiser = torch.optim.Adam(params.values(), lr=settings.lr)
    rng = np.random.default_rng(settings.seed)
    for step in range(settings.steps):
        if should_stop():
            break
        rows, labels = sampler.sample(rng)
        embeddings = forward(params, *_to_tensors(augment(data[rows], rng)))
        sampler.update(embeddings.detach().numpy(), labels)
        distances, is_positive = pair_distances(embeddings, torch.from_numpy(labels))
        loss = contrastive_loss(distances, is_positive)
        optimiser.param_groups[0]["lr"] = settings.lr * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        optimiser.step()
        if (step + 1) % settings.report_every == 0 or step + 1 == settings.steps:
            d = distances.detach()
            positive, negative = d[is_positive].numpy(), d[~is_positive].numpy()
            yield SiameseStep(step + 1, settings.steps, float(loss.detach()), positive, negative)
    frozen = {name: tensor.detach() for name, tensor in params.items()}
    return SiameseEncoder(frozen, encoder.width, encoder.object_summary_size, encoder.embedding_size)


def pair_distances(embeddings: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the distances of all pairs (n,), and whether each pair is of the same task (n,)."""
    i, j = torch.triu_indices(len(labels), len(labels), 1)
    squared = (embeddings[i] - embeddings[j]).square().sum(-1)
    return torch.sqrt(squared + 1e-8), labels[i] == labels[j]


def embed(encoder: SiameseEncoder, takes: Sequence[Demonstration] | Trajectories) -> Array:
    """Return the embeddings (n, embedding_size) of takes.

    Raises SiameseError if the encoder is not trained.
    """
    if not encoder.is_trained:
        raise SiameseError("The encoder is not trained yet, so distances have no meaning. Train it first.")
    trajectories = takes if isinstance(takes, Trajectories) else resample_takes(takes)
    with torch.no_grad():
        return np.asarray(forward(encoder.params, *_to_tensors(trajectories)).numpy())


def _prepare_training(
    takes: Mapping[str, Trajectories],
    settings: SiameseSettings,
    initial_encoder: SiameseEncoder | None,
    group_labels: Mapping[str, str],
) -> tuple[Trajectories, BatchSampler, SiameseEncoder]:
    """Return all takes, the sampler of their batches and the encoder to start from. Raises SiameseError."""
    tasks = [task for task in takes.values() if len(task)]
    if len(tasks) < 2 or all(len(task) < 2 for task in tasks):
        raise SiameseError(
            "An encoder needs two tasks or more, at least one of them with two takes. Nothing was changed; record more."
        )
    groups = group_by_label([group_labels.get(name, name) for name, task in takes.items() if len(task)])
    data = concatenate_trajectories(tasks)
    encoder = (
        initial_encoder
        if initial_encoder and initial_encoder.is_trained
        else SiameseEncoder().initialise(data.object_channels.shape[2], settings.seed)
    )
    return data, BatchSampler([len(task) for task in tasks], groups, settings, encoder.embedding_size), encoder


def _pair_features(object_channels: torch.Tensor, global_channels: torch.Tensor) -> torch.Tensor:
    """Return the features of every pair of objects at the end, (n, A, A, PAIR_FEATURES).

    Position of the second relative to the first (of an object and itself: of the object relative to the tool) at three
    scales; displacement, held and touched of each; height of the tool; whether both are the same object.
    """
    count = object_channels.shape[2]
    last = object_channels[:, -END_POINTS:].mean(1)
    offset, moved = last[..., OFFSET_CHANNELS], last[..., MOVED_CHANNELS] * FINE_GAIN
    same = torch.eye(count).view(1, count, count, 1)
    between = offset.unsqueeze(1) - offset.unsqueeze(2) * (1 - same)
    contact = object_channels[..., CONTACT_CHANNELS].amax(1)
    each = torch.cat([moved, contact], -1)
    first, second = each.unsqueeze(2).expand(-1, -1, count, -1), each.unsqueeze(1).expand(-1, count, -1, -1)
    height = (global_channels[:, -END_POINTS:, HEIGHT_CHANNEL].mean(1) * FINE_GAIN).view(-1, 1, 1, 1)
    is_same = same.expand(len(object_channels), -1, -1, -1)
    scales = (between, (between * FINE_GAIN).clamp(-3.0, 3.0), torch.tanh(between * FINEST_GAIN))
    return torch.cat([*scales, first, second, height.expand(-1, count, count, -1), is_same], -1)


def _placement_features(object_channels: torch.Tensor) -> torch.Tensor:
    """Return the final placement of the object that moved most, (n, PLACEMENT_FEATURES).

    Its position is relative to the nearest object. The features are the same for all objects, so that all tasks teach
    what a millimetre means.
    """
    count = object_channels.shape[2]
    last = object_channels[:, -END_POINTS:].mean(1)
    offset, moved = last[..., OFFSET_CHANNELS], last[..., MOVED_CHANNELS]
    distance = moved.norm(dim=-1)
    subject = torch.softmax(MOVED_OBJECT_SHARPNESS * distance, -1)
    between = offset.unsqueeze(1) - offset.unsqueeze(2)  # (n, A, A, 3): the second relative to the first
    near = torch.softmax(-MOVED_OBJECT_SHARPNESS * between.norm(dim=-1) - 1e3 * torch.eye(count), -1)
    placement = torch.einsum("na,nab,nabf->nf", subject, near, between)
    displacement = torch.einsum("na,naf->nf", subject, moved) * FINE_GAIN
    gate = torch.tanh(distance.amax(-1, keepdim=True) * FINE_GAIN)
    scales = (placement, (placement * FINE_GAIN).clamp(-3.0, 3.0), torch.tanh(placement * FINEST_GAIN), displacement)
    return torch.cat([torch.cat(scales, -1) * gate, gate], -1)


def _convolve(params: Params, name: str, x: torch.Tensor) -> torch.Tensor:
    """Convolve (n, T, channels) over windows of five points with stride two."""
    windows = x.unfold(1, 5, 2).flatten(2)
    return linear(windows, params[f"{name}.0.weight"], params[f"{name}.0.bias"])


def _to_tensors(trajectories: Trajectories) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(trajectories.object_channels),
        torch.from_numpy(trajectories.global_channels),
        torch.from_numpy(trajectories.log_durations),
    )
