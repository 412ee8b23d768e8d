"""A queue of unequal work over a process group: rank 0 sends items to the ranks that have few, and works itself.

Results come in the order of the items, whatever the number of processes. Takes to generate, policies to run and
programs to evaluate take from a tenth of a second to a minute each, so that equal shares would leave processes idle.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from metagui.learning.torch_utils.process_group import ProcessGroup, current_group

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from metagui.generators import OrderedMap
    from metagui.learning.torch_utils.process_group import PendingSend

Item = TypeVar("Item")
Result = TypeVar("Result")

QUEUE_DEPTH = 2
"""Number of items that a rank has at once: one to work on, one for when rank 0 is busy with an item of its own."""
_END = -1
"""Index that ends the work of a rank."""


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What a function returned or raised for an item."""

    value: Result | None = None
    error: Exception | None = None

    def unwrap(self) -> Result:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


def _call(function: Callable[[Item], Result], item: Item) -> Outcome[Result]:
    """Call a function."""
    try:
        return Outcome(function(item))
    except Exception as error:  # noqa: BLE001 - raised again where the result is used
        return Outcome(error=error)


@dataclass(frozen=True)
class QueueWorker(Generic[Item, Result]):
    """Works on the items that rank 0 sends; a job of the other ranks, picklable."""

    function: Callable[[Item], Result]
    stop_key: str

    def __call__(self) -> None:
        """Answer every item with its outcome until the queue ends."""
        group, sends = current_group(), deque[Any]()
        while (message := group.receive(0))[0] != _END:
            # After a stop, rank 0 only counts the answers.
            stopped = group.store.check([self.stop_key])
            outcome: Outcome[Result] = Outcome() if stopped else _call(self.function, message[1])
            sends.append(group.send(outcome, 0))
            while len(sends) > QUEUE_DEPTH:
                sends.popleft().wait()
        for send in sends:
            send.wait()


def map_in_order(
    group: ProcessGroup, function: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for every item, in order, computed by all ranks of ``group``; called on rank 0.

    Function, items and results must be picklable. ``items`` are read as they are needed. Raises what the function
    raises, and WorkerProcessError. Close the generator to stop: items that were not begun are left out.
    """
    if group.size == 1:
        yield from map(function, items)
        return
    queue = _Queue(group, function)
    try:
        yield from queue.run(items)
    finally:
        queue.close()


def make_group_map(group: ProcessGroup) -> OrderedMap:
    """Return ``map_in_order`` of a group."""

    def run(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        return map_in_order(group, function, items)

    return run


class _Queue(Generic[Item, Result]):
    """Rank 0's side of a queue."""

    def __init__(self, group: ProcessGroup, function: Callable[[Item], Result]) -> None:
        name = f"queue/{next(group.job_numbers)}"
        self._group, self._function, self._stop_key = group, function, f"{name}/stop"
        self._pending: list[deque[tuple[int, PendingSend]]] = [deque() for _ in range(group.size)]
        """For every rank, the items that it has, in the order in which it answers."""
        self._outcomes: dict[int, Outcome[Result]] = {}
        group.send_job(QueueWorker(function, self._stop_key))

    def run(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield the results in order."""
        numbered, done = enumerate(items), 0
        while True:
            self._collect_arrived()
            while done in self._outcomes:
                yield self._outcomes.pop(done).unwrap()
                done += 1
            self._fill(numbered)
            own = next(numbered, None)
            if own is not None:
                self._outcomes[own[0]] = _call(self._function, own[1])
            elif (owner := self._find_owner(done)) is not None:
                self._receive(owner)
            elif not self._outcomes:
                return

    def close(self) -> None:
        """Let the other ranks go to their next job. Does nothing if the group has ended."""
        if not self._group.is_open:
            return
        self._group.store.set(self._stop_key, "")
        for rank in range(1, self._group.size):
            while self._pending[rank]:
                self._receive(rank)
            self._group.send((_END, None), rank).wait()

    def _fill(self, numbered: Iterator[tuple[int, Item]]) -> None:
        """Send items to all ranks that have few, one each in turn."""
        for _ in range(QUEUE_DEPTH):
            for rank in range(1, self._group.size):
                if len(self._pending[rank]) < QUEUE_DEPTH:
                    for number, item in itertools.islice(numbered, 1):
                        self._pending[rank].append((number, self._group.send((number, item), rank)))

    def _collect_arrived(self) -> None:
        """Receive all outcomes that are ready, without waiting for others."""
        for rank, pending in enumerate(self._pending):
            while pending and self._group.has_sent(rank):
                self._receive(rank)

    def _receive(self, rank: int) -> None:
        """Wait for the next outcome of a rank."""
        outcome = self._group.receive(rank)
        number, send = self._pending[rank].popleft()
        send.wait()  # it was received, because it was answered
        self._outcomes[number] = outcome

    def _find_owner(self, number: int) -> int | None:
        """Return the rank that has an item; None if no rank has it."""
        return next((rank for rank, own in enumerate(self._pending) if number in {each for each, _ in own}), None)
