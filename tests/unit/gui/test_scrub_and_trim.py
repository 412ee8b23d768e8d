"""One playhead through 3-D view, joint angles and slider, and trimming: events of mouse and keyboard in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication

from metagui.demonstrations.storage.library import Library
from metagui.gui.window.window_presenter import WindowPresenter
from tests.helpers.takes import generate_example_takes, hold_still
from tests.helpers.user import SimulatedUser, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.gui.window.main_window import MainWindow
    from metagui.gui.window.session import Session

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def get_session(window: MainWindow) -> Session:
    """Return the session of a window."""
    presenter = window.findChild(WindowPresenter)
    assert presenter is not None
    return presenter.session


def open_take(make_window: Callable[..., MainWindow], tmp_path: Path) -> tuple[MainWindow, SimulatedUser]:
    """Return a window in which a take that rests for two seconds at its start is selected, and its user."""
    library = Library(tmp_path / "library")
    library.add_take(hold_still(generate_example_takes()["put red on violet"][0], 0, 2.0))
    window = make_window(("above red",))
    person = wait_until_ready(window)
    get_session(window).messages.posted.connect(person.record_message)
    person.wait_until(lambda: len(get_session(window).library.tasks) == 2, "the tasks")
    person.select_task("put red on violet")
    person.press_key(Qt.Key.Key_Right)
    person.press_key(Qt.Key.Key_Down)
    person.wait_until(lambda: window.arm_panel.player.take is not None, "the take")
    return window, person


def place(window: MainWindow, seconds: float, lane: float = 3.0) -> QPoint:
    """Return the point of a time in the viewport of the joint plot."""
    plot = window.joint_plot
    return plot.mapFromScene(plot.plotItem.vb.mapViewToScene(QPointF(seconds, lane)))


def read_take(window: MainWindow, name: str = "001") -> Demonstration:
    """Read the take from the disk."""
    return get_session(window).library.library.load_take("put red on violet", name)


def drag(window: MainWindow, person: SimulatedUser, begin: float, end: float) -> None:
    """Drag from one time of the joint plot to another."""
    start = place(window, begin)
    person.drag(window.joint_plot.viewport(), start, place(window, end) - start)


def test_chosen_take_is_drawn_in_its_own_scene(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    player, view = window.arm_panel.player, window.arm_panel.view
    take = read_take(window)
    assert 1.5 < player.position < 2.4, "it waits where the motion starts"
    assert np.array_equal(player.state, take.states[player.sample])  # type: ignore[arg-type,index]
    assert person.can_read("Take 001 of “put red on violet”")
    assert view.shows_take
    person.wait_until(lambda: not window.grab().isNull())
    dispatched: list[object] = []
    view.clicked.connect(dispatched.append)
    person.click(view, view.rect().center())
    person.wait_until(lambda: not view.shows_take, "the arm in the view")
    assert not dispatched, "a click on the stored scene is no instruction"
    assert player.take is None
    drag(window, person, 1.0, 2.0)
    assert view.shows_take, "scrubbing shows the take again"


def test_playhead_is_dragged_in_the_joint_angles(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    player = window.arm_panel.player
    drag(window, person, 1.0, 3.0)
    person.wait_until(lambda: abs(player.position - 3.0) < 0.1, "the playhead at 3 s")
    assert abs(float(window.joint_plot.ruler.playhead.value()) - player.position) < 1e-6
    assert abs(window.arm_panel.player_bar.slider.value() / 1000 - player.position) < 0.001
    assert person.can_read(f"{player.position:.2f} / {player.duration:.2f} s")


def test_playhead_is_dragged_in_the_slider(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    player, slider = window.arm_panel.player, window.arm_panel.player_bar.slider
    person.click(slider, QPoint(slider.width() // 2, slider.height() // 2))
    assert abs(player.position / player.duration - 0.5) < 0.05
    quarter = QPoint(-slider.width() // 4, 0)
    person.drag(slider, QPoint(slider.width() // 2, slider.height() // 2), quarter)
    assert abs(player.position / player.duration - 0.25) < 0.06


def test_keys_move_the_playhead_and_stop_ends_it(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    player = window.arm_panel.player
    window.arm_panel.player_bar.slider.setFocus()
    person.press_key(Qt.Key.Key_End)
    assert player.position == player.duration
    person.press_key(Qt.Key.Key_Home)
    assert player.position == 0.0
    person.press_key(Qt.Key.Key_Right)
    assert player.sample == 1
    window.joint_plot.setFocus()
    person.press_key(Qt.Key.Key_Right, SHIFT)
    assert player.position > 0.5
    person.press_key(Qt.Key.Key_Space)
    assert player.is_playing
    assert person.can_read("Replaying take 001 of")
    person.press_key(Qt.Key.Key_L)
    assert player.speed == 2.0
    person.wait_until(lambda: player.position > 1.0, "the playhead to move on")
    person.press_key(Qt.Key.Key_Escape)
    assert not player.is_playing
    assert player.take is None
    assert person.can_read("Arm")


def test_handle_trims_the_take_and_undo_restores_it(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    before = read_take(window)
    drag(window, person, 0.0, 1.5)
    person.wait_until(lambda: read_take(window).trim is not None, "the trim on the disk")
    start, stop = read_take(window).trim or (0, 0)
    assert abs(before.time[start] - before.time[0] - 1.5) < 0.15
    assert stop == len(before)
    assert window.arm_panel.player.span[0] > 1.3
    end = float(before.time[-1] - before.time[0])
    drag(window, person, end, end - 1.0)
    person.wait_until(lambda: (read_take(window).trim or (0, len(before)))[1] < len(before), "the end's trim")
    undo = window.actions_["undo"]
    assert undo.text() == "Undo trimming take 001 of “put red on violet”"
    for trim in ((start, len(before)), None):
        person.press_key(Qt.Key.Key_Z, CONTROL)
        person.wait_until(lambda trim=trim: read_take(window).trim == trim, "undo")  # type: ignore[misc]
        person.wait_until(lambda trim=trim: window.arm_panel.player.take.trim == trim, "the take shown")  # type: ignore[misc,union-attr]
    handle = float(window.joint_plot.ruler.handles[0].value())
    assert handle == 0.0, "the handle is back at the start"
    assert np.array_equal(read_take(window).time, before.time), "no sample is lost"


def test_keys_trim_at_the_playhead(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    player, plot = window.arm_panel.player, window.joint_plot
    plot.setFocus()
    drag(window, person, 2.0, 1.6)
    sample = player.sample
    person.press_key(Qt.Key.Key_I)
    person.wait_until(lambda: read_take(window).trim is not None, "the trim")
    assert read_take(window).trim == (sample, len(read_take(window)))
    drag(window, person, 3.0, 4.0)
    person.press_key(Qt.Key.Key_O)
    last = player.sample + 1
    person.wait_until(lambda: read_take(window).trim == (sample, last), "the other end")
    window.actions_["untrim"].trigger()
    person.wait_until(lambda: read_take(window).trim is None, "the whole take")


def test_pauses_are_cut_out_and_restored(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    before = read_take(window)
    window.actions_["cut_pauses"].trigger()
    person.wait_until(lambda: person.was_shown("of pauses out of take 001"), "the message")
    library = get_session(window).library.library
    person.wait_until(lambda: [i.name for i in library.list_takes("put red on violet")] == ["002"], "the copy")
    assert len(read_take(window, "002")) < len(before) - 50
    person.wait_until(lambda: window.arm_panel.player.take is not None, "the copy on display")
    person.wait_until(lambda: window.arm_panel.player.take.name == "002", "the copy on display")  # type: ignore[union-attr]
    person.press_key(Qt.Key.Key_Z, CONTROL)
    person.wait_until(lambda: [i.name for i in library.list_takes("put red on violet")] == ["001"], "undo")
    assert np.array_equal(read_take(window).joint_positions, before.joint_positions)


def test_trim_to_motion_leaves_the_rest_out(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    window.actions_["trim_motion"].trigger()
    person.wait_until(lambda: read_take(window).trim is not None, "the trim")
    assert (read_take(window).trim or (0, 0))[0] > 70


def test_wheel_zooms_the_joint_angles_and_fit_shows_all(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    plot = window.joint_plot
    at = QPointF(place(window, 3.0))
    wheel = QWheelEvent(
        at, plot.viewport().mapToGlobal(at), QPoint(), QPoint(0, 480), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    whole = plot.plotItem.vb.viewRange()[0]
    QApplication.sendEvent(plot.viewport(), wheel)
    person.wait_until(lambda: np.diff(plot.plotItem.vb.viewRange()[0])[0] < 0.8 * np.diff(whole)[0], "the zoom")
    plot.fit()
    assert plot.plotItem.vb.viewRange()[0] == pytest.approx(whole)


def test_recording_shows_the_arm_again(make_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window, person = open_take(make_window, tmp_path)
    person.press_key(Qt.Key.Key_F9)
    person.wait_until(lambda: person.read_state() == "Recording")
    assert window.arm_panel.player.take is None
    assert not window.arm_panel.view.shows_take
    person.press_key(Qt.Key.Key_Escape)
