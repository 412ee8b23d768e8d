"""The session with an arm on a port: the emulated one in this process, without a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.kinematics import HOME_ANGLES_RAD
from metagui.demonstrations.demonstration import TakeKey
from metagui.demonstrations.recording import replay
from metagui.gui.core.app_state import ArmActivity
from metagui.gui.teaching.modes import CLICK_MODE, GAMEPAD_MODE, HAND_MODE, KEYBOARD_MODE, LEADER_MODE
from tests.helpers.qt import replay_selected_take, until
from tests.helpers.takes import REACH_ABOVE_TABLE as REACH
from tests.helpers.takes import generate_example_takes
from tests.helpers.usb_session import (
    EmulatedUsbPort,
    connect_arm,
    guide_joint,
    make_usb_session,
    wait_for_message,
    was_posted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.gui.window.session import Session


@pytest.fixture
def usb_port() -> Iterator[EmulatedUsbPort]:
    made = EmulatedUsbPort()
    yield made
    made.unplug()


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path, usb_port: EmulatedUsbPort) -> Iterator[Session]:
    made = make_usb_session(tmp_path, usb_port, generate_example_takes()["above red"][:2], seed=5)
    made.posted = []  # type: ignore[attr-defined]
    made.messages.posted.connect(lambda text, kind, action: made.posted.append((kind, text, action)))  # type: ignore[attr-defined]
    made.open()
    until(qtbot, lambda: made.state.snapshot.state is ArmActivity.READY and len(made.arm.connection.choices) == 2)
    until(qtbot, lambda: made.arm.controller.latest_tick is not None)
    yield made
    made.close()


def test_named_arm_is_connected_then_replaced_by_simulated(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    until(qtbot, lambda: session.state.snapshot.task_count == 1)
    connect_arm(qtbot, session)
    assert was_posted(session, "Connected “mine”")
    assert all(usb_port.read_torque())
    assert session.state.snapshot.same_arm
    assert not session.state.snapshot.simulated
    assert session.state.snapshot.task_count == 1
    session.state.select("above red", None)
    session.arm.connection.choose("simulated")
    assert not session.state.snapshot.same_arm
    session.arm.flow.toggle_connection()
    assert session.state.snapshot.state is ArmActivity.READY
    assert session.state.snapshot.simulated
    assert session.state.snapshot.task == "above red"
    assert session.learning.prior.prior is not None
    assert all(usb_port.read_torque()), "a disconnected arm must not drop"


def test_typed_port_is_connected_and_missing_one_reported(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    session.arm.connection.add_port("/dev/ttyNOT")
    assert session.arm.connection.chosen.device == "/dev/ttyNOT"
    session.arm.flow.toggle_connection()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.ERROR)
    assert was_posted(session, "There is no port /dev/ttyNOT")
    session.arm.connection.add_port(usb_port.device)
    assert session.arm.connection.chosen.name == "mine", "the port of a named arm selects that arm"
    session.arm.flow.toggle_connection()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)


def test_connected_arm_that_is_named_is_found_by_its_name(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    (session.arm.connection.registry.folder / "arms.json").unlink()
    until(qtbot, lambda: not any(choice.name for choice in session.arm.connection.choices))
    session.arm.connection.add_port(usb_port.device)
    session.arm.flow.toggle_connection()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY and not session.state.snapshot.simulated)
    session.arm.connection.name_chosen_arm("../bad")
    wait_for_message(qtbot, session, "cannot name an arm")
    session.arm.connection.name_chosen_arm("my arm")
    until(qtbot, lambda: session.arm.connection.chosen.name == "my arm")
    assert session.arm.connection.current is not None
    assert session.arm.connection.current.key == "arm:my arm"
    assert session.state.snapshot.same_arm
    usb_port.unplug()
    until(qtbot, lambda: session.arm.connection.reconnecting)
    usb_port.plug()
    wait_for_message(qtbot, session, "“my arm” is back")


def test_hand_guided_take_is_saved_segmented_and_named(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    connect_arm(qtbot, session)
    session.teaching.modes.switch_torque()
    until(qtbot, lambda: session.state.snapshot.torque_off)
    assert session.teaching.modes.mode == HAND_MODE
    assert not any(usb_port.read_torque())
    session.recording.controller.countdown_enabled[False] = False
    session.state.refresh()
    session.recording.controller.toggle_recording()
    assert session.state.snapshot.state is ArmActivity.RECORDING
    guide_joint(usb_port, 0, 0.5)
    until(qtbot, lambda: not usb_port.arm.is_hand_guided)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 60)
    session.recording.controller.toggle_recording()
    wait_for_message(qtbot, session, "Saved “led by hand”")
    take = session.library.library.load_take("led by hand", "001")
    assert take.teaching_method == "hand"
    assert float(np.ptp(take.joint_positions[:, 0])) > 0.4
    session.stop()
    until(qtbot, lambda: not session.state.snapshot.torque_off)
    assert all(usb_port.read_torque()), "Stop switches the torque on at once"


def test_unplug_while_recording_saves_take_and_reconnects(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    connect_arm(qtbot, session)
    session.recording.controller.countdown_enabled[False] = False
    session.state.refresh()
    session.teaching.placement.place_object("red cube", 0.2, 0.05, 0.0)
    session.recording.controller.new_task_name = "cut short"
    session.recording.controller.toggle_recording()
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.recorder.sample_count > 20)
    usb_port.unplug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.ERROR)
    wait_for_message(qtbot, session, "Saved “cut short”")
    assert len(session.library.library.list_takes("cut short")) == 1
    assert session.arm.connection.reconnecting
    assert was_posted(session, "vanished")
    assert was_posted(session, "comes back by itself")
    until(qtbot, lambda: "not plugged in" in session.arm.connection.reconnect_problem)
    usb_port.plug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)
    assert was_posted(session, "“mine” is back")
    assert not session.arm.connection.reconnecting
    assert not session.teaching.placement.is_missing, "object positions are kept"
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.pending_count == 0 and session.arm.controller.latest_tick is not None)


def test_unplug_with_torque_off_and_during_countdown(qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort) -> None:
    connect_arm(qtbot, session)
    session.teaching.modes.switch_torque()
    until(qtbot, lambda: session.state.snapshot.torque_off)
    usb_port.unplug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.ERROR)
    assert session.teaching.modes.mode == CLICK_MODE
    assert not session.state.snapshot.torque_off
    usb_port.plug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)
    session.execution.countdown._timer.setInterval(60_000)
    session.recording.controller.toggle_recording()
    assert session.state.snapshot.state is ArmActivity.COUNTDOWN
    usb_port.unplug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.ERROR)
    assert not session.execution.countdown.is_counting
    session.arm.connection.choose("simulated")
    session.arm.flow.toggle_connection()
    assert session.state.snapshot.state is ArmActivity.READY
    assert not session.arm.connection.reconnecting
    assert session.state.snapshot.simulated


def test_replay_is_preceded_by_a_countdown_that_stop_cancels(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    connect_arm(qtbot, session)
    until(qtbot, lambda: session.state.snapshot.task_count == 1)
    session.state.select("above red", "001")
    until(qtbot, lambda: session.selected_take() is not None)
    counted: list[int] = []
    session.execution.countdown.count_changed.connect(lambda left, messages: counted.append(left))
    replay_selected_take(session)
    assert session.state.snapshot.state is ArmActivity.COUNTDOWN
    before = np.array(usb_port.arm.read_joint_angles())
    session.stop()
    assert session.state.snapshot.state is ArmActivity.READY
    assert was_posted(session, "Cancelled before anything moved")
    np.testing.assert_allclose(usb_port.arm.read_joint_angles(), before, atol=0.02)
    replay_selected_take(session)
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.RUNNING)
    assert counted[-4:] == [3, 2, 1, 0]
    wait_for_message(qtbot, session, "Repeated take 001")
    last = session.library.request_take(TakeKey("above red", "001"))
    assert last is not None
    np.testing.assert_allclose(usb_port.arm.read_joint_angles(), last.joint_positions[-1], atol=0.1)
    replay_selected_take(session)
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.RUNNING)
    usb_port.unplug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.ERROR)
    usb_port.plug()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.READY)


def test_replay_that_the_arm_cannot_follow_is_ended(
    qtbot: QtBot, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "MAX_REPLAY_LAG_RAD", 1e-6)  # every arm lags a little, which counts as blocked here
    connect_arm(qtbot, session)
    until(qtbot, lambda: session.state.snapshot.task_count == 1)
    session.state.select("above red", "001")
    until(qtbot, lambda: session.selected_take() is not None)
    replay_selected_take(session)
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.RUNNING)
    wait_for_message(qtbot, session, "The arm cannot follow: ")
    assert session.state.snapshot.state is ArmActivity.READY


def test_run_does_not_start_while_nothing_is_marked(qtbot: QtBot, session: Session) -> None:
    connect_arm(qtbot, session)
    until(qtbot, lambda: session.state.snapshot.task_count == 1)
    session.state.select("above red", None)
    assert session.teaching.placement.is_missing
    session.execution.controller.run_selected_task()
    wait_for_message(qtbot, session, "Nothing is marked on this table")
    assert session.state.snapshot.state is ArmActivity.READY
    assert session.execution.countdown.cancel() is False


def test_object_placement_by_drag_and_touch_can_be_undone(qtbot: QtBot, session: Session) -> None:
    connect_arm(qtbot, session)
    assert session.state.snapshot.needs_placement
    assert session.teaching.placement.is_missing
    session.teaching.placement.place_object("red cube", 0.22, -0.05, 0.3)
    session.teaching.placement.place_object("red cube", 0.20, 0.06, 0.0)
    where = [a.name for a in session.arm.controller.arm.objects].index("red cube")
    np.testing.assert_allclose(
        session.arm.controller.arm.observe_scene().positions[where, :2], [0.20, 0.06], atol=0.002
    )
    session.library.undo_stack.undo()
    np.testing.assert_allclose(
        session.arm.controller.arm.observe_scene().positions[where, :2], [0.22, -0.05], atol=0.002
    )
    session.library.undo_stack.redo()
    np.testing.assert_allclose(
        session.arm.controller.arm.observe_scene().positions[where, :2], [0.20, 0.06], atol=0.002
    )
    session.teaching.placement.place_object("blue cube", 0.20, 0.06, 0.0)
    assert session.posted[-1][0] == "warning", "two cubes cannot have one position"  # type: ignore[attr-defined]
    zone = [a.name for a in session.arm.controller.arm.objects].index("yellow zone")
    session.teaching.placement.place_object_at_tool("yellow zone")
    tool = session.arm.controller.latest_tick
    assert tool is not None
    np.testing.assert_allclose(
        session.arm.controller.arm.observe_scene().positions[zone, :2], tool.observation.tool_position[:2], atol=0.005
    )


def test_velocity_moves_arm_only_in_its_mode(qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort) -> None:
    session.teaching.modes.choose(HAND_MODE)
    assert was_posted(session, "cannot be moved by hand")
    session.teaching.modes.choose(KEYBOARD_MODE)
    assert session.teaching.modes.velocity_controller is not None
    until(qtbot, lambda: session.arm.controller.latest_tick is not None)
    start = session.arm.controller.latest_tick
    assert start is not None

    def push() -> bool:
        assert session.teaching.modes.velocity_controller is not None
        session.teaching.modes.velocity_controller.set_velocity(0.0, 0.1, 0.0, 0.0, True)
        now = session.arm.controller.latest_tick
        return now is not None and now.observation.tool_position[1] > start.observation.tool_position[1] + 0.02

    until(qtbot, push)
    session.recording.controller.new_task_name = "steered"
    session.recording.controller.toggle_recording()
    until(qtbot, lambda: push() and session.arm.controller.recorder.sample_count > 20)
    session.recording.controller.toggle_recording()
    wait_for_message(qtbot, session, "Saved “steered”")
    assert session.library.library.load_take("steered", "001").teaching_method == "velocity"
    session.teaching.modes.choose(CLICK_MODE)
    session.teaching.clicks.add_instruction(REACH)
    until(qtbot, lambda: session.arm.controller.pending_count == 0)


def test_simulated_arm_follows_a_leader(qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort) -> None:
    session.teaching.modes.choose(LEADER_MODE)
    assert session.teaching.modes.mode == LEADER_MODE
    session.teaching.modes.follow(session.teaching.modes.available_leaders()[0])
    until(qtbot, lambda: session.teaching.modes.following)
    assert not any(usb_port.read_torque()), "the torque of a leader is off"
    guide_joint(usb_port, 0, 0.6)
    until(qtbot, lambda: not usb_port.arm.is_hand_guided)
    until(
        qtbot,
        lambda: (
            abs(
                session.arm.controller.latest_tick.observation.joints.positions[0] - usb_port.arm.read_joint_angles()[0]
            )
            < 0.05
        ),  # type: ignore[union-attr]
    )
    assert abs(session.arm.controller.latest_tick.observation.joints.positions[0] - HOME_ANGLES_RAD[0]) > 0.4  # type: ignore[union-attr]
    usb_port.unplug()
    wait_for_message(qtbot, session, "leader was lost")
    assert session.teaching.modes.mode == CLICK_MODE
    assert session.state.snapshot.state is ArmActivity.READY


def test_uncalibrated_arm_offers_calibration(qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort) -> None:
    usb_port.arm = EmulatedUsbPort(calibrated=False).arm
    session.arm.connection.add_port(usb_port.device)
    session.arm.flow.toggle_connection()
    until(qtbot, lambda: session.state.snapshot.state is ArmActivity.ERROR)
    kind, text, action = session.posted[-1]  # type: ignore[attr-defined]
    assert (kind, action) == ("error", "calibrate"), text


def test_torque_goes_off_only_after_a_countdown(qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort) -> None:
    connect_arm(qtbot, session)
    counted: list[str] = []
    session.execution.countdown.count_changed.connect(lambda left, messages: counted.append(messages))
    session.teaching.modes.toggle_torque()
    assert session.state.snapshot.state is ArmActivity.COUNTDOWN
    assert all(usb_port.read_torque())
    session.stop()
    assert session.state.snapshot.state is ArmActivity.READY
    session.teaching.modes.toggle_torque()
    until(qtbot, lambda: session.state.snapshot.torque_off)
    assert "The torque goes off: hold the arm" in counted
    session.teaching.modes.toggle_torque()
    until(qtbot, lambda: not session.state.snapshot.torque_off)
    assert all(usb_port.read_torque()), "switching the torque on needs no countdown"


def test_gamepad_moves_arm_and_its_loss_is_reported(qtbot: QtBot, session: Session) -> None:
    pytest.importorskip("pygame", reason="the extra `gamepad` is not installed")
    from tests.helpers.virtual_gamepad import VirtualGamepad

    session.teaching.modes.find_gamepad()
    assert "No gamepad" in session.teaching.modes.availability().gamepad_problem
    pad = VirtualGamepad()
    session.teaching.modes.find_gamepad()
    assert session.teaching.modes.availability().gamepad_problem == ""
    session.teaching.modes.choose(GAMEPAD_MODE)
    start = session.arm.controller.latest_tick
    assert start is not None
    pad.push(0.0, -1.0, 0.0, 0.0)
    until(
        qtbot,
        lambda: (
            session.arm.controller.latest_tick.observation.tool_position[0] > start.observation.tool_position[0] + 0.015
        ),  # type: ignore[union-attr]
    )
    pad.pull_out()
    wait_for_message(qtbot, session, "gamepad was unplugged")
    assert session.teaching.modes.mode == CLICK_MODE


def test_overload_is_an_alarm_until_it_is_cleared(qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort) -> None:
    connect_arm(qtbot, session)
    servo = usb_port.arm.servos[5]
    servo.overloaded = True
    until(qtbot, lambda: session.state.snapshot.overloaded)
    assert session.state.snapshot.alarm.startswith("The gripper is overloaded")
    (posted,) = [posted for posted in session.posted if "overloaded" in posted[1]]  # type: ignore[attr-defined]
    assert posted[0] == "warning"
    assert posted[2] == "clear_overload"
    session.arm.controller.clear_overload()
    assert not servo.overloaded
    until(qtbot, lambda: session.state.snapshot.alarm == "")
    assert not session.state.snapshot.overloaded
    assert all(usb_port.read_torque())


def test_soft_hand_guiding_starts_without_a_countdown(
    qtbot: QtBot, session: Session, usb_port: EmulatedUsbPort
) -> None:
    """A limp arm is counted down for; one that its motors carry cannot drop."""
    connect_arm(qtbot, session)
    modes = session.teaching.modes
    modes.choose_stiffness("medium")
    modes.choose(HAND_MODE)
    modes.toggle_torque()
    assert session.state.snapshot.state is ArmActivity.READY
    assert session.state.snapshot.torque_off
    assert not session.state.snapshot.limp
    assert all(usb_port.read_torque())
    session.stop()
    until(qtbot, lambda: not session.state.snapshot.torque_off)
    assert all(usb_port.read_torque())
