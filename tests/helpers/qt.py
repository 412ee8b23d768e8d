"""Waiting for Qt's event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot


def until(qtbot: QtBot, condition: Callable[[], bool], timeout: int = 30_000) -> None:
    """Run the event loop until ``condition`` holds; fail after ``timeout`` ms."""
    qtbot.waitUntil(condition, timeout=timeout)
