"""Composition root, which connects all parts of the program; ``main`` opens the window."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from metagui.arms.simulation.opengl import choose_backend

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtCore import QSettings

    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.gui.theme.theme import Theme
    from metagui.gui.window.main_window import MainWindow
    from metagui.learning.prior import Prior

APPLICATION_NAME = "metagui"


def main(argv: list[str] | None = None) -> int:
    """Open the window and run until it is closed; return the exit status."""
    prepare_process()
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from metagui.gui.theme.theme import Theme

    app = QApplication.instance() or QApplication(sys.argv if argv is None else argv)
    app.setApplicationName(APPLICATION_NAME)
    app.setOrganizationName(APPLICATION_NAME)
    settings = QSettings()
    theme = Theme(str(settings.value("window/colours", "system")))  # type: ignore[arg-type]
    theme.apply()
    window = make_window(theme, settings)
    window.show()
    return int(app.exec())


def prepare_process() -> None:
    """Prepare the process before other imports: choose OpenGL, and on Windows import torch before Qt."""
    choose_backend()
    if sys.platform == "win32":
        import torch  # noqa: F401


def make_window(
    theme: Theme,
    settings: QSettings,
    seed: int | None = None,
    prior: Path | None = None,
    registry: ArmRegistry | None = None,
) -> MainWindow:
    """Make the window with all its parts, the simulated arm and the default library.

    ``seed`` makes new scenes repeatable, ``prior`` is the file of a prior to use instead of the library's own or the
    shipped one, ``registry`` replaces the user's registry of arms.
    """
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.paths import examples_dir, recordings_dir

    session = Session(
        SimulatedArm, Library(recordings_dir(), examples_dir()), partial(load_prior, prior), seed, registry
    )
    return MainWindow(session, theme, settings)


def load_prior(path: Path | None = None) -> Prior:
    """Load a prior, by default the library's own or the shipped one. Raises PriorError.

    Imports torch, which takes seconds: call it in a background thread.
    """
    from metagui.learning import prior
    from metagui.paths import recordings_dir

    return prior.load_for_library(recordings_dir()) if path is None else prior.load(path)
