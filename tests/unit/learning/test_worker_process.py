"""Tests of worker processes: results, progress records, errors, and their end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch

from metagui.learning.torch_utils.worker_process import WorkerProcess, WorkerProcessError
from tests.helpers.clocks import sleep, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def count_to(count: int, should_stop: Callable[[], bool]) -> Generator[int, None, dict[str, torch.Tensor]]:
    for number in range(count):
        yield number
        if should_stop():
            break
    return {"last": torch.tensor([float(number), float(os.getpid())])}


def fail(_should_stop: Callable[[], bool]) -> Generator[int, None, None]:
    yield 1
    raise ValueError("No room left.")


def die(_should_stop: Callable[[], bool]) -> Generator[int, None, None]:
    yield 1
    os._exit(1)


def run_endlessly(should_stop: Callable[[], bool]) -> Generator[int, None, str]:
    number = 0
    while not should_stop():
        yield (number := number + 1)
        sleep(0.01)
    return "stopped"


def start(job: Callable[..., Any], *arguments: object) -> WorkerProcess[int, Any]:
    worker: WorkerProcess[int, Any] = WorkerProcess(job)
    worker.start(*arguments)
    return worker


def finish(worker: WorkerProcess[int, Any], stop_after: int = 1000) -> tuple[list[int], Any]:
    """Wait for the result, requesting a stop after some records; return records and result."""
    received: list[int] = []
    steps = worker.wait_for_result(lambda: len(received) >= stop_after)
    while True:
        try:
            received.append(next(steps))
        except StopIteration as end:
            return received, end.value


def test_worker_process_started_job_yields_and_returns() -> None:
    with start(count_to, 4) as worker:
        received, result = finish(worker)
        assert received == [0, 1, 2, 3]
        last, process = result["last"].tolist()
        assert last == 3.0
        assert process != os.getpid()
        assert list(worker.poll_steps()) == []
        assert finish(worker) == ([], result)


def test_worker_process_polls_without_waiting_or_repeating() -> None:
    with start(run_endlessly) as worker:
        received: list[int] = []
        wait_until(lambda: received.extend(worker.poll_steps()) or len(received) >= 3)
        rest, result = finish(worker, stop_after=3)
        assert result == "stopped"
        assert len(rest) >= 3
        assert received + rest == list(range(1, len(received + rest) + 1))


def test_worker_process_started_job_raises_its_errors() -> None:
    with start(fail) as worker, pytest.raises(ValueError, match=r"No room left\."):
        finish(worker)
    with start(die) as worker, pytest.raises(WorkerProcessError, match="--workers 1"):
        finish(worker)


def test_worker_process_context_ends_the_job() -> None:
    with start(run_endlessly):
        assert [process.name for process in multiprocessing.active_children()] == ["run_endlessly"]
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no processes")
def test_worker_that_is_stopped_is_ended_by_close() -> None:
    """A stopped process does not react to a request to end; before, it was waited for without end."""
    worker = start(run_endlessly)
    next(iter(worker.wait_for_result()))
    os.kill(worker.pid, signal.SIGSTOP)
    worker.close()
    assert worker.pid not in {child.pid for child in multiprocessing.active_children()}
