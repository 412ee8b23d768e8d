"""Processes that help: their answers, their errors, that their death is noticed, and that they end when left."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING

import pytest
import torch

from metagui.learning.torch_utils.worker_process import Helper, HelperError

if TYPE_CHECKING:
    from collections.abc import Iterator


def halved(number: float) -> tuple[torch.Tensor, int]:
    if number < 0:
        raise ValueError(f"{number:.0f} is below zero.")
    return torch.tensor(number / 2), os.getpid()


@pytest.fixture
def helper() -> Iterator[Helper[float, tuple[torch.Tensor, int]]]:
    made = Helper(halved)
    yield made
    made.close()


def test_answers_come_from_another_process(helper: Helper[float, tuple[torch.Tensor, int]]) -> None:
    processes = set()
    for number in (3.0, 5.0):
        helper.ask(number)
        half, process = helper.answer()
        assert half == number / 2
        processes.add(process)
    assert len(processes) == 1
    assert os.getpid() not in processes


def test_what_goes_wrong_there_is_raised_here_and_it_goes_on(helper: Helper[float, tuple[torch.Tensor, int]]) -> None:
    helper.ask(-3.0)
    with pytest.raises(ValueError, match="-3 is below zero"):
        helper.answer()
    helper.ask(4.0)
    assert helper.answer()[0] == 2.0


def test_its_death_is_noticed(helper: Helper[float, tuple[torch.Tensor, int]]) -> None:
    helper.ask(1.0)
    os.kill(helper.answer()[1], signal.SIGKILL)
    helper._process.join()
    with pytest.raises(HelperError, match="--workers 1"):
        helper.ask(1.0)
    with pytest.raises(HelperError, match="What was reached is kept"):
        helper.answer()


def test_it_ends_when_it_is_left() -> None:
    made = Helper(halved)
    made.ask(1.0)
    process = made.answer()[1]
    made.close()
    assert process not in {child.pid for child in multiprocessing.active_children()}
