"""Tests of the USB driver over a pseudo-terminal: in the loop, in a recording, and unplugged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.arms.arm import ConnectionLostError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.emulator.emulated_port import EmulatedPort
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.serial_port import PortError
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.demonstrations.storage.library import Library
from tests.helpers.clocks import wait_until
from tests.helpers.emulated_bench import EmulatedBench, make_emulated_arm
from tests.helpers.terminals import open_patiently

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.pty
def test_so101_unplugged_reconnects() -> None:
    emulated = make_emulated_arm()
    with EmulatedPort(emulated, physics=False) as port:
        arm = SO101Arm(port.name, open_port=open_patiently)
        arm.connect()
        arm.observe()
    with pytest.raises(ConnectionLostError, match=r"has vanished.*Plug it in"):
        arm.observe()
    assert not arm.connected
    arm.disconnect()
    with pytest.raises(PortError, match="There is no port"):
        arm.connect()
    with EmulatedPort(emulated, physics=False) as port:
        arm.device = port.name
        arm.connect()
        np.testing.assert_allclose(arm.observe().positions, emulated.read_joint_angles(), atol=RAD_PER_TICK)
        arm.disconnect()


def test_program_over_bus_moves_cubes() -> None:
    setup = EmulatedBench()
    program = TaskProgram("x", (Instruction("grasp", "red cube"), Instruction("place", "yellow zone")))
    controller, judge = (
        ProgramController(setup.emulated_arm.objects),
        SuccessMonitor(program, setup.emulated_arm.objects),
    )
    controller.add_instructions(*program.instructions)
    with setup.arm:
        loop = ControlLoop(setup.arm, setup.emulated_arm)
        loop.set_controller(controller)
        clicks, last = -1, loop.step_once()
        for _ in range(1500):
            if controller.instruction_index != clicks and controller.current_instruction is not None:
                if clicks >= 0 and len(judge.achieved) < 1:
                    judge.end_instruction(last.observation)
                judge.begin_instruction(last.observation)
                clicks = controller.instruction_index
            judge.update(last.observation)
            last = loop.step_once()
            if not controller.pending_count:
                break
        judge.end_instruction(last.observation)
        assert judge.achieved == [True, True]
        assert judge.is_successful(last.observation)


def test_take_over_bus_is_stored_and_loaded(tmp_path: Path) -> None:
    setup = EmulatedBench()
    setup.emulated_arm.faults.lost = 0.01
    controller = ProgramController(setup.emulated_arm.objects)
    controller.add_instructions(
        Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}), Instruction("press", "blue cube")
    )
    with setup.arm:
        loop, recorder = (
            ControlLoop(setup.arm, setup.emulated_arm),
            InMemoryRecorder("x", setup.arm, "", setup.emulated_arm),
        )
        loop.add_sink(recorder.on_tick)
        loop.run_inline(controller, 1500)
        setup.emulated_arm.faults.lost = 0.0
    library = Library(tmp_path)
    take = library.load_take("x", library.add_take(recorder.stop()).name)
    assert [segment.instruction.action for segment in take.segments] == ["reach", "press"]
    assert take.timing.retries.sum() > 0
    assert np.all(take.timing.latency > 0)
    assert take.states is None
    steps = np.abs(np.diff(take.command_sent, axis=0))
    assert np.all(steps <= [joint.max_velocity * 0.02 + 2 * RAD_PER_TICK for joint in JOINTS])
    np.testing.assert_allclose(take.command_sent[:, :-1], take.command_requested[:, :-1], atol=0.1)


def test_take_by_hand_has_hand_motion() -> None:
    setup = EmulatedBench()
    with setup.arm:
        setup.arm.start_hand_guiding()
        loop, recorder = (
            ControlLoop(setup.arm, setup.emulated_arm),
            InMemoryRecorder("x", setup.arm, "", setup.emulated_arm),
        )
        loop.add_sink(recorder.on_tick)
        for angle in np.linspace(0.0, 0.8, 60):
            setup.emulated_arm.move_joint_by_hand(0, float(angle))
            setup.emulated_arm.advance()
            loop.step_once()
        setup.emulated_arm.move_joint_by_hand(0, None)
        assert not any(setup.read_torque())
        with loop.between_ticks():
            setup.arm.hold()
        for _ in range(20):
            loop.step_once()
    take = recorder.stop()
    assert take.joint_positions[59, 0] == pytest.approx(0.8, abs=0.05)
    np.testing.assert_allclose(take.command_sent[:60], take.joint_positions[:60], atol=0.01)
    assert np.ptp(take.joint_positions[60:, 0]) < 0.01


@pytest.mark.pty
def test_loop_over_terminal_runs_live() -> None:
    emulated = make_emulated_arm()
    with EmulatedPort(emulated) as port:
        arm = SO101Arm(port.name, open_port=open_patiently)
        with arm:
            loop = ControlLoop(arm, emulated)
            ticks = []
            loop.add_sink(ticks.append)
            loop.start()
            wait_until(lambda: len(ticks) > 10 or loop.error)
            loop.stop()
            assert loop.error is None
            assert all(tick.latency > 0 for tick in ticks)
    assert all(servo.torque_enabled for servo in emulated.servos)


@pytest.mark.pty
def test_loop_unplugged_ends_with_reason() -> None:
    emulated = make_emulated_arm()
    port = EmulatedPort(emulated, physics=False)
    arm = SO101Arm(port.name, open_port=open_patiently)
    arm.connect()
    loop = ControlLoop(arm, emulated)
    loop.start()
    wait_until(lambda: loop.latest or loop.error)
    assert loop.error is None
    port.close()
    wait_until(lambda: not loop.running)
    loop.stop()
    assert loop.error is not None
    assert loop.error.fatal
    assert "has vanished" in loop.error.message
    assert not arm.connected
