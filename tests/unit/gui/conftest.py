"""Fixtures for tests of the window and its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QSettings

from metagui.app import make_session, make_session_window
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.storage.library import Library
from metagui.gui.theme.theme import Theme
from tests.helpers.priors import make_small_prior
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.main_window import MainWindow


@pytest.fixture
def theme(qapp: object) -> Theme:
    """Return the light theme, applied to the application."""
    out = Theme("light")
    out.apply()
    return out


@pytest.fixture
def make_window(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., MainWindow]]:
    """Return a function that opens a window on a library with two takes of each of some example tasks."""
    made: list[MainWindow] = []

    def make(tasks: tuple[str, ...] = (), look: str = "light", size: tuple[int, int] = (1280, 800)) -> MainWindow:
        library = Library(tmp_path / "library")
        for name in tasks:
            for take in generate_example_takes()[name][:2]:
                library.add_take(take)
        theme = Theme(look)  # type: ignore[arg-type]
        theme.apply()
        settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
        window = make_session_window(make_session(SimulatedArm, library, make_small_prior, seed=3), theme, settings)
        qtbot.addWidget(window)
        window.resize(*size)
        window.show()
        made.append(window)
        return window

    yield make
    for window in made:
        window.close()
