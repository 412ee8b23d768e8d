"""Benchmark of connecting to an arm through slow and lossy adapters: ``python -m benchmarks.connects``.

Thousands of connections over adapters of different latency, with a fraction of the replies lost. Two thirds of the arms
are in order and must be read correctly; the others have one fault, which must be named. After every connection the
memory of all servos is compared with what it must be. Time is emulated, so a busy machine changes nothing.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.report import Report, add_json_option, print_report, summarise_rate
from metagui.arms.arm import ArmError
from metagui.arms.emulator.emulated_arm import EmulatedArm
from metagui.arms.emulator.emulated_bus import FaultInjector
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.bus import ServoSilentError
from metagui.arms.feetech.diagnosis import BaudRateError, SharedIdError, WrongServoError
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.calibration import NotCalibratedError
from metagui.arms.so101.motors import GAIN_SETTINGS, GRIPPER_SETTINGS
from metagui.arms.so101.protection.supply import WrongSupplyError
from metagui.arms.so101.so101_arm import SO101Arm
from tests.helpers.slow_line import SLOW_LINES, SlowPort

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.emulator.latency import LatencyProfile

MOUNT_OFFSETS = (100, 3000, 4000, 2048, 1500, 10)
READING_TOLERANCE_RAD = 3e-3
EEPROM_SIZE = 40


class ArmFault(NamedTuple):
    """A fault of an arm, and the error that must name it."""

    name: str
    provoke: Callable[[EmulatedArm, random.Random], None]
    error: type[ArmError]


def _share_id(arm: EmulatedArm, rng: random.Random) -> None:
    first, second = rng.sample(range(6), 2)
    arm.servos[first].set_register(reg.ID, arm.servos[second].id)


def _change_baud(arm: EmulatedArm, rng: random.Random) -> None:
    rng.choice(arm.servos).set_register(reg.BAUD_RATE, rng.randrange(1, len(reg.BAUD_RATES)))


def _change_model(arm: EmulatedArm, rng: random.Random) -> None:
    rng.choice(arm.servos).set_register(reg.MODEL_NUMBER, rng.choice((1284, 11272, 999)))


def _silence(arm: EmulatedArm, rng: random.Random) -> None:
    arm.faults.silent_ids.add(rng.randrange(1, 7))


def _forget_calibration(arm: EmulatedArm, rng: random.Random) -> None:
    servo = rng.choice(arm.servos)
    servo.set_register(reg.MIN_POSITION_LIMIT, 0)
    servo.set_register(reg.MAX_POSITION_LIMIT, 0)


def _overvolt(arm: EmulatedArm, rng: random.Random) -> None:
    for servo in arm.servos:
        servo.voltage = rng.uniform(11.5, 12.6)
    arm.advance()


FAULTS = (
    ArmFault("two motors with one id", _share_id, SharedIdError),
    ArmFault("another baud rate", _change_baud, BaudRateError),
    ArmFault("another model", _change_model, WrongServoError),
    ArmFault("silent motor", _silence, ServoSilentError),
    ArmFault("not calibrated", _forget_calibration, NotCalibratedError),
    ArmFault("7.4 V motors on 12 V", _overvolt, WrongSupplyError),
)


def list_settings(gripper: bool) -> dict[int, int]:
    """Return the EEPROM bytes that a connection sets, by address."""
    settings = {**GAIN_SETTINGS, **(GRIPPER_SETTINGS if gripper else {})}
    return {
        register.address + offset: byte
        for register, value in settings.items()
        for offset, byte in enumerate(register.pack(value))
    } | {reg.OPERATING_MODE.address: 0}


def count_wrong_writes(before: Sequence[bytes], arm: EmulatedArm) -> int:
    """Return the number of EEPROM bytes that have changed to something that a connection does not set."""
    wrong = 0
    for index, (servo, memory) in enumerate(zip(arm.servos, before, strict=True)):
        settings = list_settings(index == len(arm.servos) - 1)
        for address in range(EEPROM_SIZE):
            if servo.memory[address] != memory[address]:
                wanted = settings.get(address, memory[address] & ~reg.MULTI_TURN_BIT)
                is_setting = address in settings or address == reg.PHASE.address
                wrong += not is_setting or servo.memory[address] != wanted
    return wrong


def connect_once(simulated: SimulatedArm, profile: LatencyProfile, lost: float, seed: int) -> str:
    """Connect to a new arm once; return ``right``, or what was wrong."""
    rng = random.Random(seed)
    emulated = EmulatedArm(simulated, MOUNT_OFFSETS, FaultInjector(lost=lost, seed=seed))
    emulated.calibrate()
    fault = rng.choice(FAULTS) if rng.random() < 1 / 3 else None
    if fault is not None:
        fault.provoke(emulated, rng)
    before = [bytes(servo.memory[:EEPROM_SIZE]) for servo in emulated.servos]
    port = SlowPort(emulated, profile, seed)
    arm = SO101Arm("slow", open_port=lambda _: port, clock=port.clock)
    verdict = _connect(arm, emulated, fault)
    return "wrong register" if count_wrong_writes(before, emulated) else verdict


def _connect(arm: SO101Arm, emulated: EmulatedArm, fault: ArmFault | None) -> str:
    try:
        arm.connect()
    except ArmError as error:
        if fault is None:
            return f"failed: {type(error).__name__}"
        is_right = type(error) is fault.error
        return "right" if is_right else f"{fault.name} diagnosed as {type(error).__name__}"
    positions = arm.observe().positions
    arm.disconnect()
    if fault is not None:
        return f"{fault.name} not found"
    is_read_right = np.abs(positions - emulated.read_joint_angles()).max() <= READING_TOLERANCE_RAD + emulated_play()
    return "right" if is_read_right else "wrong value"


def emulated_play() -> float:
    """Return by how far an emulated encoder may differ from its joint, rad: half of the play."""
    return float(np.radians(0.5))


def main() -> None:
    """Connect through every adapter and print what was right and wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="number of connections, over all adapters")
    parser.add_argument("--lost", type=float, default=0.01, help="fraction of replies that are lost")
    parser.add_argument("--seed", type=int, default=0)
    add_json_option(parser)
    options = parser.parse_args()
    simulated, results = SimulatedArm(), {}
    for index, profile in enumerate(SLOW_LINES):
        verdicts: Counter[str] = Counter()
        for number in range(index, options.count, len(SLOW_LINES)):
            verdicts[connect_once(simulated, profile, options.lost, options.seed + number)] += 1
        results[profile.name] = dict(verdicts)
        if not options.json:
            wrong = ", ".join(f"{count} {what}" for what, count in verdicts.items() if what != "right") or "none wrong"
            print(f"{profile.name:20} {verdicts['right']:5} right, {wrong}", flush=True)
    total: Counter[str] = Counter()
    for verdicts_of_profile in results.values():
        total.update(verdicts_of_profile)
    if options.json:
        settings = {"count": options.count, "lost": options.lost, "seed": options.seed}
        figure = summarise_rate("connections that are right", total["right"], sum(total.values()), bar=100)
        print_report(Report("connects", [figure], settings, details={"profiles": results, "total": total}), True)
    else:
        print(f"{'all':20} {total['right']:5} right of {sum(total.values())}")


if __name__ == "__main__":
    main()
