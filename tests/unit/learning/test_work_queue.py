"""Tests of a queue over a process group: order, unequal items, errors, an early end, a killed process."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from metagui.learning.torch_utils.process_group import ProcessGroup, open_group
from metagui.learning.torch_utils.work_queue import QUEUE_DEPTH, make_group_map, map_in_order
from metagui.learning.torch_utils.worker_process import WorkerProcessError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def group() -> Iterator[ProcessGroup]:
    with open_group(3) as made:
        yield made


def square(number: int) -> tuple[int, int]:
    """Return the square and the process; refuse a negative number, and take longer for every third."""
    if number < 0:
        raise ValueError(f"{number} is negative.")
    time.sleep(0.3 if number % 3 == 0 else 0.01)
    return number * number, os.getpid()


def note(path: Path) -> str:
    """Create a file after a while, return its name."""
    time.sleep(0.05)
    path.write_text("", encoding="ascii")
    return path.name


def end_process(number: int) -> int:
    """End the process for item 0, which rank 1 gets."""
    if number == 0:
        os._exit(3)
    return number


def test_map_in_order_shares_unequal_items_and_keeps_their_order(group: ProcessGroup) -> None:
    found = list(map_in_order(group, square, range(20)))
    assert [value for value, _ in found] == [number * number for number in range(20)]
    processes = [process for _, process in found]
    assert set(processes) == {os.getpid(), *(process.pid for process in group.processes)}


def test_map_in_order_sends_large_items_and_results(group: ProcessGroup) -> None:
    items = [bytes([number]) * 3_000_000 for number in range(8)]
    assert list(map_in_order(group, bytes.upper, items)) == [item.upper() for item in items]


def test_map_in_order_reads_items_only_as_they_are_needed(group: ProcessGroup) -> None:
    read: list[int] = []
    items = (read.append(number) or number for number in range(1000))  # type: ignore[func-returns-value]
    results = map_in_order(group, square, items)
    next(results)
    assert len(read) <= 2 * QUEUE_DEPTH * group.size
    results.close()


def test_map_in_order_raises_the_error_of_an_item_in_its_place(group: ProcessGroup) -> None:
    results = map_in_order(group, square, [1, 2, -3, 4, -5])
    assert [next(results)[0], next(results)[0]] == [1, 4]
    with pytest.raises(ValueError, match="-3 is negative"):
        next(results)
    assert [value for value, _ in map_in_order(group, square, [5])] == [25], "the next queue works"


def test_map_in_order_closed_early_leaves_out_the_rest(group: ProcessGroup, tmp_path: Path) -> None:
    results = map_in_order(group, note, (tmp_path / str(number) for number in range(200)))
    assert next(results) == "0"
    results.close()
    begun = len(list(tmp_path.iterdir()))
    time.sleep(0.3)
    assert begun == len(list(tmp_path.iterdir())) < 30
    assert list(make_group_map(group)(bytes.upper, [b"a", b"b"])) == [b"A", b"B"]


def test_map_in_order_alone_calls_the_function_here() -> None:
    assert list(map_in_order(ProcessGroup(), square, [1, 2])) == [(1, os.getpid()), (4, os.getpid())]


def test_map_in_order_ended_process_is_named(group: ProcessGroup) -> None:
    """The last test, because the group ends with it."""
    with pytest.raises(WorkerProcessError, match=r"process 2 of 3 \(rank 1\) ended"):
        list(map_in_order(group, end_process, range(5)))
    assert not group.is_open
