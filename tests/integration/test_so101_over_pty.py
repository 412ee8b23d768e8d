"""The USB driver over a real terminal: in the loop, in a recording, and unplugged."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.arm import ConnectionLostError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.pty_server import VirtualPort
from metagui.arms.feetech.control_table import TICK
from metagui.arms.feetech.serial_port import PortError
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.so101_arm import FeetechArm
from metagui.demonstrations.demonstration import Click
from metagui.demonstrations.programs.program import ClickProgram, ProgramController
from metagui.demonstrations.programs.success import Judge
from metagui.demonstrations.recording.take_builder import MemoryRecorder
from metagui.demonstrations.storage.library import Library
from tests.helpers.emulated_bench import Bench, virtual_arm

if TYPE_CHECKING:
    from pathlib import Path


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
