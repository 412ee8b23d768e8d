"""The program's window with the example tasks and the shipped prior, as a user finds it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QSettings

from metagui import app
from metagui.gui.theme.theme import Theme
from tests.helpers.clocks import PATIENCE_MS
from tests.helpers.qt import session_of
from tests.helpers.user import SimulatedUser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from pytestqt.qtbot import QtBot

    from metagui.gui.window.main_window import MainWindow

EXAMPLES = Path(__file__).parents[2] / "recordings"
User = TypeVar("User", bound=SimulatedUser)


@contextmanager
def open_example_window(
    qtbot: QtBot, folder: Path, monkeypatch: pytest.MonkeyPatch, make_user: Callable[[MainWindow], User]
) -> Iterator[User]:
    """Yield the user of a window on a copy of the examples in ``folder``, once the simulated arm is ready."""
    library = folder / "recordings"
    shutil.copytree(EXAMPLES, library, ignore=shutil.ignore_patterns(".*", "adapted.safetensors"))
    monkeypatch.setenv("METAGUI_RECORDINGS", str(library))
    theme = Theme("light")
    theme.apply()
    window = app.make_window(theme, QSettings(str(folder / "s.ini"), QSettings.Format.IniFormat), seed=12)
    qtbot.addWidget(window)
    window.resize(1440, 900)
    with qtbot.waitExposed(window, timeout=PATIENCE_MS):
        window.show()
    window.activateWindow()  # there may be no window manager to do it
    user = make_user(window)
    session_of(window).messages.posted.connect(user.record_message)
    user.wait_until(lambda: user.read_state() == "Ready" and user.find_button("Record").isEnabled(), "the arm")
    yield user
    window.close()
