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

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class HelperError(Exception):
    """The other process ended before it had answered."""


class Helper(Generic[Question, Answer]):
    """Calls ``function`` in another process. One question at a time; ``close`` ends it.

    Function, questions and answers have to be such that they can be pickled. They travel by value: torch would put
    tensors into memory that processes share, of which a container may have little.
    """

    def __init__(self, function: Callable[[Question], Answer]) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), name="helper", daemon=True)
        self._process.start()
        there.close()  # the process has its own end; with this one open too, its death would go unnoticed
        self.ask(function)  # type: ignore[arg-type]

    def ask(self, question: Question) -> None:
        """Send a question; go on meanwhile. Raises HelperError."""
        try:
            self._here.send_bytes(pickle.dumps(question, pickle.HIGHEST_PROTOCOL))
        except OSError as error:
            raise self._ended() from error

    def answer(self) -> Answer:
        """Wait for the answer. Raises what the function raised, HelperError."""
        try:
            failed, value = pickle.loads(self._here.recv_bytes())
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if failed:
            raise value
        answer: Answer = value
        return answer

    def close(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join()
        self._here.close()

    def _ended(self) -> HelperError:
        return HelperError(
            "A process that helped to learn was ended, perhaps because memory ran out. What was reached is kept; start "
            "the same command again, with --workers 1 if it happens again."
        )


def _serve(there: Connection) -> None:
    """Answer until nobody asks any more; Ctrl+C is for the process that asks."""
    from metagui.learning.torch_utils.torch_threads import compute_alone

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    compute_alone()
    with contextlib.suppress(EOFError, OSError):
        function: Callable[[Any], Any] = pickle.loads(there.recv_bytes())
        while True:
            question = pickle.loads(there.recv_bytes())
            try:
                reply: tuple[bool, Any] = False, function(question)
            except Exception as error:  # noqa: BLE001 - raised again where it was asked
                reply = True, error
            there.send_bytes(pickle.dumps(reply, pickle.HIGHEST_PROTOCOL))
