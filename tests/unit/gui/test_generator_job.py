"""Background jobs: batches, Stop, Cancel, and errors, none of which may be lost."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from metagui.gui.core.app_state import LearningActivity
from metagui.gui.core.background_queue import BackgroundQueue
from metagui.gui.core.generator_job import GeneratorJob
from metagui.gui.core.learning_queue import LearningJob, LearningQueue
from tests.helpers.clocks import PATIENCE_MS, sleep

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
    with qtbot.waitSignal(job.finished, timeout=PATIENCE_MS):
        job.start()
        if act:
            qtbot.waitUntil(lambda: bool(record.batches), timeout=PATIENCE_MS)
            act()
    job.wait()
    qtbot.waitUntil(lambda: bool(record.outcomes), timeout=PATIENCE_MS)
    return record


def test_items_arrive_in_few_batches_in_order(qtbot: QtBot) -> None:
    def work(_stop: Callable[[], bool]) -> Generator[int, None, str]:
        yield from range(20_000)
        return "result"

    record = _run(qtbot, GeneratorJob(work))
    assert [i for batch in record.batches for i in batch] == list(range(20_000))
    assert len(record.batches) < 200
    assert record.outcomes == [("succeeded", "result")]


def test_stop_keeps_the_result(qtbot: QtBot) -> None:
    def work(stop: Callable[[], bool]) -> Generator[int, None, int]:
        for i in range(100_000):
            if stop():
                return i
            sleep(0.002)
            yield i
        return -1

    job = GeneratorJob(work)
    record = _run(qtbot, job, job.stop)
    assert record.outcomes[0][0] == "succeeded"
    assert record.outcomes[0][1] > 0


def test_cancel_closes_the_generator_in_its_thread(qtbot: QtBot) -> None:
    closed: list[int] = []

    def work(_stop: Callable[[], bool]) -> Generator[int, None, None]:
        try:
            while True:
                sleep(0.002)
                yield threading.get_ident()
        finally:
            closed.append(threading.get_ident())

    job = GeneratorJob(work)
    record = _run(qtbot, job, job.cancel)
    assert record.outcomes == [("cancelled", None)]
    assert closed == [record.batches[0][0]]
    assert closed != [threading.get_ident()]


@pytest.mark.parametrize(
    "error", [ValueError("bad"), RuntimeError("an error of torch"), StopAsyncIteration(), KeyError()]
)
def test_every_exception_becomes_failed(qtbot: QtBot, error: Exception) -> None:
    def work(_stop: Callable[[], bool]) -> Generator[int, None, None]:
        yield 1
        raise error

    record = _run(qtbot, GeneratorJob(work))
    assert record.batches == [[1]]
    assert record.outcomes == [("failed", error)]


def test_exception_before_the_first_item_becomes_failed(qtbot: QtBot) -> None:
    def work(_stop: Callable[[], bool]) -> Generator[int, None, None]:
        raise OSError("no file")

    assert _run(qtbot, GeneratorJob(work)).outcomes[0][0] == "failed"


def test_background_tasks_run_in_order_and_report_errors(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    queue = BackgroundQueue(unhandled.append)
    done: list[object] = []
    for number in range(4):
        queue.submit(partial(int, number), done.append)
    queue.submit(lambda: 1 / 0, done.append, lambda error: done.append(type(error)))
    queue.submit(lambda: 1 / 0, done.append)
    qtbot.waitUntil(lambda: not queue.is_busy, timeout=PATIENCE_MS)
    assert done == [0, 1, 2, 3, ZeroDivisionError]
    assert [type(e) for e in unhandled] == [ZeroDivisionError]


def test_close_finishes_all_background_tasks(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    queue = BackgroundQueue(unhandled.append)
    written: list[int] = []
    for number in range(3):
        queue.submit(partial(written.append, number))
    queue.close()
    assert written == [0, 1, 2]
    queue.submit(lambda: written.append(3))
    assert not queue.is_busy


def test_learning_queue_runs_one_job_at_a_time(qtbot: QtBot) -> None:
    learning_queue, outcomes = LearningQueue(), []

    def work(stop: Callable[[], bool]) -> Generator[int, None, str]:
        for i in range(10_000):
            if stop():
                break
            sleep(0.002)
            yield i
        return "kept"

    def make_job() -> LearningJob:
        return LearningJob(
            LearningActivity.ADAPTING,
            work,
            on_progress=lambda batch: None,
            on_success=outcomes.append,
            on_failure=outcomes.append,
            on_cancel=lambda: outcomes.append(None),
            fraction_done=lambda batch: batch[-1] / 10_000,
        )

    assert learning_queue.start(make_job())
    assert not learning_queue.start(make_job())
    assert learning_queue.state is LearningActivity.ADAPTING
    with qtbot.waitSignal(learning_queue.progressed, timeout=PATIENCE_MS):
        pass
    learning_queue.stop()
    qtbot.waitUntil(lambda: learning_queue.state is LearningActivity.IDLE, timeout=PATIENCE_MS)
    assert outcomes == ["kept"]
    assert learning_queue.start(make_job())
    learning_queue.cancel()
    qtbot.waitUntil(lambda: learning_queue.state is LearningActivity.IDLE, timeout=PATIENCE_MS)
    assert outcomes == ["kept", None]


def test_close_runs_all_tasks_and_raises_the_first_error(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    queue = BackgroundQueue(unhandled.append)
    written: list[int] = []
    queue.submit(partial(sleep, 0.05))
    queue.submit(lambda: 1 / 0)
    queue.submit(partial(written.append, 1))
    with pytest.raises(ZeroDivisionError):
        queue.close()
    assert written == [1]


def test_close_drops_what_only_the_window_wants(qtbot: QtBot) -> None:
    unhandled: list[Exception] = []
    queue = BackgroundQueue(unhandled.append)
    called: list[str] = []
    queue.submit(partial(sleep, 0.05))
    queue.submit(partial(called.append, "compute"), only_for_window=True)
    queue.submit(lambda: 1 / 0, only_for_window=True)
    queue.submit(partial(called.append, "save"))
    queue.close()
    assert called == ["save"]
