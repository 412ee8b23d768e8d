"""Data-parallel meta-training: the processes of a group compute the gradients of some batches of an outer step.

The result does not depend on the number of processes: every batch has its own random stream, and gradients are
averaged in the order of the batches.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from metagui.learning.torch_utils.process_group import ProcessGroup, current_group, open_group

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


@dataclass(frozen=True)
class GradientWorker:
    """Computes every ``size``-th batch of an outer step on one rank of a process group; picklable."""

    source: GradientSource
    meta: MetaParameters

    def __call__(self) -> None:
        """Answer the steps of rank 0 until it sends a negative one; runs on the other ranks."""
        group, values = current_group(), self.meta.flatten()
        while (step := int(group.broadcast(torch.empty(1, dtype=torch.int64)))) >= 0:
            group.broadcast(values)
            with torch.no_grad():
                for own, numbers in zip(self.meta.tensors(), self.meta.unflatten(values), strict=True):
                    own.copy_(numbers)
            group.gather(self.compute_rows(group, step))

    def compute_rows(self, group: ProcessGroup, step: int) -> torch.Tensor:
        """Return this rank's gradients and losses, (batches, P + 3), exact; zeros where other ranks have more."""
        count = self.source.batches_per_step
        rows = torch.zeros(math.ceil(count / group.size), self.meta.flatten().numel() + 3, dtype=torch.float64)
        for row, batch in enumerate(range(group.rank, count, group.size)):
            found = self.source.compute_gradient(self.meta, step, self.source.draw_batch(step, batch))
            rows[row, :-3] = found.vector
            rows[row, -3:] = torch.tensor([found.objective, found.loss_before, found.loss_after], dtype=torch.float64)
        return rows


class DataParallelGradients:
    """Computes all batches of an outer step in a process group. A context manager.

    Uses the group of ``torchrun`` if there is one; otherwise starts processes, ``workers`` with this one. Raises
    WorkerProcessError if another process ends.
    """

    def __init__(self, source: GradientSource, meta: MetaParameters, workers: int = 1) -> None:
        self._source, self._meta = source, meta
        self._workers = max(1, min(workers, source.batches_per_step))
        self._group = ProcessGroup()
        self._exit_stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the other processes, or give those of the group their part."""
        with ExitStack() as stack:
            self._group = stack.enter_context(open_group(self._workers))
            self._group.send_job(GradientWorker(self._source, self._meta.trainable_copy()))
            self._exit_stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        """Let the other processes go to their next job; those started here end."""
        # After an error, the other processes may be inside a step; they end when this one closes its connections.
        with self._exit_stack:
            if kind in (None, GeneratorExit):
                self._group.broadcast(torch.tensor([-1]))

    def compute_gradient(self, step: int) -> BatchGradient:
        """Return the mean gradient and losses of all batches of a step."""
        group = self._group
        if group.size > 1:
            group.broadcast(torch.tensor([step]))
            group.broadcast(self._meta.flatten())
        parts = group.gather(GradientWorker(self._source, self._meta).compute_rows(group, step))
        batches = range(self._source.batches_per_step)
        return average_gradients([_to_gradient(parts[batch % group.size][batch // group.size]) for batch in batches])


def _to_gradient(row: torch.Tensor) -> BatchGradient:
    """Return the gradient and losses of a row of ``compute_rows``."""
    return BatchGradient(row[:-3].float(), *row[-3:].tolist())


def average_gradients(gradients: Sequence[BatchGradient]) -> BatchGradient:
    """Average over batches, in their order."""
    count = len(gradients)
    numbers = zip(*((each.objective, each.loss_before, each.loss_after) for each in gradients), strict=True)
    vector = torch.stack([each.vector for each in gradients]).mean(0)
    return BatchGradient(vector, *(sum(column) / count for column in numbers))
