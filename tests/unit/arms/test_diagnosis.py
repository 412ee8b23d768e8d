"""Tests of lines on which servos do not answer as they should: each reason is named, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metagui.arms.emulator.emulated_bus import FaultInjector
from metagui.arms.emulator.emulated_servo import EmulatedServo
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import serial_port
from metagui.arms.feetech.bus import ServoSilentError
from metagui.arms.feetech.diagnosis import BaudRateError, SharedIdError, WrongServoError
from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.so101.motor_setup import NotSingleServoError, assign_id
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.emulated_bench import EmulatedBench
from tests.helpers.in_process_port import InProcessPort
from tests.helpers.slow_line import SLOW_LINES, SlowPort

if TYPE_CHECKING:
    from metagui.arms.emulator.latency import LatencyProfile
    from metagui.arms.feetech.protocol import Packet

profiles = pytest.mark.parametrize("profile", SLOW_LINES, ids=lambda profile: profile.name)


@pytest.fixture
def bench() -> EmulatedBench:
    """Return a calibrated emulated arm with its driver, not connected."""
    return EmulatedBench()


def connect_slowly(bench: EmulatedBench, profile: LatencyProfile) -> list[Packet]:
    """Connect through a slow adapter; return the instructions."""
    seen: list[Packet] = []
    bench.emulated_arm.bus.on_packet = seen.append
    port = SlowPort(bench.emulated_arm, profile)
    bench.arm = SO101Arm("emulated", open_port=lambda _: port)
    bench.arm.connect()
    return seen


def move_shafts_apart(bench: EmulatedBench, servo: EmulatedServo) -> None:
    """Give a servo that is not on a joint another position than the others have."""
    servo.update_shaft(1234.0, 0.0, 0.0, 0.0)
    bench.emulated_arm.bus.servos = (*bench.emulated_arm.bus.servos, servo)


@profiles
@pytest.mark.parametrize("replaces", [True, False])
def test_connect_two_servos_with_one_id_names_it(bench: EmulatedBench, profile: LatencyProfile, replaces: bool) -> None:
    """The gripper's servo still has the id 1 of a new one, or there is one more servo than there should be."""
    if replaces:
        bench.emulated_arm.servos[5].set_register(reg.ID, 1)
    else:
        move_shafts_apart(bench, EmulatedServo(1))
    with pytest.raises(SharedIdError, match=r"Two servos have the id 1.*setup-motors"):
        connect_slowly(bench, profile)
    assert not any(bench.read_torque())


def test_connect_two_servos_answer_one_after_the_other_names_id(bench: EmulatedBench) -> None:
    second = EmulatedServo(2)
    second.set_register(reg.RETURN_DELAY_TIME, 200)
    move_shafts_apart(bench, second)
    with pytest.raises(SharedIdError, match="id 2"):
        connect_slowly(bench, SLOW_LINES[0])


@profiles
@pytest.mark.parametrize("index", [1, 4, 7])
def test_connect_other_baud_rate_names_it(bench: EmulatedBench, profile: LatencyProfile, index: int) -> None:
    bench.emulated_arm.servos[2].set_register(reg.BAUD_RATE, index)
    with pytest.raises(BaudRateError, match=f"servo 3 answers at {reg.BAUD_RATES[index]} baud"):
        connect_slowly(bench, profile)
    assert bench.emulated_arm.bus.baud == 1_000_000


@profiles
def test_connect_silent_servo_names_it_and_the_adapter(bench: EmulatedBench, profile: LatencyProfile) -> None:
    bench.emulated_arm.faults.silent_ids.add(4)
    with pytest.raises(ServoSilentError, match="servo 4 after") as error:
        connect_slowly(bench, profile)
    assert ("The adapter delivers replies" in str(error.value)) == (profile.longest > 0.009)


def test_connect_no_servo_answers_names_supply(bench: EmulatedBench) -> None:
    bench.emulated_arm.faults.silent_ids.update(range(1, 7))
    with pytest.raises(ServoSilentError, match=r"1, 2, 3, 4, 5, 6.*power supply"):
        connect_slowly(bench, SLOW_LINES[0])


@pytest.mark.parametrize(("number", "name"), [(1284, r"1284 \(SCS0009\)"), (11272, r"SM8512BL"), (999, "999;")])
def test_connect_other_model_is_named(bench: EmulatedBench, number: int, name: str) -> None:
    bench.emulated_arm.servos[1].set_register(reg.MODEL_NUMBER, number)
    with pytest.raises(WrongServoError, match=f"Servo 2 is of model .*{name}"):
        connect_slowly(bench, SLOW_LINES[0])


def test_connect_sts3250_is_driven(bench: EmulatedBench) -> None:
    for servo in bench.emulated_arm.servos:
        servo.set_register(reg.MODEL_NUMBER, reg.STS3250_MODEL_NUMBER)
    connect_slowly(bench, SLOW_LINES[0])
    assert bench.arm.list_warnings() == []


def test_connect_slow_adapter_is_described(bench: EmulatedBench) -> None:
    connect_slowly(bench, SLOW_LINES[2])
    (warning,) = bench.arm.list_warnings()
    assert warning.startswith("The adapter delivers replies 16 ms late")
    bench.arm.disconnect()
    port = SlowPort(bench.emulated_arm, SLOW_LINES[2])
    port.adapter = "FTDI FT232 (/dev/ttyUSB0)"  # type: ignore[attr-defined]
    bench.arm = SO101Arm("emulated", open_port=lambda _: port)
    bench.arm.connect()
    (warning,) = bench.arm.list_warnings()
    assert warning.startswith("The adapter FTDI FT232 (/dev/ttyUSB0) delivers replies 16 ms late")


def test_adapter_is_named_by_its_kind_or_description(monkeypatch: pytest.MonkeyPatch) -> None:
    known = UsbPort("/dev/ttyUSB0", 0x0403, 0x6001, "A1", "FT232R USB UART")
    other = UsbPort("/dev/ttyUSB1", 1, 2, None, "Serial cable")
    monkeypatch.setattr(serial_port, "list_usb_ports", lambda: (known, other))
    assert serial_port.name_adapter("/dev/ttyUSB0") == "FTDI FT232 (/dev/ttyUSB0)"
    assert serial_port.name_adapter("/dev/ttyUSB1") == "Serial cable (/dev/ttyUSB1)"
    assert serial_port.name_adapter("/dev/pts/3") == "/dev/pts/3"


def test_assign_id_two_servos_with_one_id_raises(bench: EmulatedBench) -> None:
    """Both have the id of a new servo: their answers to most questions are the same bytes at the same time."""
    servos = [EmulatedServo(1), EmulatedServo(1)]
    servos[0].update_shaft(1000.0, 0.0, 0.0, 0.0)
    bench.emulated_arm.bus.servos = tuple(servos)
    with pytest.raises(NotSingleServoError, match="Several servos answer as id 1"):
        assign_id(InProcessPort(bench.emulated_arm), 4)
    assert [servo.id for servo in servos] == [1, 1]


def test_connect_shared_id_is_named_although_a_reply_is_lost() -> None:
    """Of every two replies that mix, one is lost now and then; then one servo alone answers."""
    for seed in range(40):
        fresh = EmulatedBench()
        fresh.emulated_arm.bus.faults = FaultInjector(lost=0.02, seed=seed)
        fresh.emulated_arm.servos[5].set_register(reg.ID, 1)
        with pytest.raises(SharedIdError, match="id 1"):
            connect_slowly(fresh, SLOW_LINES[0])


def test_connect_other_baud_rate_is_named_although_a_reply_is_lost() -> None:
    for seed in range(12):
        fresh = EmulatedBench()
        fresh.emulated_arm.bus.faults = FaultInjector(lost=0.1, seed=seed)
        fresh.emulated_arm.servos[2].set_register(reg.BAUD_RATE, 1)
        with pytest.raises(BaudRateError, match="servo 3 answers at 500000 baud"):
            connect_slowly(fresh, SLOW_LINES[0])
