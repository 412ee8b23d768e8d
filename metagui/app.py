"""The composition root: the only place that knows every part. ``main`` opens the window."""

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
    """Do what has to come before other imports: choose OpenGL, and on Windows load torch before Qt."""
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
    """Put all parts together around the simulated arm and the default library.

    ``seed`` makes new scenes repeatable; ``prior`` is another prior's file than the shipped one, ``book`` knows
    other arms than this person's.
    """
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.demonstrations.storage.library import Library
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session
    from metagui.paths import recordings_dir

    session = Session(
        SimulatedArm, Library(recordings_dir(), examples_dir()), partial(load_prior, prior), seed, registry
    )
    return MainWindow(session, theme, settings)


def load_prior(path: Path | None = None) -> Prior:
    """Read a prior, by default the library's own or the shipped one. Raises PriorError.

    Imports torch, so call it in a thread.
    """
    from metagui.learning import prior
    from metagui.paths import recordings_dir

    return prior.load_for_library(recordings_dir()) if path is None else prior.load(path)


def examples_dir() -> Path | None:
    """Return the example tasks that came with the program, or None where there are none."""
    from metagui.paths import resources_dir

    found = resources_dir() / "examples"
    return found if found.is_dir() else None
