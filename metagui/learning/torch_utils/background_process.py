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
STEP, END, FAILURE = "step", "end", "failure"
_PATIENCE = 1.0
"""How often it is made sure that the process still lives, s."""


class BesideError(Exception):
    """The other process ended without a result."""


class Beside(Generic[Step, Result]):
    """Runs ``job(*arguments, should_stop)``, a generator, in another process. A context manager; leaving it stops it.

    Job, arguments, steps and result have to be such that they can be pickled, and the job a module's function.
    """

    def __init__(self, job: Callable[..., Generator[Step, None, Result]], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self._told: multiprocessing.Queue[bytes] = context.Queue()
        self._stopping = context.Event()
        self._ended: tuple[str, Any] | None = None
        work = (job, arguments, self._told, self._stopping)
        self._process = context.Process(target=_work, args=work, name=job.__name__, daemon=True)
        self._process.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()

    def news(self) -> Iterator[Step]:
        """Yield the steps told since one last asked; never waits."""
        while self._ended is None:
            try:
                yield from self._hear(self._told.get_nowait())
            except queue.Empty:
                return

    def result(self, should_stop: Callable[[], bool] = lambda: False) -> Generator[Step, None, Result]:
        """Wait for the end: yield the steps until there, return the result. Raises what the job raised, BesideError.

        Once ``should_stop`` is true, the job is asked to come to an early end, with what it has.
        """
        while self._ended is None:
            if should_stop():
                self._stopping.set()
            try:
                yield from self._hear(self._told.get(timeout=_PATIENCE))
            except queue.Empty:
                if not self._process.is_alive() and self._told.empty():
                    raise BesideError(
                        f"The process that did '{self._process.name}' beside the others was ended. What was reached is "
                        "kept; start the same command again, with --workers 1 if it runs out of memory."
                    ) from None
        kind, value = self._ended
        if kind == FAILURE:
            raise value
        result: Result = value
        return result

    def _hear(self, message: bytes) -> Iterator[Step]:
        """Yield a step; keep the end."""
        kind, value = pickle.loads(message)
        if kind == STEP:
            yield value
        else:
            self._ended = kind, value


def _work(
    job: Callable[..., Generator[Any, None, Any]], arguments: tuple[object, ...], told: Any, stopping: Any
) -> None:
    """Do the job; Ctrl+C is for the process that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell(kind: str, value: object) -> None:
        told.put(pickle.dumps((kind, value)))  # by value: torch would leave tensors to a process that may have ended

    steps = job(*arguments, stopping.is_set)
    try:
        while True:
            tell(STEP, next(steps))
    except StopIteration as finished:
        tell(END, finished.value)
    except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
        tell(FAILURE, error)
