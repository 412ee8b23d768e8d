"""A stored take on display gives way to the arm as soon as anything moves the arm: a hand, a leader or a gamepad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QSettings

from metagui.app import make_session_window
from metagui.gui.teaching.modes import GAMEPAD_MODE, HAND_MODE, LEADER_MODE
from metagui.gui.theme.theme import Theme
from tests.helpers.qt import session_of, until
from tests.helpers.takes import generate_example_takes
from tests.helpers.usb_session import EmulatedUsbPort, connect_arm, guide_joint, make_usb_session
from tests.helpers.user import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.arms.control.tick import Tick
    from metagui.gui.window.main_window import MainWindow


@pytest.fixture
def usb_port() -> Iterator[EmulatedUsbPort]:
    made = EmulatedUsbPort()
    yield made
    made.unplug()


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, usb_port: EmulatedUsbPort) -> Iterator[MainWindow]:
    """Yield a window on one task, with the simulated arm connected and an emulated one on a port."""
    session = make_usb_session(tmp_path, usb_port, generate_example_takes()["above red"][:1], seed=3)
    settings = QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)
    made = make_session_window(session, Theme("light"), settings)
    qtbot.addWidget(made)
    made.show()
    wait_until_ready(made)
    until(qtbot, lambda: len(session.arm.connection.choices) == 2 and session.state.snapshot.task_count == 1)
    yield made
    made.close()


def wait_until_at_rest(qtbot: QtBot, window: MainWindow) -> None:
    """Wait until the arm has not moved for a second: a limp one sinks first, a follower moves to its leader."""
    controller = session_of(window).arm.controller
    seen: list[Tick] = []

    def is_at_rest() -> bool:
        assert controller.latest_tick is not None
        seen.append(controller.latest_tick)
        recent = [tick.observation.joints.positions for tick in seen if tick.index > seen[-1].index - 50]
        return seen[-1].index > seen[0].index + 50 and float(np.ptp(recent, axis=0).max()) < 0.01

    until(qtbot, is_at_rest)


def show_take(qtbot: QtBot, window: MainWindow) -> None:
    """Select the take, and wait until it is drawn in place of the arm and stays there."""
    wait_until_at_rest(qtbot, window)
    window.task_list.select("above red", "001")
    until(qtbot, lambda: window.arm_panel.view.shows_take)
    controller = session_of(window).arm.controller
    tick = controller.latest_tick
    assert tick is not None
    until(qtbot, lambda: controller.latest_tick is not None and controller.latest_tick.index > tick.index + 25)
    assert window.arm_panel.view.shows_take, "an arm at rest does not push the take aside"


def test_take_gives_way_to_a_hand(qtbot: QtBot, window: MainWindow, usb_port: EmulatedUsbPort) -> None:
    session = session_of(window)
    connect_arm(qtbot, session)
    session.teaching.modes.choose(HAND_MODE)
    session.teaching.modes.toggle_torque()
    until(qtbot, lambda: session.state.snapshot.torque_off)
    show_take(qtbot, window)
    guide_joint(usb_port, 0, 0.4)
    until(qtbot, lambda: not window.arm_panel.view.shows_take)
    assert window.arm_panel.player.take is None
    assert window.arm_panel.eliding_title.text() == "Arm"


def test_take_gives_way_to_a_leader(qtbot: QtBot, window: MainWindow, usb_port: EmulatedUsbPort) -> None:
    session = session_of(window)
    session.teaching.modes.choose(LEADER_MODE)
    session.teaching.modes.follow(session.teaching.modes.available_leaders()[0])
    until(qtbot, lambda: session.teaching.modes.following)
    show_take(qtbot, window)
    guide_joint(usb_port, 0, 0.6)
    until(qtbot, lambda: not window.arm_panel.view.shows_take)


def test_take_gives_way_to_a_gamepad(qtbot: QtBot, window: MainWindow) -> None:
    pytest.importorskip("pygame", reason="the extra `gamepad` is not installed")
    from tests.helpers.virtual_gamepad import VirtualGamepad

    modes = session_of(window).teaching.modes
    modes.find_gamepad()
    pad = VirtualGamepad()
    modes.find_gamepad()
    modes.choose(GAMEPAD_MODE)
    show_take(qtbot, window)
    pad.push(0.0, -1.0, 0.0, 0.0)
    until(qtbot, lambda: not window.arm_panel.view.shows_take)
    pad.pull_out()
    until(qtbot, lambda: modes.mode != GAMEPAD_MODE)
