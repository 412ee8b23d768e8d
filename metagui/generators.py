"""Runs generators that yield progress records and return a result; for training, adaptation and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

StepT = TypeVar("StepT")
OutputT = TypeVar("OutputT")
ResultT = TypeVar("ResultT")


def run_to_end(
    steps: Generator[StepT, None, ResultT], on_step: Callable[[StepT], object] = lambda _step: None
) -> ResultT:
    """Run a generator to its end, calling ``on_step`` with every record; return its result."""
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            result: ResultT = finished.value
            return result
        on_step(step)


def flat_map(
    steps: Generator[StepT, None, ResultT], expand: Callable[[StepT], Iterable[OutputT]]
) -> Generator[OutputT, None, ResultT]:
    """Yield the records of ``expand(step)`` for every record of a generator; return its result."""
    while True:
        try:
            step = next(steps)
        except StopIteration as finished:
            result: ResultT = finished.value
            return result
        yield from expand(step)
