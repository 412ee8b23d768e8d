"""Runs generators that yield progress records and return a result; maps functions in several processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

StepT = TypeVar("StepT")
OutputT = TypeVar("OutputT")
ResultT = TypeVar("ResultT")
ItemT = TypeVar("ItemT")


class OrderedMap(Protocol):
    """Calls a function for every item, perhaps in several processes; yields the results in the order of the items."""

    def __call__(self, function: Callable[[ItemT], ResultT], items: Sequence[ItemT], /) -> Iterator[ResultT]:
        """Yield ``function(item)`` for every item."""
        ...


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


def make_process_map(workers: int | None) -> OrderedMap:
    """Return a map that uses ``workers`` processes of this machine, one per core if None; this process if one."""

    def run(function: Callable[[ItemT], ResultT], items: Sequence[ItemT]) -> Iterator[ResultT]:
        count = min(workers or os.cpu_count() or 1, len(items))
        if count <= 1:
            yield from map(function, items)
            return
        from concurrent.futures import ProcessPoolExecutor  # only here: the window imports this module at its start

        with ProcessPoolExecutor(count) as pool:
            try:
                yield from pool.map(function, items)
            finally:
                pool.shutdown(cancel_futures=True)

    return run
