"""Jobs: batches, stop keeps, cancel closes in its own thread, and no exception is ever swallowed."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.gui.core.generator_job import GeneratorJob
from metagui.gui.core.learning_queue import LearningJob, LearningQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytestqt.qtbot import QtBot

Stop = "Callable[[], bool]"


class JobRecord:
    """Records the signals of a job."""

    def __init__(self, job: GeneratorJob) -> None:
        self.batches: list[list[Any]] = []
        self.outcomes: list[Any] = []
        job.progressed.connect(self.batches.append)
        job.succeeded.connect(lambda result: self.outcomes.append(("succeeded", result)))
        job.failed.connect(lambda error: self.outcomes.append(("failed", error)))
        job.cancelled.connect(lambda: self.outcomes.append(("cancelled", None)))


def _run(qtbot: QtBot, job: GeneratorJob, act: Callable[[], None] | None = None) -> JobRecord:
    record = JobRecord(job)
    with qtbot.waitSignal(job.finished, timeout=10_000):
        job.start()
        if act:
            qtbot.waitUntil(lambda: bool(record.batches), timeout=5000)
            act()
    job.wait()
    qtbot.waitUntil(lambda: bool(record.outcomes), timeout=5000)
    return record


def test_many_items_come_in_few_batches_in_order(qtbot: QtBot) -> None:
    def work(_stop: Callable[[], bool]) -> Generator[int, None, str]:
        yield from range(20_000)
        return "result"

    record = _run(qtbot, GeneratorJob(work))
    assert [i for batch in record.batches for i in batch] == list(range(20_000))
    assert len(record.batches) < 200
    assert record.outcomes == [("succeeded", "result")]


def test_stop_keeps_what_there_is(qtbot: QtBot) -> None:
    def work(stop: Callable[[], bool]) -> Generator[int, None, int]:
        for i in range(100_000):
            if stop():
                return i
            time.sleep(0.002)
            yield i
        return -1

    job = GeneratorJob(work)
    record = _run(qtbot, job, job.stop)
    assert record.outcomes[0][0] == "succeeded"
    assert record.outcomes[0][1] > 0


def test_cancel_closes_the_generator_in_its_own_thread(qtbot: QtBot) -> None:
    closed: list[int] = []

    def work(_stop: Callable[[], bool]) -> Generator[int, None, None]:
        try:
            while True:
                time.sleep(0.002)
                yield threading.get_ident()
        finally:
            closed.append(threading.get_ident())

    job = GeneratorJob(work)
    record = _run(qtbot, job, job.cancel)
    assert record.outcomes == [("cancelled", None)]
    assert closed == [record.batches[0][0]]
    assert closed != [threading.get_ident()]


@pytest.mark.parametrize("error", [ValueError("odd"), RuntimeError("torch says so"), StopAsyncIteration(), KeyError()])
def test_every_exception_reaches_the_window(qtbot: QtBot, error: Exception) -> None:
    def work(_stop: Callable[[], bool]) -> Generator[int, None, None]:
        yield 1
        raise error

    record = _run(qtbot, GeneratorJob(work))
    assert record.batches == [[1]]
    assert record.outcomes == [("failed", error)]


def test_an_exception_before_the_first_item_reaches_the_window(qtbot: QtBot) -> None:
    def work(_stop: Callable[[], bool]) -> Generator[int, None, None]:
        raise OSError("no file")

    assert _run(qtbot, GeneratorJob(work)).outcomes[0][0] == "failed"


def test_errands_run_in_order_and_say_what_failed(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    errands = BackgroundQueue(unhandled.append)
    done: list[object] = []
    for number in range(4):
        errands.submit(partial(int, number), done.append)
    errands.submit(lambda: 1 / 0, done.append, lambda error: done.append(type(error)))
    errands.submit(lambda: 1 / 0, done.append)
    qtbot.waitUntil(lambda: not errands.is_busy, timeout=5000)
    assert done == [0, 1, 2, 3, ZeroDivisionError]
    assert [type(e) for e in unhandled] == [ZeroDivisionError]


def test_what_was_queued_is_done_even_when_the_program_ends(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    errands = BackgroundQueue(unhandled.append)
    written: list[int] = []
    for number in range(3):
        errands.submit(partial(written.append, number))
    errands.close()
    assert written == [0, 1, 2]
    errands.submit(lambda: written.append(3))
    assert not errands.is_busy


def test_the_learner_runs_one_job_and_is_idle_again(qtbot: QtBot) -> None:
    learner, said = LearningQueue(), []

    def work(stop: Callable[[], bool]) -> Generator[int, None, str]:
        for i in range(10_000):
            if stop():
                break
            time.sleep(0.002)
            yield i
        return "kept"

    def assignment() -> LearningJob:
        return LearningJob(
            LearningActivity.ADAPTING,
            work,
            on_progress=lambda batch: None,
            on_success=said.append,
            on_failure=said.append,
            on_cancel=lambda: said.append(None),
            fraction_done=lambda batch: batch[-1] / 10_000,
        )

    assert learner.start(assignment())
    assert not learner.start(assignment())
    assert learner.state is LearningActivity.ADAPTING
    with qtbot.waitSignal(learner.progressed, timeout=5000):
        pass
    learner.stop()
    qtbot.waitUntil(lambda: learner.state is LearningActivity.IDLE, timeout=5000)
    assert said == ["kept"]
    assert learner.start(assignment())
    learner.cancel()
    qtbot.waitUntil(lambda: learner.state is LearningActivity.IDLE, timeout=5000)
    assert said == ["kept", None]


def test_closing_runs_all_tasks_and_raises_the_first_error(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    queue = BackgroundQueue(unhandled.append)
    written: list[int] = []
    queue.submit(partial(time.sleep, 0.05))
    queue.submit(lambda: 1 / 0)
    queue.submit(partial(written.append, 1))
    with pytest.raises(ZeroDivisionError):
        queue.close()
    assert written == [1]
