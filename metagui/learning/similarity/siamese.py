"""Siamese network with the contrastive loss of Hadsell, Chopra & LeCun 2006: which takes show the same task.

    L = y d² + (1 − y) max(0, m − d)²,     d = ‖f(a) − f(b)‖,   y = 1 for two takes of one task, else 0

f is one network, applied to both takes; its outputs are scaled to length one, so that d is in [0, 2]; m = 1. All pairs
of a batch of P tasks x K takes are used; negative pairs are averaged over those within the margin. The loss is applied
three times: to the task embedding, with y = 1 for the same task; to the embedding of motion, with y = 1 for the same
motion, whatever the objects; and to that of objects, with y = 1 for the same objects, whatever the motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from metagui.learning.similarity.batch_sampler import BatchSampler, BatchSettings, augment
from metagui.learning.similarity.embeddings import Embeddings
from metagui.learning.similarity.siamese_network import SiameseEncoder, forward, make_codes
from metagui.learning.similarity.task_labels import TaskLabels
from metagui.learning.similarity.trajectory import Trajectories, concatenate_trajectories, resample_takes
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.policy.feature_layout import Array

CONTRASTIVE_MARGIN = 1.0
"""Margin m of the loss."""
UNKNOWN = -1
"""Number of a label that is not known."""


class SiameseError(Exception):
    """An encoder cannot be trained or used; the message gives the reason."""


@dataclass(frozen=True)
class SiameseSettings(BatchSettings):
    """Hyperparameters of training, with the composition of a batch."""

    steps: int = 2400
    """Number of gradient steps."""
    lr: float = 1.5e-3
    """Initial step size of Adam; a cosine schedule lowers it to 0."""
    factor_weight: float = 0.5
    """Weight of the losses of motion and of objects; the weight of the task's is 1."""
    seed: int = 0
    """Seed of the initial weights and the batches."""
    report_every: int = 20
    """Number of steps between two progress records."""

    def compute_lr(self, step: int) -> float:
        """Return the step size at a step."""
        return self.lr * 0.5 * (1 + math.cos(math.pi * step / self.steps))


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


def contrastive_loss(
    distances: torch.Tensor, is_positive: torch.Tensor, margin: float = CONTRASTIVE_MARGIN
) -> torch.Tensor:
    """Return mean d² of positive pairs plus mean max(0, m − d)² of negative pairs within the margin.

    ``distances`` (n,) and ``is_positive`` (n,), true for pairs of the same task. A kind of pair that is missing adds 0.
    """
    within_margin = torch.relu(margin - distances[~is_positive])
    negative_loss = within_margin.square().sum() / (within_margin > 0).sum().clamp_min(1)
    return distances[is_positive].square().sum() / is_positive.sum().clamp_min(1) + negative_loss


def train(
    takes: Mapping[str, Trajectories],
    settings: SiameseSettings | None = None,
    initial_encoder: SiameseEncoder | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    labels: Mapping[str, TaskLabels] | None = None,
) -> Generator[SiameseStep, None, SiameseEncoder]:
    """Train on every task's takes, from ``initial_encoder`` if it is trained.

    Tasks with one take are negatives only. Motion and objects are learnt from tasks with ``labels``. Raises
    SiameseError if there are not two tasks, or no task has two takes.
    """
    use_single_thread()
    settings = settings or SiameseSettings()
    tasks = {name: each for name, each in takes.items() if len(each)}
    _check_tasks(tasks)
    numbers = _number_labels([(labels or {}).get(name, TaskLabels(name, None, None)) for name in tasks])
    data = concatenate_trajectories(list(tasks.values()))
    start = initial_encoder or SiameseEncoder()
    encoder = start if start.is_trained else SiameseEncoder().initialise(settings.seed)
    sampler = BatchSampler([len(each) for each in tasks.values()], numbers[:, 1:], settings)
    params = {name: tensor.clone().requires_grad_() for name, tensor in encoder.params.items()}
    optimiser, rng = torch.optim.Adam(params.values(), lr=settings.lr), np.random.default_rng(settings.seed)
    for step in range(settings.steps):
        if should_stop():
            break
        rows, drawn = sampler.sample(rng)
        batch = augment(data[rows], rng)
        factors = forward(params, *_to_tensors(batch, rng))
        sampler.update(factors, drawn)
        loss, distances, is_positive = _compute_loss(factors, torch.from_numpy(numbers[drawn]), settings.factor_weight)
        optimiser.param_groups[0]["lr"] = settings.compute_lr(step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(params.values(), 1.0)
        optimiser.step()
        if (step + 1) % settings.report_every == 0 or step + 1 == settings.steps:
            d, y = distances.detach().numpy(), is_positive.numpy()
            yield SiameseStep(step + 1, settings.steps, float(loss.detach()), d[y], d[~y])
    return SiameseEncoder({name: tensor.detach() for name, tensor in params.items()}, *encoder.sizes)


def _compute_loss(
    factors: tuple[torch.Tensor, torch.Tensor, torch.Tensor], labels: torch.Tensor, factor_weight: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the loss, and the distances (n,) of all pairs of takes with whether they show the same task (n,).

    ``labels`` (takes, 3) are the numbers of task, motion and objects.
    """
    motion, numbers, objects = factors
    i, j = torch.triu_indices(len(labels), len(labels), 1)
    same = labels[i] == labels[j]
    known = (labels[i] != UNKNOWN) & (labels[j] != UNKNOWN) | same[:, :1]
    same = same | same[:, :1]
    squared = [(each[i] - each[j]).square().sum(-1) for each in (motion, numbers, objects)]
    task, of_motion, of_objects = (
        torch.sqrt(each + 1e-8) for each in ((squared[1] + squared[2]) / 2, squared[0], squared[2])
    )
    loss = contrastive_loss(task, same[:, 0])
    for column, distances in ((1, of_motion), (2, of_objects)):
        kept = known[:, column]
        loss = loss + factor_weight * contrastive_loss(distances[kept], same[kept, column])
    return loss, task, same[:, 0]


def embed(encoder: SiameseEncoder, takes: Sequence[Demonstration] | Trajectories) -> Embeddings:
    """Return the embeddings of takes.

    Raises SiameseError if the encoder is not trained.
    """
    if not encoder.is_trained:
        raise SiameseError("The encoder is not trained yet, so distances have no meaning. Train it first.")
    trajectories = takes if isinstance(takes, Trajectories) else resample_takes(takes)
    with torch.no_grad():
        factors = forward(encoder.params, *_to_tensors(trajectories))
    return Embeddings(*(each.numpy() for each in factors))


def _check_tasks(tasks: Mapping[str, Trajectories]) -> None:
    """Raise SiameseError if nothing can be learnt from these tasks."""
    if len(tasks) < 2 or all(len(task) < 2 for task in tasks.values()):
        raise SiameseError(
            "An encoder needs two tasks or more, at least one of them with two takes. Nothing was changed; record more."
        )


def _number_labels(labels: Sequence[TaskLabels]) -> NDArray[np.int64]:
    """Return the labels of the tasks as numbers, (tasks, 3); UNKNOWN where a label is None."""
    columns = []
    for column in zip(*labels, strict=True):
        known = sorted({label for label in column if label is not None})
        number = {label: index for index, label in enumerate(known)}
        columns.append([UNKNOWN if label is None else number[label] for label in column])
    return np.array(columns, dtype=np.int64).T


def _to_tensors(
    trajectories: Trajectories, rng: np.random.Generator | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return channels and codes; with ``rng``, the codes are new ones."""
    return (
        torch.from_numpy(trajectories.object_channels),
        torch.from_numpy(trajectories.global_channels),
        torch.from_numpy(make_codes(trajectories.identities, rng)),
    )
