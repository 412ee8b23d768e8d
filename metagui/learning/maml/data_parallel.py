"""Shares a meta-training step among processes: each computes the gradients of some of the step's batches.

Which numbers come out does not depend on how many processes there are: every batch has its own random stream, and
gradients are averaged in the order of the batches, whoever computed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from metagui.learning.torch_utils.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.learning.maml.training_state import MetaParameters


@dataclass(frozen=True)
class BatchGradient:
    """What one batch asks for."""

    vector: torch.Tensor
    """(P,) of the loss with respect to all of ``Meta.tensors``, one after the other."""
    objective: float
    loss_before: float
    """Mean query loss before adapting to the batch, …"""
    loss_after: float
    """… and after it."""


class GradientSource(Protocol):
    """What there is to do; it can be sent to another process."""

    @property
    def batches_per_step(self) -> int:
        """Batches a step."""

    def draw_batch(self, step: int, batch: int) -> Any:
        """Draw one batch of a step."""

    def compute_gradient(self, meta: MetaParameters, step: int, batch: Any) -> BatchGradient:
        """Return what it asks for."""


class GradientWorker:
    """Some of every step's batches."""

    def __init__(self, source: GradientSource, meta: MetaParameters, batches: Sequence[int]) -> None:
        self.source, self.meta, self.batches = source, meta, batches

    def __call__(self, step: int) -> list[BatchGradient]:
        """Return what the batches of a step ask for, at ``meta`` as it is."""
        return [
            self.source.compute_gradient(self.meta, step, self.source.draw_batch(step, batch)) for batch in self.batches
        ]

    def compute_at(self, request: tuple[int, torch.Tensor]) -> list[BatchGradient]:
        """Return the same for a step, and ``meta`` of these numbers (P,); what a helper is asked."""
        step, vector = request
        with torch.no_grad():
            for own, numbers in zip(self.meta.tensors(), self.meta.unflatten(vector), strict=True):
                own.copy_(numbers)
        return self(step)


class DataParallelGradients:
    """All batches of a step, shared among so many processes, this one among them. A context manager.

    Raises HelperError where another process ended.
    """

    def __init__(self, source: GradientSource, meta: MetaParameters, workers: int = 1) -> None:
        workers = max(1, min(workers, source.batches_per_step))
        parts = [range(first, source.batches_per_step, workers) for first in range(workers)]
        self._meta, self._count = meta, source.batches_per_step
        self._local_worker = GradientWorker(source, meta, parts[0])
        self._worker_processes = [
            WorkerProcess(GradientWorker(source, meta.trainable_copy(), part).compute_at) for part in parts[1:]
        ]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes."""
        for helper in self._worker_processes:
            helper.close()

    def compute_gradient(self, step: int) -> BatchGradient:
        """Return what all batches of a step ask for together: their mean."""
        for helper in self._worker_processes:
            helper.send((step, self._meta.flatten()))
        parts = [self._local_worker(step), *(helper.receive() for helper in self._worker_processes)]
        return average_gradients([parts[batch % len(parts)][batch // len(parts)] for batch in range(self._count)])


def average_gradients(gradients: Sequence[BatchGradient]) -> BatchGradient:
    """Average over batches, in their order."""
    count = len(gradients)
    numbers = zip(*((each.objective, each.loss_before, each.loss_after) for each in gradients), strict=True)
    vector = torch.stack([each.vector for each in gradients]).mean(0)
    return BatchGradient(vector, *(sum(column) / count for column in numbers))
