"""A worker process that runs one generator as a background job with progress records: a model trained in parallel."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from metagui.generators import run_to_end

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from multiprocessing.connection import Connection

Step = TypeVar("Step")
Result = TypeVar("Result")
STEP_MESSAGE, RESULT_MESSAGE, FAILURE_MESSAGE = "step", "result", "failure"
_TERMINATION_S = 2.0
"""Time in which a terminated process ends; then it is killed, s."""
_STOP_CHECK_S = 1.0
"""Period at which ``wait_for_result`` reads its stop condition, s."""


class WorkerProcessError(Exception):
    """The worker process ended without a result."""


class WorkerProcess(Generic[Step, Result]):
    """Runs a generator function in a spawned process. A context manager; leaving it terminates the process.

    One call at a time. The function, its arguments, steps and results must be picklable. They are sent by value: torch
    would place tensors in shared memory, which is scarce in containers and may belong to a process that has ended.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, remote = context.Pipe()
        self._stop_event = context.Event()
        self._outcome: tuple[str, Any] | None = None
        name = getattr(function, "__name__", "worker")
        self._process = context.Process(target=_serve, args=(remote, self._stop_event), name=name, daemon=True)
        self._process.start()
        remote.close()  # otherwise the end of the process would not close the connection
        self._send(function)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid or 0

    def __enter__(self) -> Self:
        """Return the worker itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Terminate the process."""
        self.close()

    def start(self, *arguments: object) -> None:
        """Start the generator ``function(*arguments, should_stop)`` and return at once.

        Raises WorkerProcessError.
        """
        self._send(arguments)

    def poll_steps(self) -> Iterator[Step]:
        """Yield the records that have arrived since the last call; never waits. Raises WorkerProcessError."""
        while self._outcome is None and self._has_message(0.0):
            yield from self._handle_message(self._read())

    def wait_for_result(self, should_stop: Callable[[], bool] = lambda: False) -> Generator[Step, None, Result]:
        """Yield the remaining records of ``start``, return the result.

        When ``should_stop`` becomes true, the generator is requested to finish early with what it has. Raises what the
        generator raised, and WorkerProcessError.
        """
        while self._outcome is None:
            if should_stop():
                self._stop_event.set()
            if self._has_message(_STOP_CHECK_S):
                yield from self._handle_message(self._read())
        return self._result(self._outcome)

    def close(self) -> None:
        """Terminate the process, whatever it is doing, also if it is stopped and does not react."""
        self._process.terminate()
        self._process.join(_TERMINATION_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()

    def _send(self, message: object) -> None:
        try:
            self._connection.send_bytes(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            raise self._termination_error() from error

    def _has_message(self, timeout: float) -> bool:
        try:
            return self._connection.poll(timeout)
        except OSError as error:
            raise self._termination_error() from error

    def _read(self) -> tuple[str, Any]:
        try:
            message: tuple[str, Any] = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._termination_error() from error
        return message

    def _handle_message(self, message: tuple[str, Any]) -> Iterator[Step]:
        """Yield a progress record; store an outcome."""
        kind, value = message
        if kind == STEP_MESSAGE:
            yield value
        else:
            self._outcome = message

    def _result(self, outcome: tuple[str, Any]) -> Result:
        kind, value = outcome
        if kind == FAILURE_MESSAGE:
            raise value
        result: Result = value
        return result

    def _termination_error(self) -> WorkerProcessError:
        return WorkerProcessError(
            f"The worker process '{self._process.name}' was ended, perhaps because memory ran out. The progress so far "
            "is stored; start the same command again, with --workers 1 if it happens again."
        )


def _serve(connection: Connection, stop_event: Any) -> None:
    """Answer calls until the connection closes; Ctrl+C is handled by the parent process."""
    from metagui.learning.torch_utils.torch_threads import use_single_thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_single_thread()

    def send(kind: str, value: object) -> None:
        connection.send_bytes(pickle.dumps((kind, value), pickle.HIGHEST_PROTOCOL))

    with contextlib.suppress(EOFError, OSError):
        function: Callable[..., Any] = pickle.loads(connection.recv_bytes())
        while True:
            arguments = pickle.loads(connection.recv_bytes())
            try:
                steps = function(*arguments, stop_event.is_set)
                result = run_to_end(steps, lambda step: send(STEP_MESSAGE, step))
            except Exception as error:  # noqa: BLE001 - raised again in the process that waits for the result
                send(FAILURE_MESSAGE, error)
            else:
                send(RESULT_MESSAGE, result)
