"""Processes that help: their answers, their errors, that their death is noticed, and that they end when left."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest
import torch

from metagui.learning.torch_utils.worker_process import WorkerProcess, WorkerProcessError

if TYPE_CHECKING:
    from collections.abc import Iterator


def halved(number: float) -> tuple[torch.Tensor, int]:
    if number < 0:
        raise ValueError(f"{number:.0f} is below zero.")
    return torch.tensor(number / 2), os.getpid()


@pytest.fixture
def helper() -> Iterator[WorkerProcess[float, tuple[torch.Tensor, int]]]:
    made = WorkerProcess(halved)
    yield made
    made.close()


def test_answers_come_from_another_process(helper: WorkerProcess[float, tuple[torch.Tensor, int]]) -> None:
    processes = set()
    for number in (3.0, 5.0):
        helper.send(number)
        half, process = helper.receive()
        assert half == number / 2
        processes.add(process)
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_what_goes_wrong_there_is_raised_here_and_it_goes_on(
    helper: WorkerProcess[float, tuple[torch.Tensor, int]],
) -> None:
    helper.send(-3.0)
    with pytest.raises(ValueError, match="-3 is below zero"):
        helper.receive()
    helper.send(4.0)
    assert helper.receive()[0] == 2.0


def test_its_death_is_noticed(helper: WorkerProcess[float, tuple[torch.Tensor, int]]) -> None:
    helper.send(1.0)
    os.kill(helper.receive()[1], signal.SIGKILL)
    helper._process.join()
    with pytest.raises(WorkerProcessError, match="--workers 1"):
        helper.send(1.0)
    with pytest.raises(WorkerProcessError, match="What was reached is kept"):
        helper.receive()


def test_it_ends_when_it_is_left() -> None:
    made = WorkerProcess(halved)
    made.send(1.0)
    process = made.receive()[1]
    made.close()
    assert process not in {child.pid for child in multiprocessing.active_children()}
