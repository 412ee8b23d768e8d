"""Every plot of the window: values at the pointer, zoom and Fit, and saving it as a picture and as numbers."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from metagui.gui.learning.loss_axes import SMOOTHING_WEIGHTS, LossAxes
from metagui.gui.learning.loss_curves import LossCurve
from metagui.gui.widgets.plot import Plot
from tests.helpers.qt import session_of
from tests.helpers.user import SimulatedUser, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.gui.window.main_window import MainWindow

PLOT_NAMES = {
    "Joint angles against time",
    "Loss against gradient steps",
    "Heat map of distances between tasks",
    "Map of all takes",
    "Distances between takes",
    "Paths seen from above",
    "Height against progress",
}


def open_window(make_window: Callable[..., MainWindow]) -> tuple[MainWindow, SimulatedUser]:
    """Return a window in which two tasks are compared and a take is on display, and its user."""
    window = make_window(("above red", "press red"))
    person = wait_until_ready(window)
    session = session_of(window)
    session.messages.posted.connect(person.record_message)
    session.learning.similarity.compare_takes()
    person.wait_until(lambda: len(session.library.tasks) == 2, "the tasks")
    person.select_task("press red")
    person.press_key(Qt.Key.Key_Right)
    person.press_key(Qt.Key.Key_Down)
    person.wait_until(lambda: window.arm_panel.player.take is not None, "the take")
    window.loss_panel.axes.show_curves(make_curves(), 0.3, "adapted")
    return window, person


def make_curves() -> dict[str, LossCurve]:
    """Return the curves of two candidates that fall unevenly."""
    steps = list(range(30))
    noisy = [0.2 / (1 + step) + 0.01 * (step % 3) for step in steps]
    return {
        "adapted": LossCurve(steps, noisy, [2 * each for each in noisy]),
        "fine-tune": LossCurve(steps, noisy, noisy),
    }


def find_plots(window: MainWindow) -> dict[str, Plot]:
    """Return all plots of a window by their names."""
    return {plot.accessibleName(): plot for plot in window.findChildren(Plot)}


def save(plot: Plot, person: SimulatedUser, path: Path) -> None:
    """Save a plot with its menu and its dialog."""
    titles = {"png": "picture", "svg": "drawing", "csv": "numbers"}
    tools, suffix = plot.tools, path.suffix[1:]
    next(a for a in tools.menu.actions() if titles[suffix] in a.text()).trigger()
    assert tools.dialog is not None
    person.wait_until(tools.dialog.isVisible, "the dialog")
    tools.dialog.setDirectory(str(path.parent))
    tools.dialog.selectFile(str(path))
    tools.dialog.accept()


@pytest.fixture
def window_and_person(make_window: Callable[..., MainWindow]) -> tuple[MainWindow, SimulatedUser]:
    return open_window(make_window)


def test_every_plot_is_saved(window_and_person: tuple[MainWindow, SimulatedUser], tmp_path: Path) -> None:
    window, person = window_and_person
    plots = find_plots(window)
    assert set(plots) == PLOT_NAMES
    for name, plot in plots.items():
        paths = {suffix: tmp_path / f"{name}.{suffix}" for suffix in ("png", "svg", "csv")}
        for path in paths.values():
            plot.tools._save(str(path))
            assert path.is_file(), path
            assert person.was_shown(f"Saved the plot to {path}."), person.messages
        picture = QImage(str(paths["png"]))
        assert picture.width() >= 1200
        assert picture.height() > 100
        assert "<svg" in paths["svg"].read_text(encoding="utf-8")
        with paths["csv"].open(encoding="utf-8", newline="") as file:
            assert next(csv.reader(file))


def test_saved_numbers_are_those_of_the_take(
    window_and_person: tuple[MainWindow, SimulatedUser], tmp_path: Path
) -> None:
    window, person = window_and_person
    take = window.arm_panel.player.take
    assert take is not None
    save(window.joint_plot, person, tmp_path / "joints.csv")
    with (tmp_path / "joints.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:2] == ["time, s", "shoulder_pan, degrees"]
    np.testing.assert_allclose(np.array(rows, dtype=float)[:, 1:], np.degrees(take.joint_positions), atol=1e-4)
    save(window.loss_panel.axes, person, tmp_path / "losses.csv")
    with (tmp_path / "losses.csv").open(encoding="utf-8", newline="") as file:
        losses = list(csv.reader(file))
    assert losses[3] == ["adapted", "2", *(str(each) for each in (0.2 / 3 + 0.02, 2 * (0.2 / 3 + 0.02)))]


def test_failed_saving_is_reported(window_and_person: tuple[MainWindow, SimulatedUser], tmp_path: Path) -> None:
    window, person = window_and_person
    path = tmp_path / "folder.csv"
    path.mkdir()
    window.joint_plot.tools._save(str(path))
    assert person.was_shown(f"The plot could not be saved to {path}")
    assert not [each for each in tmp_path.iterdir() if each.name.endswith(".tmp")]


def test_wheel_zooms_and_fit_shows_all(window_and_person: tuple[MainWindow, SimulatedUser]) -> None:
    window, person = window_and_person
    panel = window.similarity_panel
    for index, plot in ((2, panel.embedding_map.axes), (3, panel.histogram)):
        panel.choose_view(index)
        person.wait_until(plot.isVisible)
        whole = plot.viewRange()[0]
        at = QPointF(plot.viewport().rect().center())
        wheel = QWheelEvent(
            at, plot.viewport().mapToGlobal(at), QPoint(), QPoint(0, 480), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(plot.viewport(), wheel)
        person.wait_until(plot.tools.fit_button.isVisible, "Fit")
        assert np.diff(plot.viewRange()[0])[0] < 0.8 * np.diff(whole)[0]
        person.click(plot.tools.fit_button, plot.tools.fit_button.rect().center())
        assert plot.viewRange()[0] == pytest.approx(whole)
        assert not plot.tools.fit_button.isVisible()
        plot.setFocus()
        person.press_key(Qt.Key.Key_Plus)
        assert plot.tools.fit_button.isVisible()
        person.press_key(Qt.Key.Key_0)
        assert plot.viewRange()[0] == pytest.approx(whole)


def test_pointer_shows_values_of_curves(window_and_person: tuple[MainWindow, SimulatedUser]) -> None:
    window, person = window_and_person
    axes = window.loss_panel.axes
    window.loss_panel.content.set_filled(True)
    person.wait_until(axes.isVisible)
    axes.fit()
    person.pause(0.1)
    at = axes.mapFromScene(axes.plotItem.vb.mapViewToScene(QPointF(10.2, -1.0)))
    person._move_mouse(axes.viewport(), at)
    person.wait_until(axes.readout.bubble.isVisible, "the values")
    text = axes.readout.bubble.text()
    assert text.startswith("gradient step 10")
    assert "adapted, held-out" in text
    QTest.mouseMove(window.windowHandle(), QPoint(5, window.height() - 5))
    person.wait_until(lambda: not axes.readout.bubble.isVisible(), "the values to go")


def test_smoothing_is_chosen_in_the_menu(window_and_person: tuple[MainWindow, SimulatedUser]) -> None:
    axes: LossAxes = window_and_person[0].loss_panel.axes
    menu = next(a.menu() for a in axes.tools.menu.actions() if a.text() == "Smoothing")
    roughness = {}
    for action in menu.actions():  # type: ignore[union-attr, attr-defined]
        action.trigger()
        drawn = axes._lines["adapted", "held-out"].getOriginalDataset()[1]
        roughness[action.text()] = float(np.abs(np.diff(np.log(drawn), 2)).sum())
    assert list(roughness) == list(SMOOTHING_WEIGHTS)
    assert sorted(roughness.values(), reverse=True) == list(roughness.values())
    np.testing.assert_allclose(make_curves()["adapted"].query, _raw(axes))


def _raw(axes: LossAxes) -> np.ndarray:
    """Return the curve of the chosen candidate without smoothing."""
    axes.set_smoothing(0.0)
    return np.asarray(axes._lines["adapted", "held-out"].getOriginalDataset()[1])
