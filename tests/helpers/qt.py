"""Waiting for Qt's event loop, and the session behind a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.gui.window.window_presenter import WindowPresenter
from tests.helpers.clocks import PATIENCE_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session


def until(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    """Run the event loop until ``condition`` holds; fail after ``PATIENCE_MS``."""
    qtbot.waitUntil(condition, timeout=PATIENCE_MS)


def session_of(window: MainWindow) -> Session:
    """Return the session that a window shows."""
    return presenter_of(window).session


def presenter_of(window: MainWindow) -> WindowPresenter:
    """Return the presenter of a window."""
    presenter = window.findChild(WindowPresenter)
    assert presenter is not None
    return presenter


def replay_selected_take(session: Session) -> None:
    """Replay the selected take with the arm, as the action does."""
    take = session.selected_take()
    assert take is not None
    session.execution.controller.replay_take(take)
