"""The flow with an arm on a port: the virtual one behind a pseudo-terminal, without a window."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.kinematics import HOME
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101 import so101_arm
from metagui.arms.so101.arm_registry import ArmBook
from metagui.demonstrations.recording import replay
from metagui.demonstrations.storage.library import Library
from metagui.gui.core.app_state import State
from metagui.gui.similarity.comparison import TakeKey
from metagui.gui.teaching.modes import CLICK, GAMEPAD, HAND, KEYS, LEADER
from metagui.gui.window.session import Session
from tests.helpers.takes import shown
from tests.helpers.usb_session import Socket, connect, hear, heard, lead_to
from tests.unit.gui.test_session import REACH, small_prior, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")


@pytest.fixture
def socket() -> Iterator[Socket]:
    made = Socket()
    yield made
    made.pull()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servos, driver and window share one busy process here: silence for a moment means nothing."""
    monkeypatch.setattr(so101_arm, "FeetechSettings", partial(so101_arm.FeetechSettings, retries=9, patience=4.0))


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path, socket: Socket) -> Iterator[Session]:
    library = Library(tmp_path / "library")
    for take in shown()["above red"][:2]:
        library.add(take)
    book = ArmBook(tmp_path / "arms", ports=socket.ports)
    book.remember("mine", socket.device)
    made = Session(SimulatedArm, library, small_prior, seed=5, book=book, ports=socket.ports)
    made.words = []  # type: ignore[attr-defined]
    made.said.connect(lambda text, kind, action: made.words.append((kind, text, action)))  # type: ignore[attr-defined]
    made.performing.countdown._timer.setInterval(30)
    made.open()
    until(qtbot, lambda: made.situation.state is State.READY and len(made.station.choices) == 2)
    until(qtbot, lambda: made.desk.latest is not None)
    yield made
    made.close()


def test_a_named_arm_is_chosen_connected_and_changed_for_the_simulated_one(
    qtbot: QtBot, session: Session, socket: Socket
) -> None:
    until(qtbot, lambda: session.situation.tasks == 1)
    connect(qtbot, session)
    assert heard(session, "Connected “mine”")
    assert all(socket.powered())
    assert session.situation.same_arm
    assert not session.situation.simulated
    assert session.situation.tasks == 1
    session.choose("above red", None)
    session.station.choose("simulated")
    assert not session.situation.same_arm
    session.toggle_connection()
    assert session.situation.state is State.READY
    assert session.situation.simulated
    assert session.situation.task == "above red"
    assert session.studies.prior is not None
    assert all(socket.powered()), "letting go of an arm must not drop it"


def test_a_port_named_by_hand_and_one_that_is_not_there(qtbot: QtBot, session: Session, socket: Socket) -> None:
    session.station.add_port("/dev/ttyNOT")
    assert session.station.chosen.device == "/dev/ttyNOT"
    session.toggle_connection()
    until(qtbot, lambda: session.situation.state is State.ERROR)
    assert heard(session, "There is no port /dev/ttyNOT")
    session.station.add_port(socket.device)
    assert session.station.chosen.name == "mine", "the same port by path is the arm of that name"
    session.toggle_connection()
    until(qtbot, lambda: session.situation.state is State.READY)


def test_an_arm_that_is_given_a_name_keeps_it_while_it_is_connected(
    qtbot: QtBot, session: Session, socket: Socket
) -> None:
    (session.station.book.folder / "arms.json").unlink()
    until(qtbot, lambda: not any(choice.name for choice in session.station.choices))
    session.station.add_port(socket.device)
    session.toggle_connection()
    until(qtbot, lambda: session.situation.state is State.READY and not session.situation.simulated)
    session.station.name_chosen("../bad")
    hear(qtbot, session, "cannot name an arm")
    session.station.name_chosen("my arm")
    until(qtbot, lambda: session.station.chosen.name == "my arm")
    assert session.station.current is not None
    assert session.station.current.key == "arm:my arm"
    assert session.situation.same_arm
    socket.pull()
    until(qtbot, lambda: session.station.looking)
    socket.plug()
    hear(qtbot, session, "“my arm” is back")


def test_a_take_led_by_hand_is_kept_cut_and_named(qtbot: QtBot, session: Session, socket: Socket) -> None:
    connect(qtbot, session)
    session.modes.toggle_limp()
    until(qtbot, lambda: session.situation.limp)
    assert session.modes.mode == HAND
    assert not any(socket.powered())
    session.counts_in[False] = False
    session.update()
    session.toggle_recording()
    assert session.situation.state is State.RECORDING
    lead_to(socket, 0, 0.5)
    until(qtbot, lambda: not socket.arm.led)
    until(qtbot, lambda: session.desk.recorder.samples > 60)
    session.toggle_recording()
    hear(qtbot, session, "Saved “led by hand”")
    take = session.shelf.library.load("led by hand", "001")
    assert take.led_by == "hand"
    assert float(np.ptp(take.joint_positions[:, 0])) > 0.4
    session.stop()
    until(qtbot, lambda: not session.situation.limp)
    assert all(socket.powered()), "Stop makes a limp arm hold at once"


def test_pulled_out_in_mid_recording_the_take_is_kept_and_the_arm_comes_back_by_name(
    qtbot: QtBot, session: Session, socket: Socket
) -> None:
    connect(qtbot, session)
    session.counts_in[False] = False
    session.update()
    session.marking.put("red cube", 0.2, 0.05, 0.0)
    session.taking.new_name = "cut short"
    session.toggle_recording()
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.recorder.samples > 20)
    socket.pull()
    until(qtbot, lambda: session.situation.state is State.ERROR)
    hear(qtbot, session, "Saved “cut short”")
    assert len(session.shelf.library.takes("cut short")) == 1
    assert session.station.looking
    assert heard(session, "vanished")
    assert heard(session, "comes back by itself")
    until(qtbot, lambda: "not plugged in" in session.station.reason)
    socket.plug()
    until(qtbot, lambda: session.situation.state is State.READY)
    assert heard(session, "“mine” is back")
    assert not session.station.looking
    assert not session.marking.missing, "what was marked stays marked"
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.pending == 0 and session.desk.latest is not None)


def test_pulled_out_while_limp_while_counting_and_while_idle(qtbot: QtBot, session: Session, socket: Socket) -> None:
    connect(qtbot, session)
    session.modes.toggle_limp()
    until(qtbot, lambda: session.situation.limp)
    socket.pull()
    until(qtbot, lambda: session.situation.state is State.ERROR)
    assert session.modes.mode == CLICK
    assert not session.situation.limp
    socket.plug()
    until(qtbot, lambda: session.situation.state is State.READY)
    session.performing.countdown._timer.setInterval(60_000)
    session.toggle_recording()
    assert session.situation.state is State.COUNTDOWN
    socket.pull()
    until(qtbot, lambda: session.situation.state is State.ERROR)
    assert not session.performing.countdown.counting
    session.station.choose("simulated")
    session.toggle_connection()
    assert session.situation.state is State.READY
    assert not session.station.looking
    assert session.situation.simulated


def test_running_and_repeating_are_counted_down_and_can_be_cancelled(
    qtbot: QtBot, session: Session, socket: Socket
) -> None:
    connect(qtbot, session)
    until(qtbot, lambda: session.situation.tasks == 1)
    session.choose("above red", "001")
    until(qtbot, lambda: session.chosen_take() is not None)
    counted: list[int] = []
    session.performing.countdown.shown.connect(lambda left, words: counted.append(left))
    session.replay_on_arm()
    assert session.situation.state is State.COUNTDOWN
    before = np.array(socket.arm.angles())
    session.stop()
    assert session.situation.state is State.READY
    assert heard(session, "Cancelled before anything moved")
    np.testing.assert_allclose(socket.arm.angles(), before, atol=0.02)
    session.replay_on_arm()
    until(qtbot, lambda: session.situation.state is State.RUNNING)
    assert counted[-4:] == [3, 2, 1, 0]
    hear(qtbot, session, "Repeated take 001")
    last = session.shelf.take(TakeKey("above red", "001"))
    assert last is not None
    np.testing.assert_allclose(socket.arm.angles(), last.joint_positions[-1], atol=0.1)
    session.replay_on_arm()
    until(qtbot, lambda: session.situation.state is State.RUNNING)
    socket.pull()
    until(qtbot, lambda: session.situation.state is State.ERROR)
    socket.plug()
    until(qtbot, lambda: session.situation.state is State.READY)


def test_a_take_that_the_arm_cannot_follow_is_given_up_and_says_so(
    qtbot: QtBot, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BEHIND", 1e-6)  # every arm is a little behind: this one is blocked
    connect(qtbot, session)
    until(qtbot, lambda: session.situation.tasks == 1)
    session.choose("above red", "001")
    until(qtbot, lambda: session.chosen_take() is not None)
    session.replay_on_arm()
    until(qtbot, lambda: session.situation.state is State.RUNNING)
    hear(qtbot, session, "The arm cannot follow: ")
    assert session.situation.state is State.READY


def test_things_are_marked_by_dragging_and_by_touch_and_that_is_undone(qtbot: QtBot, session: Session) -> None:
    connect(qtbot, session)
    assert session.situation.markable
    assert session.marking.missing
    session.marking.put("red cube", 0.22, -0.05, 0.3)
    session.marking.put("red cube", 0.20, 0.06, 0.0)
    where = [a.name for a in session.desk.arm.anchors].index("red cube")
    np.testing.assert_allclose(session.desk.arm.observe_scene().positions[where, :2], [0.20, 0.06], atol=0.002)
    session.shelf.undo_stack.undo()
    np.testing.assert_allclose(session.desk.arm.observe_scene().positions[where, :2], [0.22, -0.05], atol=0.002)
    session.shelf.undo_stack.redo()
    np.testing.assert_allclose(session.desk.arm.observe_scene().positions[where, :2], [0.20, 0.06], atol=0.002)
    session.marking.put("blue cube", 0.20, 0.06, 0.0)
    assert session.words[-1][0] == "warning", "two cubes in one place"  # type: ignore[attr-defined]
    zone = [a.name for a in session.desk.arm.anchors].index("yellow zone")
    session.marking.put_here("yellow zone")
    tool = session.desk.latest
    assert tool is not None
    np.testing.assert_allclose(
        session.desk.arm.observe_scene().positions[zone, :2], tool.observation.tool_position[:2], atol=0.005
    )


def test_keys_steer_and_stop_steering_when_the_mode_ends(qtbot: QtBot, session: Session, socket: Socket) -> None:
    session.modes.choose(HAND)
    assert heard(session, "no joints to take hold of")
    session.modes.choose(KEYS)
    assert session.modes.velocity is not None
    until(qtbot, lambda: session.desk.latest is not None)
    start = session.desk.latest
    assert start is not None

    def push() -> bool:
        assert session.modes.velocity is not None
        session.modes.velocity.set_velocity(0.0, 0.1, 0.0, 0.0, True)
        now = session.desk.latest
        return now is not None and now.observation.tool_position[1] > start.observation.tool_position[1] + 0.02

    until(qtbot, push)
    session.taking.new_name = "steered"
    session.toggle_recording()
    until(qtbot, lambda: push() and session.desk.recorder.samples > 20)
    session.toggle_recording()
    hear(qtbot, session, "Saved “steered”")
    assert session.shelf.library.load("steered", "001").led_by == "velocity"
    session.modes.choose(CLICK)
    session.steering.click(REACH)
    until(qtbot, lambda: session.desk.pending == 0)


def test_the_simulated_arm_follows_a_leader(qtbot: QtBot, session: Session, socket: Socket) -> None:
    session.modes.choose(LEADER)
    assert session.modes.mode == LEADER
    session.modes.follow(session.modes.leaders()[0])
    until(qtbot, lambda: session.modes.following)
    assert not any(socket.powered()), "a leader is limp"
    lead_to(socket, 0, 0.6)
    until(qtbot, lambda: not socket.arm.led)
    until(
        qtbot,
        lambda: abs(session.desk.latest.observation.joints.positions[0] - socket.arm.angles()[0]) < 0.05,  # type: ignore[union-attr]
    )
    assert abs(session.desk.latest.observation.joints.positions[0] - HOME[0]) > 0.4  # type: ignore[union-attr]
    socket.pull()
    hear(qtbot, session, "leader was lost")
    assert session.modes.mode == CLICK
    assert session.situation.state is State.READY


def test_an_arm_that_was_never_calibrated_is_explained(qtbot: QtBot, session: Session, socket: Socket) -> None:
    socket.pull()
    new = Socket(calibrated=False)
    socket.arm, socket.port = new.arm, new.port
    session.station.add_port(socket.device)
    session.toggle_connection()
    until(qtbot, lambda: session.situation.state is State.ERROR)
    kind, text, action = session.words[-1]  # type: ignore[attr-defined]
    assert (kind, action) == ("error", "calibrate"), text


def test_a_limp_arm_is_announced_so_that_somebody_can_hold_it(qtbot: QtBot, session: Session, socket: Socket) -> None:
    connect(qtbot, session)
    counted: list[str] = []
    session.performing.countdown.shown.connect(lambda left, words: counted.append(words))
    session.toggle_limp()
    assert session.situation.state is State.COUNTDOWN
    assert all(socket.powered())
    session.stop()
    assert session.situation.state is State.READY
    session.toggle_limp()
    until(qtbot, lambda: session.situation.limp)
    assert "The arm goes limp: hold it" in counted
    session.toggle_limp()
    until(qtbot, lambda: not session.situation.limp)
    assert all(socket.powered()), "holding needs no countdown"


def test_a_gamepad_steers_and_is_missed_when_it_is_pulled_out(qtbot: QtBot, session: Session) -> None:
    pytest.importorskip("pygame", reason="the extra `gamepad` is not installed")
    from tests.unit.arms.test_gamepad import VirtualPad

    session.modes.look_for_gamepad()
    assert "No gamepad" in session.modes.offer().gamepad
    pad = VirtualPad()
    session.modes.look_for_gamepad()
    assert session.modes.offer().gamepad == ""
    session.modes.choose(GAMEPAD)
    start = session.desk.latest
    assert start is not None
    pad.push(0.0, -1.0, 0.0, 0.0)
    until(
        qtbot,
        lambda: session.desk.latest.observation.tool_position[0] > start.observation.tool_position[0] + 0.015,  # type: ignore[union-attr]
    )
    pad.pull_out()
    hear(qtbot, session, "gamepad was unplugged")
    assert session.modes.mode == CLICK
