"""Ctrl+C as a wish: a verb ends at the next good moment and keeps what there is."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def until_interrupted() -> Iterator[Callable[[], bool]]:
    """Give a function that becomes true at the first Ctrl+C; the second interrupts as usual."""
    interrupted: list[int] = []

    def note(signum: int, frame: object) -> None:
        interrupted.append(signum)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(interrupted)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl+C raise KeyboardInterrupt, also where a script made what it starts in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
