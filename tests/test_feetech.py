"""The USB driver against the virtual arm: exact, patient, and never able to hurt."""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metagui.arms import port_access, ports
from metagui.arms import servo_registers as reg
from metagui.arms.arm import Arm, ArmError, Command, ConnectionLostError, NotConnectedError
from metagui.arms.calibration import Calibration, CalibrationError, JointCalibration, JointMap
from metagui.arms.control import ControlLoop
from metagui.arms.direct_port import DirectPort
from metagui.arms.feetech import FeetechArm, FeetechSettings, HotError, TorqueLostError
from metagui.arms.kinematics import HOME, JOINTS
from metagui.arms.ports import PortError, SerialPort
from metagui.arms.servo_bus import ServoBus, ServoRefusedError, ServoSilentError
from metagui.arms.servo_chain import WrongServoError, bench
from metagui.arms.servo_protocol import BROADCAST, Instruction, Packet, encode, ping
from metagui.arms.servo_registers import TICK
from metagui.arms.servo_reports import ServosLostError
from metagui.arms.virtual import VirtualArm
from metagui.arms.virtual_port import VirtualPort
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.judge import Judge
from metagui.demonstrations.library import Library
from metagui.demonstrations.programs import ClickProgram, ProgramController
from metagui.demonstrations.takes import MemoryRecorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOUNTS = (100, 3000, 4000, 2048, 1500, 10)


def virtual_arm(mounts: tuple[int, ...] = MOUNTS) -> VirtualArm:
    """Return a calibrated virtual arm."""
    arm = VirtualArm(mounts=mounts)
    arm.calibrate()
    return arm


class Bench:
    """A calibrated virtual arm, and the driver on a port that can be unplugged."""

    def __init__(self, **settings: Any) -> None:
        self.virtual = virtual_arm()
        self.port = DirectPort(self.virtual)
        self.calibration = self.virtual.calibration()
        self.arm = FeetechArm("virtual", settings=FeetechSettings(**settings), open_port=self.open)

    def open(self, device: str) -> DirectPort:
        if self.port.vanished:
            raise PortError(f"no {device}")
        return self.port

    def torque(self) -> list[bool]:
        return [servo.torque for servo in self.virtual.servos]

    def goals(self) -> list[int]:
        return [servo.get(reg.GOAL_POSITION) for servo in self.virtual.servos]


@pytest.fixture
def setup() -> Bench:
    return Bench()


@pytest.fixture
def connected(setup: Bench) -> Iterator[Bench]:
    setup.arm.connect()
    yield setup
    setup.port.vanished = False
    setup.virtual.faults.silent.clear()
    setup.arm.disconnect()


def move(arm: FeetechArm, target: Any, ticks: int = 80) -> None:
    for _ in range(ticks):
        arm.observe()
        arm.command(Command(np.asarray(target)))


def test_it_is_an_arm_readable_before_it_is_connected(setup: Bench) -> None:
    assert isinstance(setup.arm, Arm)
    assert [joint.name for joint in setup.arm.joints] == [joint.name for joint in JOINTS]
    for call in (setup.arm.observe, setup.arm.hold, setup.arm.guide, lambda: setup.arm.command(Command(HOME))):
        with pytest.raises(NotConnectedError, match="Press Connect"):
            call()
    setup.arm.disconnect()


def test_it_wakes_up_where_it_is(connected: Bench) -> None:
    assert all(connected.torque())
    before = connected.virtual.angles()
    state = connected.arm.observe()
    np.testing.assert_allclose(state.positions, before, atol=TICK)
    np.testing.assert_allclose(state.temperatures, 28.0)
    np.testing.assert_allclose(state.voltages, 7.4)
    connected.virtual.advance(20)
    np.testing.assert_allclose(connected.virtual.angles(), before, atol=3e-3)


def test_units_are_exact(connected: Bench) -> None:
    servo = connected.virtual.servos[0]
    servo.sense(MOUNTS[0] + 300.0, -250.0, -0.5, 0.0)
    servo.temperature, servo.voltage = 41.0, 6.8
    servo.sense(MOUNTS[0] + 300.0, -250.0, -0.5, 0.0)
    state = connected.arm.observe()
    assert state.positions[0] == pytest.approx(300 * 2 * math.pi / 4096, abs=TICK / 2)
    assert state.velocities[0] == pytest.approx(-250 * 2 * math.pi / 4096)
    assert (state.loads[0], state.temperatures[0], state.voltages[0]) == (-0.5, 41.0, 6.8)


def test_a_command_arrives_and_says_what_was_sent(connected: Bench) -> None:
    target = HOME + (0.3, 0.2, -0.1, -0.2, 0.5, 0.1)
    move(connected.arm, target)
    sent = connected.arm.command(Command(target)).positions
    np.testing.assert_allclose(sent, target, atol=TICK / 2 + 1e-9)
    np.testing.assert_allclose(connected.virtual.angles(), target, atol=4e-3)


def test_goals_stay_within_limits_and_speed(connected: Bench) -> None:
    far = Command(np.full(6, 100.0))
    first = connected.arm.command(far).positions
    assert np.all(np.abs(first - HOME) <= [joint.max_velocity * 1.5 * 0.1 + TICK for joint in JOINTS])
    move(connected.arm, far.positions, ticks=200)
    sent = connected.arm.command(far).positions
    np.testing.assert_allclose(sent, [joint.upper for joint in connected.arm.joints], atol=TICK)


def test_a_stale_target_after_leading_by_hand_does_not_snap(connected: Bench) -> None:
    """Even if the gate was not started anew, as it should be."""
    connected.arm.guide()
    connected.virtual.guide(0, 1.2)
    connected.virtual.advance(60)
    connected.virtual.guide(0, None)
    connected.arm.hold()
    connected.arm.observe()
    assert connected.arm.command(Command(HOME)).positions[0] > 0.6


@pytest.mark.parametrize("bad", [np.full(6, np.nan), np.array([0, 0, np.inf, 0, 0, 0]), np.zeros(5), np.zeros((2, 6))])
def test_nonsense_makes_it_hold(connected: Bench, bad: Any) -> None:
    here = connected.arm.observe().positions
    held = connected.arm.command(Command(bad)).positions
    np.testing.assert_allclose(held, here, atol=TICK)


def test_one_exchange_reads_everything(connected: Bench) -> None:
    seen: list[Packet] = []
    connected.virtual.bus.log = seen.append
    connected.arm.observe()
    assert seen == [Packet(BROADCAST, Instruction.SYNC_READ, bytes((56, 15, 1, 2, 3, 4, 5, 6)))]
    connected.arm.command(Command(HOME))
    assert [packet.code for packet in seen] == [Instruction.SYNC_READ, Instruction.SYNC_WRITE]


def test_settings_are_written_once(setup: Bench) -> None:
    with setup.arm:
        pass
    gripper = setup.virtual.servos[5]
    assert [s.get(reg.P_GAIN) for s in setup.virtual.servos] == [16] * 6
    assert (gripper.get(reg.MAX_TORQUE), gripper.get(reg.OVERLOAD_TORQUE), gripper.get(reg.LOCK)) == (500, 25, 1)
    seen: list[Packet] = []
    setup.virtual.bus.log = seen.append
    with setup.arm:
        pass
    written = {p.params[0] for p in seen if p.code == Instruction.WRITE}
    assert written == {reg.TORQUE_ENABLE.address, reg.ACCELERATION.address}


# What goes wrong on the line


@pytest.mark.parametrize("fault", ["lost", "late", "corrupted", "partial", "garbage"])
def test_a_spoilt_reply_is_asked_for_again(connected: Bench, fault: str) -> None:
    expected = connected.arm.observe()
    for place in range(6):
        connected.virtual.faults.script.extend(["none"] * place + [fault])  # type: ignore[list-item]
        state = connected.arm.observe()
        np.testing.assert_array_equal(state.positions, expected.positions)
        assert state.retries == (fault != "garbage")
    assert not connected.virtual.faults.script


def test_a_line_in_ruins_is_read_on(connected: Bench) -> None:
    faults = connected.virtual.faults
    faults.lost = faults.late = faults.corrupted = faults.partial = faults.garbage = 0.08
    expected = connected.virtual.angles()
    for _ in range(60):
        np.testing.assert_allclose(connected.arm.observe().positions, expected, atol=3e-3)
    assert connected.arm.counters.retries > 10
    assert connected.arm.counters.discarded > 10
    faults.lost = faults.late = faults.corrupted = faults.partial = faults.garbage = 0.0


@pytest.mark.parametrize("ids", [(3,), (1, 2, 3, 4, 5, 6)])
def test_a_silent_servo_is_borne_for_a_while(ids: tuple[int, ...]) -> None:
    setup = Bench(patience=0.15)
    setup.arm.connect()
    expected = setup.arm.observe().positions
    setup.virtual.faults.silent.update(ids)
    started, ticks = time.perf_counter(), 0
    error = None
    while error is None and time.perf_counter() - started < 5:
        try:
            np.testing.assert_array_equal(setup.arm.observe().positions, expected)
            setup.arm.command(Command(HOME))
            ticks += 1
        except ServosLostError as raised:
            error = raised
    assert "No answer from servo" in str(error)
    assert ticks > 3
    assert setup.arm.connected
    setup.virtual.faults.silent.clear()
    np.testing.assert_allclose(setup.arm.observe().positions, setup.virtual.angles(), atol=TICK)
    setup.arm.disconnect()


def test_a_servo_that_does_not_say_where_it_is_keeps_its_goal(connected: Bench) -> None:
    before = connected.goals()
    connected.virtual.faults.script.extend(["none", "lost", *["none"] * 4, "lost", "lost"])
    connected.arm.observe()
    connected.arm.command(Command(HOME + 0.1))
    assert [after != first for after, first in zip(connected.goals(), before, strict=True)][:3] == [True, False, True]


@pytest.mark.parametrize("baud", [None, 1_000_000])
def test_an_echoing_adapter_is_noticed(baud: int | None) -> None:
    virtual = VirtualArm(mounts=MOUNTS)
    virtual.faults.echo = True
    with VirtualPort(virtual, baud, physics=False) as port, bench(port.name) as chain:
        assert chain.bus.echo
        chain.write_calibration(virtual.calibration())
        assert chain.read_calibration() == virtual.calibration()
        assert len(chain.feedback()) == 6
        assert chain.bus.read(2, reg.ID) == 2


def test_a_bus_of_nonsense_ends() -> None:
    class Babble:
        def write(self, data: bytes) -> None: ...
        def close(self) -> None: ...
        def discard(self) -> int:
            return 4

        def read(self, size: int) -> bytes:
            return os.urandom(size)

    bus = ServoBus(Babble())
    assert not bus.ping(1) or True  # a frame by chance is the checksum's own limit
    assert len(bus.sync_read(range(1, 7), 56, 15)) < 6


def test_a_servo_that_keeps_its_own_mind(connected: Bench) -> None:
    connected.virtual.servos[0].set(reg.MIN_POSITION, 0)  # locked, as it is
    with bench("virtual", connected.open) as chain, pytest.raises(ServoRefusedError, match="keeps 0 as its lowest"):
        chain.bus.write(1, reg.MIN_POSITION, 55)


# Connecting to what is not our arm


def test_arms_that_are_not_switched_on(setup: Bench) -> None:
    setup.virtual.faults.silent.add(4)
    with pytest.raises(ServoSilentError, match="servo 4"):
        setup.arm.connect()
    setup.virtual.faults.silent.clear()
    setup.virtual.servos[3].set(reg.MODEL_NUMBER, 1029)
    with pytest.raises(WrongServoError, match="1029"):
        setup.arm.connect()
    setup.virtual.servos[3].set(reg.MODEL_NUMBER, 777)
    other = virtual_arm((2048,) * 6).calibration()
    with pytest.raises(CalibrationError, match=r"shoulder_pan.* differ"):
        FeetechArm("virtual", other, open_port=setup.open).connect()
    assert not any(setup.torque())
    assert not setup.arm.connected


def test_an_arm_outside_its_range_or_hot_is_not_switched_on(setup: Bench) -> None:
    setup.virtual.servos[0].set(reg.MIN_POSITION, 2900)
    with pytest.raises(CalibrationError, match=r"shoulder_pan stands .* outside"):
        setup.arm.connect()
    setup.virtual.servos[0].set(reg.MIN_POSITION, setup.calibration.joints[0].range_min)
    setup.virtual.servos[2].temperature = 80.0
    setup.virtual.advance()
    with pytest.raises(HotError, match="Servo 3 is too hot"):
        setup.arm.connect()
    assert not any(setup.torque())


def test_a_reversed_joint_turns_the_other_way(setup: Bench) -> None:
    joints = setup.calibration.joints
    turned = (JointCalibration(1, 1, joints[0].homing_offset, joints[0].range_min, joints[0].range_max), *joints[1:])
    arm = FeetechArm("virtual", Calibration(turned), open_port=setup.open)
    with arm:
        move(arm, HOME + (0.4, 0, 0, 0, 0, 0))
        assert setup.virtual.angles()[0] == pytest.approx(-0.4, abs=4e-3)
        assert arm.observe().positions[0] == pytest.approx(0.4, abs=4e-3)


# Leading by hand, holding, leaving


def test_nothing_is_written_while_a_person_leads(connected: Bench) -> None:
    connected.arm.guide()
    seen: list[Packet] = []
    connected.virtual.bus.log = seen.append
    connected.virtual.guide(0, 0.7)
    connected.virtual.advance(40)
    state = connected.arm.observe()
    sent = connected.arm.command(Command(np.zeros(6)))
    connected.arm.command(Command(np.full(6, np.nan)))
    assert {packet.code for packet in seen} == {Instruction.SYNC_READ}
    np.testing.assert_allclose(sent.positions, state.positions, atol=0.01)  # within the limits
    assert sent.positions[0] == pytest.approx(0.7, abs=0.02)
    assert not any(connected.torque())
    connected.arm.hold()
    assert all(connected.torque())
    connected.virtual.advance(20)
    assert connected.virtual.angles()[0] == pytest.approx(0.7, abs=0.02)


def test_an_exception_leaves_it_holding(setup: Bench) -> None:
    def broken() -> None:
        with setup.arm:
            move(setup.arm, HOME + 0.3, ticks=3)
            where.extend(setup.virtual.angles())
            raise ZeroDivisionError

    where: list[float] = []
    with pytest.raises(ZeroDivisionError):
        broken()
    assert not setup.arm.connected
    assert all(setup.torque())
    setup.virtual.advance(40)
    np.testing.assert_allclose(setup.virtual.angles(), where, atol=0.01)


def test_torque_is_released_only_when_asked(setup: Bench) -> None:
    setup.arm.connect()
    setup.arm.disconnect(release=True)
    assert not any(setup.torque())


def test_a_hot_servo_does_not_jump_once_it_has_cooled(connected: Bench) -> None:
    servo = connected.virtual.servos[1]
    servo.temperature = 90.0
    connected.virtual.advance()
    assert not servo.torque
    here = connected.virtual.angles()[1]
    with pytest.raises(TorqueLostError, match="Servo 2 went limp"):
        connected.arm.observe()
    move(connected.arm, HOME + 0.2, ticks=5)
    assert connected.arm.complaints() == ["shoulder_lift is too hot"]
    servo.temperature = 30.0
    connected.arm.command(Command(HOME + 0.2))
    assert connected.virtual.angles()[1] == pytest.approx(here, abs=0.02)


def test_a_dip_of_the_supply_is_noticed_and_held(connected: Bench) -> None:
    arm, servo = connected.arm, connected.virtual.servos[1]
    servo.power_up()
    connected.virtual.guide(1, HOME[1] - 0.3)
    connected.virtual.advance(20)
    here = connected.virtual.angles()[1]
    loop = ControlLoop(arm, connected.virtual)
    loop.set_controller(None)
    with pytest.raises(TorqueLostError, match="Servo 2 went limp"):
        loop.run_inline(None, 2 * arm.settings.torque_check)
    assert all(connected.torque())
    connected.virtual.advance(20)
    assert connected.virtual.angles()[1] == pytest.approx(here, abs=0.02)
    arm.disconnect()
    arm.connect()
    loop.run_inline(None, 2 * arm.settings.torque_check)


def test_complaints_in_words(connected: Bench) -> None:
    connected.virtual.servos[5].overloaded = True
    connected.virtual.servos[0].voltage = 3.0
    connected.virtual.advance()
    connected.arm.observe()
    assert connected.arm.complaints() == ["shoulder_pan has the wrong voltage", "gripper is overloaded"]


# Hostile commands, states and lines

number = st.one_of(st.floats(-3, 3), st.floats(), st.sampled_from([math.nan, math.inf, -math.inf, 1e300]))
fault = st.sampled_from(["none", "none", "none", "lost", "late", "corrupted", "partial", "garbage"])
step = st.one_of(
    st.tuples(st.just("command"), st.lists(number, min_size=5, max_size=7)),
    st.tuples(st.just("command"), st.lists(st.floats(-2, 2), min_size=6, max_size=6)),
    st.tuples(st.sampled_from(["hold", "guide", "advance", "unplug", "plug", "release"]), st.none()),
    st.tuples(st.just("hand"), st.tuples(st.integers(0, 5), st.floats(-3, 3))),
    st.tuples(st.just("heat"), st.tuples(st.integers(0, 5), st.sampled_from([20.0, 95.0]))),
    st.tuples(st.just("silence"), st.sets(st.integers(1, 6), max_size=2)),
    st.tuples(st.just("faults"), st.lists(fault, max_size=20)),
)


class Witness:
    """Sees every instruction before the servos do, and judges it."""

    def __init__(self, setup: Bench) -> None:
        self.setup = setup
        self.map = JointMap(setup.calibration)
        self.most = [round(joint.max_velocity * 1.5 * 0.1 / TICK) + 1 for joint in JOINTS]

    def __call__(self, packet: Packet) -> None:
        if packet.code == Instruction.SYNC_WRITE:
            address, size = packet.params[:2]
            for start in range(2, len(packet.params), size + 1):
                self.judge(packet.params[start], address, packet.params[start + 1 : start + 1 + size])
        elif packet.code == Instruction.WRITE:
            self.judge(packet.id, packet.params[0], packet.params[1:])

    def judge(self, ident: int, address: int, data: bytes) -> None:
        servo, joint = self.setup.virtual.servos[ident - 1], ident - 1
        present = min(max(servo.get(reg.POSITION), self.map.lowest[joint]), self.map.highest[joint])
        if address == reg.GOAL_POSITION.address:
            goal = reg.GOAL_POSITION.unpack(data)
            assert self.map.lowest[joint] <= goal <= self.map.highest[joint]
            assert not self.setup.arm.guiding or goal == present
            assert servo.torque or abs(goal - present) <= 1
            last = servo.get(reg.GOAL_POSITION)
            assert goal == present or abs(goal - last) <= self.most[joint]
        elif address == reg.TORQUE_ENABLE.address and data == b"\x01" and not servo.torque:
            assert abs(servo.get(reg.GOAL_POSITION) - present) <= 1


@given(st.lists(step, max_size=25))
@settings(max_examples=150, deadline=None)
def test_nothing_can_make_it_hurt(steps: list[tuple[str, Any]]) -> None:
    setup = Bench(patience=0.02)
    setup.virtual.bus.log = Witness(setup)
    setup.virtual.faults.lateness = 0.01
    arm = setup.arm
    for what, value in [("plug", None), *steps, ("faults", ()), ("silence", ()), ("end", None)]:
        try:
            act(setup, what, value)
            if arm.connected:
                arm.observe()
        except ArmError:
            continue
    for servo in setup.virtual.servos:
        servo.temperature = 25.0
    setup.virtual.advance()
    was_plugged = arm.connected
    arm.disconnect()
    assert not was_plugged or all(setup.torque())


def act(setup: Bench, what: str, value: Any) -> None:
    """Do one thing to the arm, the line or the driver."""
    arm, virtual = setup.arm, setup.virtual
    if what == "command":
        sent = arm.command(Command(np.array(value)))
        assert np.isfinite(sent.positions).all()
    elif what in ("hold", "guide"):
        getattr(arm, what)()
    elif what == "advance":
        virtual.advance(3)
    elif what == "hand":
        virtual.guide(*value)
    elif what == "heat":
        virtual.faults.script.clear()  # heat lasts longer than any silence
        virtual.faults.silent.clear()
        virtual.servos[value[0]].temperature = value[1]
        virtual.advance()
        arm.observe()
    elif what == "silence":
        virtual.faults.silent = set(value)
    elif what == "faults":
        virtual.faults.script.clear()
        virtual.faults.script.extend(value)
    elif what == "release":
        arm.disconnect(release=True)
    else:
        setup.port.vanished = what == "unplug"
        if what == "plug":
            arm.connect()


# On a real terminal, in the loop


def test_unplugged_and_plugged_in_again() -> None:
    virtual = virtual_arm()
    with VirtualPort(virtual, physics=False) as port:
        arm = FeetechArm(port.name)
        arm.connect()
        arm.observe()
    with pytest.raises(ConnectionLostError, match=r"has vanished.*Plug it in"):
        arm.observe()
    assert not arm.connected
    arm.disconnect()
    with pytest.raises(PortError, match="There is no port"):
        arm.connect()
    with VirtualPort(virtual, physics=False) as port:
        arm.device = port.name
        arm.connect()
        np.testing.assert_allclose(arm.observe().positions, virtual.angles(), atol=TICK)
        arm.disconnect()


def test_a_program_over_the_bus_really_moves_cubes() -> None:
    setup = Bench()
    program = ClickProgram("x", (Click("grasp", "red cube"), Click("place", "yellow zone")))
    controller, judge = ProgramController(setup.virtual.anchors), Judge(program, setup.virtual.anchors)
    controller.add(*program.clicks)
    with setup.arm:
        loop = ControlLoop(setup.arm, setup.virtual)
        loop.set_controller(controller)
        clicks, last = -1, loop.step_once()
        for _ in range(1500):
            if controller.click_index != clicks and controller.current_click is not None:
                if clicks >= 0 and len(judge.achieved) < 1:
                    judge.end(last.observation)
                judge.begin(last.observation)
                clicks = controller.click_index
            judge.watch(last.observation)
            last = loop.step_once()
            if not controller.pending:
                break
        judge.end(last.observation)
        assert judge.achieved == [True, True]
        assert judge.success(last.observation)


def test_a_take_recorded_over_the_bus_is_a_take(tmp_path: Path) -> None:
    setup = Bench()
    setup.virtual.faults.lost = 0.01
    controller = ProgramController(setup.virtual.anchors)
    controller.add(Click("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}), Click("press", "blue cube"))
    with setup.arm:
        loop, recorder = ControlLoop(setup.arm, setup.virtual), MemoryRecorder("x", setup.arm, "", setup.virtual)
        loop.add_sink(recorder.on_tick)
        loop.run_inline(controller, 1500)
        setup.virtual.faults.lost = 0.0
    library = Library(tmp_path)
    take = library.load("x", library.add(recorder.stop()).name)
    assert [segment.click.verb for segment in take.segments] == ["reach", "press"]
    assert take.timing.retries.sum() > 0
    assert np.all(take.timing.latency > 0)
    assert take.states is None
    steps = np.abs(np.diff(take.command_sent, axis=0))
    assert np.all(steps <= [joint.max_velocity * 0.02 + 2 * TICK for joint in JOINTS])
    np.testing.assert_allclose(take.command_sent[:, :-1], take.command_asked[:, :-1], atol=0.1)


def test_a_take_led_by_hand_says_where_the_hand_was() -> None:
    setup = Bench()
    with setup.arm:
        setup.arm.guide()
        loop, recorder = ControlLoop(setup.arm, setup.virtual), MemoryRecorder("x", setup.arm, "", setup.virtual)
        loop.add_sink(recorder.on_tick)
        for angle in np.linspace(0.0, 0.8, 60):
            setup.virtual.guide(0, float(angle))
            setup.virtual.advance()
            loop.step_once()
        setup.virtual.guide(0, None)
        assert not any(setup.torque())
        with loop.between_ticks():
            setup.arm.hold()
        for _ in range(20):
            loop.step_once()
    take = recorder.stop()
    assert take.joint_positions[59, 0] == pytest.approx(0.8, abs=0.05)
    np.testing.assert_allclose(take.command_sent[:60], take.joint_positions[:60], atol=0.01)
    assert np.ptp(take.joint_positions[60:, 0]) < 0.01


def test_the_loop_runs_live_over_a_terminal() -> None:
    virtual = virtual_arm()
    with VirtualPort(virtual) as port:
        arm = FeetechArm(port.name)
        with arm:
            loop = ControlLoop(arm, virtual)
            ticks = []
            loop.add_sink(ticks.append)
            loop.start()
            time.sleep(0.8)
            loop.stop()
            assert loop.error is None
            assert len(ticks) > 10
            assert all(0 < tick.latency < 1 for tick in ticks)
    assert all(servo.torque for servo in virtual.servos)


def test_unplugging_ends_the_loop_with_a_name() -> None:
    virtual = virtual_arm()
    port = VirtualPort(virtual, physics=False)
    arm = FeetechArm(port.name)
    arm.connect()
    loop = ControlLoop(arm, virtual)
    loop.start()
    time.sleep(0.1)
    port.close()
    deadline = time.monotonic() + 5
    while loop.running and time.monotonic() < deadline:
        time.sleep(0.01)
    loop.stop()
    assert loop.error is not None
    assert loop.error.fatal
    assert "has vanished" in loop.error.message
    assert not arm.connected


# Ports and names


def test_ports_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PortError, match="There is no port /dev/ttyNOT"):
        SerialPort("/dev/ttyNOT")
    plain = tmp_path / "file"
    plain.write_text("")
    with pytest.raises(PortError, match="was not touched"):
        SerialPort(str(plain))
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(ports.serial, "serial_for_url", lambda *_, **__: (_ for _ in ()).throw(denied))
    stranger = port_access.Membership("dialout", listed=False, in_force=False)
    monkeypatch.setattr(port_access, "membership", lambda _: stranger)
    monkeypatch.setattr(port_access.sys, "platform", "linux")
    with pytest.raises(PortError, match=r"You may not open .*`sudo usermod -aG dialout \w+`"):
        SerialPort(str(plain))


def test_a_port_that_vanishes_has_a_name_whatever_is_done_to_it() -> None:
    for use in (lambda p: p.read(6), lambda p: p.write(b"\xff"), lambda p: p.discard()):
        with VirtualPort(VirtualArm(), physics=False) as terminal:
            port = SerialPort(terminal.name)
            port.write(encode(ping(1)))
            time.sleep(0.05)
        for _ in range(2):
            with contextlib.suppress(ConnectionLostError):
                use(port)
        port.close()
        port.close()
        with pytest.raises(ConnectionLostError, match="has vanished"):
            use(port)


def test_a_port_is_for_one_program() -> None:
    with VirtualPort(VirtualArm(), physics=False) as port:
        first = SerialPort(port.name)
        with pytest.raises(PortError, match="Another program uses"):
            SerialPort(port.name)
        first.close()
        SerialPort(port.name).close()
