"""Shares a meta-training step among processes: each computes the gradients of some of the step's batches.

Which numbers come out does not depend on how many processes there are: every batch has its own random stream, and
gradients are averaged in the order of the batches, whoever computed them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from metagui.learning.torch_utils.worker_process import Helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.learning.maml.training_state import Meta


@dataclass(frozen=True)
class Gradient:
    """What one batch asks for."""

    vector: torch.Tensor
    """(P,) of the loss with respect to all of ``Meta.tensors``, one after the other."""
    objective: float
    before: float
    """Mean query loss before adapting to the batch, …"""
    after: float
    """… and after it."""


class Work(Protocol):
    """What there is to do; it can be sent to another process."""

    @property
    def batches(self) -> int:
        """Batches a step."""

    def draw(self, step: int, batch: int) -> Any:
        """Draw one batch of a step."""

    def gradient(self, meta: Meta, step: int, drawn: Any) -> Gradient:
        """Return what it asks for."""


class Share:
    """Some of every step's batches."""

    def __init__(self, work: Work, meta: Meta, batches: Sequence[int]) -> None:
        self.work, self.meta, self.batches = work, meta, batches

    def __call__(self, step: int) -> list[Gradient]:
        """Return what the batches of a step ask for, at ``meta`` as it is."""
        return [self.work.gradient(self.meta, step, self.work.draw(step, batch)) for batch in self.batches]

    def at(self, question: tuple[int, torch.Tensor]) -> list[Gradient]:
        """Return the same for a step, and ``meta`` of these numbers (P,); what a helper is asked."""
        step, vector = question
        with torch.no_grad():
            for own, numbers in zip(self.meta.tensors(), self.meta.split(vector), strict=True):
                own.copy_(numbers)
        return self(step)


class Shares:
    """All batches of a step, shared among so many processes, this one among them. A context manager.

    Raises HelperError where another process ended.
    """

    def __init__(self, work: Work, meta: Meta, workers: int = 1) -> None:
        workers = max(1, min(workers, work.batches))
        parts = [range(first, work.batches, workers) for first in range(workers)]
        self._meta, self._count = meta, work.batches
        self._own = Share(work, meta, parts[0])
        self._helpers = [Helper(Share(work, meta.trainable(), part).at) for part in parts[1:]]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the processes."""
        for helper in self._helpers:
            helper.close()

    def gradient(self, step: int) -> Gradient:
        """Return what all batches of a step ask for together: their mean."""
        for helper in self._helpers:
            helper.ask((step, self._meta.vector()))
        parts = [self._own(step), *(helper.answer() for helper in self._helpers)]
        return mean([parts[batch % len(parts)][batch // len(parts)] for batch in range(self._count)])


def mean(found: Sequence[Gradient]) -> Gradient:
    """Average over batches, in their order."""
    count = len(found)
    numbers = zip(*((each.objective, each.before, each.after) for each in found), strict=True)
    vector = torch.stack([each.vector for each in found]).mean(0)
    return Gradient(vector, *(sum(column) / count for column in numbers))
