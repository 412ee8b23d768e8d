"""Data-parallel meta-training: worker processes compute the gradients of some batches of an outer step.

The result does not depend on the number of processes: every batch has its own random stream, and gradients are
averaged in the order of the batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Never, Protocol, Self

import torch

from metagui.learning.torch_utils.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.learning.maml.training_state import MetaParameters


@dataclass(frozen=True)
class BatchGradient:
    """Outer gradient and losses of one batch."""

    vector: torch.Tensor
    """(P,) gradient with respect to ``MetaParameters.tensors``, concatenated."""
    objective: float
    """Outer objective, weighted over the inner steps."""
    loss_before: float
    """Mean query loss before adapting to the batch."""
    loss_after: float
    """Mean query loss after adapting to the batch."""


class GradientSource(Protocol):
    """Draws the batches of an outer step and computes their gradients; picklable."""

    @property
    def batches_per_step(self) -> int:
        """Number of batches per outer step."""

    def draw_batch(self, step: int, batch: int) -> Any:
        """Draw one batch of a step."""

    def compute_gradient(self, meta: MetaParameters, step: int, batch: Any) -> BatchGradient:
        """Return the outer gradient of a batch at ``meta``."""


class GradientWorker:
    """Computes the gradients of some batches of every outer step."""

    def __init__(self, source: GradientSource, meta: MetaParameters, batches: Sequence[int]) -> None:
        self.source, self.meta, self.batches = source, meta, batches

    def __call__(self, step: int) -> list[BatchGradient]:
        """Return the gradients of this worker's batches of a step at the present ``meta``."""
        return [
            self.source.compute_gradient(self.meta, step, self.source.draw_batch(step, batch)) for batch in self.batches
        ]

    def compute_at(self, step: int, vector: torch.Tensor) -> list[BatchGradient]:
        """Set ``meta`` to the values ``vector`` (P,), then return the gradients; called in another process."""
        with torch.no_grad():
            for own, numbers in zip(self.meta.tensors(), self.meta.unflatten(vector), strict=True):
                own.copy_(numbers)
        return self(step)


class DataParallelGradients:
    """Computes all batches of an outer step in ``workers`` processes, this process included. A context manager.

    Raises WorkerProcessError if another process ends.
    """

    def __init__(self, source: GradientSource, meta: MetaParameters, workers: int = 1) -> None:
        workers = max(1, min(workers, source.batches_per_step))
        parts = [range(first, source.batches_per_step, workers) for first in range(workers)]
        self._meta, self._batch_count = meta, source.batches_per_step
        self._local_worker = GradientWorker(source, meta, parts[0])
        self._worker_processes = [
            WorkerProcess[Never, list[BatchGradient]](GradientWorker(source, meta.trainable_copy(), part).compute_at)
            for part in parts[1:]
        ]

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Terminate the worker processes."""
        for process in self._worker_processes:
            process.close()

    def compute_gradient(self, step: int) -> BatchGradient:
        """Return the mean gradient and losses of all batches of a step."""
        for process in self._worker_processes:
            process.send(step, self._meta.flatten())
        parts = [self._local_worker(step), *(process.receive() for process in self._worker_processes)]
        return average_gradients([parts[batch % len(parts)][batch // len(parts)] for batch in range(self._batch_count)])


def average_gradients(gradients: Sequence[BatchGradient]) -> BatchGradient:
    """Average over batches, in their order."""
    count = len(gradients)
    numbers = zip(*((each.objective, each.loss_before, each.loss_after) for each in gradients), strict=True)
    vector = torch.stack([each.vector for each in gradients]).mean(0)
    return BatchGradient(vector, *(sum(column) / count for column in numbers))
