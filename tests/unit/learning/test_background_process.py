"""A job in a process of its own: its steps, its result, its errors, and that it ends when it is left."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch

from metagui.learning.torch_utils.background_process import BackgroundProcess, BackgroundProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def counting(count: int, should_stop: Callable[[], bool]) -> Generator[int, None, dict[str, torch.Tensor]]:
    for number in range(count):
        yield number
        if should_stop():
            break
    return {"last": torch.tensor([float(number), float(os.getpid())])}


def failing(_should_stop: Callable[[], bool]) -> Generator[int, None, None]:
    yield 1
    raise ValueError("No room left.")


def dying(_should_stop: Callable[[], bool]) -> Generator[int, None, None]:
    yield 1
    time.sleep(0.2)  # what was told gets through
    os._exit(1)


def endless(should_stop: Callable[[], bool]) -> Generator[int, None, str]:
    number = 0
    while not should_stop():
        yield (number := number + 1)
        time.sleep(0.01)
    return "stopped"


def finish(beside: BackgroundProcess[int, Any], stop_after: int = 1000) -> tuple[list[int], Any]:
    told: list[int] = []
    steps = beside.wait_for_result(lambda: len(told) >= stop_after)
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return told, end.value


def test_steps_and_result_come_from_another_process() -> None:
    with BackgroundProcess(counting, 4) as beside:
        told, result = finish(beside)
        assert told == [0, 1, 2, 3]
        last, process = result["last"].tolist()
        assert last == 3.0
        assert process != os.getpid()
        assert list(beside.poll_steps()) == []
        assert finish(beside) == ([], result)


def test_news_never_wait_and_nothing_is_told_twice() -> None:
    with BackgroundProcess(endless) as beside:
        told: list[int] = []
        until = time.monotonic() + 30.0
        while len(told) < 3 and time.monotonic() < until:
            told += beside.poll_steps()
        rest, result = finish(beside, stop_after=3)  # only once it is being waited for
        assert result == "stopped"
        assert len(rest) >= 3
        assert told + rest == list(range(1, len(told + rest) + 1))


def test_what_goes_wrong_there_is_said_here() -> None:
    with BackgroundProcess(failing) as beside, pytest.raises(ValueError, match=r"No room left\."):
        finish(beside)
    with BackgroundProcess(dying) as beside, pytest.raises(BackgroundProcessError, match="--workers 1"):
        finish(beside)


def test_leaving_it_ends_the_process() -> None:
    with BackgroundProcess(endless):
        assert [process.name for process in multiprocessing.active_children()] == ["endless"]
    assert multiprocessing.active_children() == []
