"""Shares a meta-training step among processes: each computes the gradients of some of the step's batches.

Which numbers come out does not depend on how many processes there are: every batch has its own random stream, and
gradients are averaged in the order of the batches, whoever computed them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from metagui.learning.helpers import Helper

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metagui.learning.meta_state import Meta


@dataclass(frozen=True)
class Gradient:
    """What one batch asks for."""

    tensors: list[torch.Tensor]
    """Of the loss with respect to each of ``Meta.tensors``."""
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

    @property
    def steps(self) -> int:
        """Steps in all."""

    def draw(self, step: int, batch: int) -> Any:
        """Draw one batch of a step."""

    def gradient(self, meta: Meta, step: int, drawn: Any) -> Gradient:
        """Return what it asks for."""


class Share:
    """Some of every step's batches, from step ``begin`` on; a thread draws the next one meanwhile."""

    def __init__(self, work: Work, meta: Meta, begin: int, batches: Sequence[int]) -> None:
        self.work, self.meta, self.begin, self.batches = work, meta, begin, batches
        self._drawn: Iterator[Any] | None = None

    def __call__(self, step: int) -> list[Gradient]:
        """Return what the batches of the next step ask for, at ``meta`` as it is."""
        self._drawn = self._drawn or self._draw_ahead()
        return [self.work.gradient(self.meta, step, next(self._drawn)) for _ in self.batches]

    def at(self, question: tuple[int, Sequence[torch.Tensor]]) -> list[Gradient]:
        """Return the same for a step, and ``meta`` of these tensors; what a helper is asked."""
        step, tensors = question
        with torch.no_grad():
            for own, tensor in zip(self.meta.tensors(), tensors, strict=True):
                own.copy_(tensor)
        return self(step)

    def close(self) -> None:
        """End the thread."""
        if self._drawn is not None:
            self._drawn.close()  # type: ignore[attr-defined]
            self._drawn = None

    def _draw_ahead(self) -> Iterator[Any]:
        jobs = ((step, batch) for step in range(self.begin, self.work.steps) for batch in self.batches)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(self.work.draw, *next(jobs))
            for job in jobs:
                drawn = waiting.result()
                waiting = thread.submit(self.work.draw, *job)
                yield drawn
            yield waiting.result()


class Shares:
    """All batches of a step, shared among so many processes, this one among them. A context manager.

    Raises HelperError where another process ended.
    """

    def __init__(self, work: Work, meta: Meta, begin: int, workers: int = 1) -> None:
        workers = max(1, min(workers, work.batches))
        parts = [range(first, work.batches, workers) for first in range(workers)]
        self._meta, self._count = meta, work.batches
        self._own = Share(work, meta, begin, parts[0])
        self._helpers = [Helper(Share(work, meta.trainable(), begin, part).at) for part in parts[1:]]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End threads and processes."""
        self._own.close()
        for helper in self._helpers:
            helper.close()

    def gradient(self, step: int) -> Gradient:
        """Return what all batches of the next step ask for together: their mean."""
        for helper in self._helpers:
            helper.ask((step, [tensor.detach() for tensor in self._meta.tensors()]))
        parts = [self._own(step), *(helper.answer() for helper in self._helpers)]
        return mean([parts[batch % len(parts)][batch // len(parts)] for batch in range(self._count)])


def mean(found: Sequence[Gradient]) -> Gradient:
    """Average over batches, in their order."""
    count = len(found)
    tensors = [sum(parts[1:], parts[0]) / count for parts in zip(*(each.tensors for each in found), strict=True)]
    numbers = zip(*((each.objective, each.before, each.after) for each in found), strict=True)
    return Gradient(tensors, *(sum(column) / count for column in numbers))
