"""Another process that answers questions: it is given a function once and then calls it with whatever it is asked."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

Request = TypeVar("Request")
Response = TypeVar("Response")


class WorkerProcessError(Exception):
    """The other process ended before it had answered."""


class WorkerProcess(Generic[Request, Response]):
    """Calls ``function`` in another process. One question at a time; ``close`` ends it.

    Function, questions and answers have to be such that they can be pickled. They travel by value: torch would put
    tensors into memory that processes share, of which a container may have little.
    """

    def __init__(self, function: Callable[[Request], Response]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), name="helper", daemon=True)
        self._process.start()
        there.close()  # the process has its own end; with this one open too, its death would go unnoticed
        self.send(function)  # type: ignore[arg-type]

    def send(self, request: Request) -> None:
        """Send a question; go on meanwhile. Raises HelperError."""
        try:
            self._connection.send_bytes(pickle.dumps(request, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            raise self._termination_error() from error

    def receive(self) -> Response:
        """Wait for the answer. Raises what the function raised, HelperError."""
        try:
            failed, value = pickle.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._termination_error() from error
        if failed:
            raise value
        answer: Response = value
        return answer

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()
        self._connection.close()

    def _termination_error(self) -> WorkerProcessError:
        return WorkerProcessError(
            "A process that helped to learn was ended, perhaps because memory ran out. What was reached is kept; start "
            "the same command again, with --workers 1 if it happens again."
        )


def _serve(connection: Connection) -> None:
    """Answer until nobody asks any more; Ctrl+C is for the process that asks."""
    from metagui.learning.torch_utils.torch_threads import use_single_thread

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    use_single_thread()
    with contextlib.suppress(EOFError, OSError):
        function: Callable[[Any], Any] = pickle.loads(connection.recv_bytes())
        while True:
            question = pickle.loads(connection.recv_bytes())
            try:
                reply: tuple[bool, Any] = False, function(question)
            except Exception as error:  # noqa: BLE001 - raised again where it was asked
                reply = True, error
            connection.send_bytes(pickle.dumps(reply, pickle.HIGHEST_PROTOCOL))
