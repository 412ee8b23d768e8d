"""A job that tells its steps, done in a process of its own while others go on here: what needs a core has one."""

from __future__ import annotations

import multiprocessing
import pickle
import queue
import signal
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

Step = TypeVar("Step")
Result = TypeVar("Result")
STEP_MESSAGE, RESULT_MESSAGE, FAILURE_MESSAGE = "step", "end", "failure"
_LIVENESS_CHECK_S = 1.0
"""How often it is made sure that the process still lives, s."""


class BackgroundProcessError(Exception):
    """The other process ended without a result."""


class BackgroundProcess(Generic[Step, Result]):
    """Runs ``job(*arguments, should_stop)``, a generator, in another process. A context manager; leaving it stops it.

    Job, arguments, steps and result have to be such that they can be pickled, and the job a module's function.
    """

    def __init__(self, job: Callable[..., Generator[Step, None, Result]], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._messages: multiprocessing.Queue[bytes] = context.Queue()
        self._stop_event = context.Event()
        self._outcome: tuple[str, Any] | None = None
        work = (job, arguments, self._messages, self._stop_event)
        self._process = context.Process(target=_run_job, args=work, name=job.__name__, daemon=True)
        self._process.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()

    def poll_steps(self) -> Iterator[Step]:
        """Yield the steps told since one last asked; never waits."""
        while self._outcome is None:
            try:
                yield from self._handle_message(self._messages.get_nowait())
            except queue.Empty:
                return

    def wait_for_result(self, should_stop: Callable[[], bool] = lambda: False) -> Generator[Step, None, Result]:
        """Wait for the end: yield the steps until there, return the result. Raises what the job raised, BesideError.

        Once ``should_stop`` is true, the job is asked to come to an early end, with what it has.
        """
        while self._outcome is None:
            if should_stop():
                self._stop_event.set()
            try:
                yield from self._handle_message(self._messages.get(timeout=_LIVENESS_CHECK_S))
            except queue.Empty:
                if not self._process.is_alive() and self._messages.empty():
                    raise BackgroundProcessError(
                        f"The process that did '{self._process.name}' beside the others was ended. What was reached is "
                        "kept; start the same command again, with --workers 1 if it runs out of memory."
                    ) from None
        kind, value = self._outcome
        if kind == FAILURE_MESSAGE:
            raise value
        result: Result = value
        return result

    def _handle_message(self, message: bytes) -> Iterator[Step]:
        """Yield a step; keep the end."""
        kind, value = pickle.loads(message)
        if kind == STEP_MESSAGE:
            yield value
        else:
            self._outcome = kind, value


def _run_job(
    job: Callable[..., Generator[Any, None, Any]], arguments: tuple[object, ...], messages: Any, stop_event: Any
) -> None:
    """Do the job; Ctrl+C is for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell(kind: str, value: object) -> None:
        messages.put(
            pickle.dumps((kind, value))
        )  # by value: torch would leave tensors to a process that may have ended

    steps = job(*arguments, stop_event.is_set)
    try:
        while True:
            tell(STEP_MESSAGE, next(steps))
    except StopIteration as finished:
        tell(RESULT_MESSAGE, finished.value)
    except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
        tell(FAILURE_MESSAGE, error)
