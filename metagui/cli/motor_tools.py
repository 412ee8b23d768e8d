"""Motors of an arm on a port, for the commands that inspect, relax, trim or emulate an arm."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from metagui.cli.output import CommandError, print_note, print_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.emulator.emulated_arm import EmulatedArm
    from metagui.arms.emulator.emulated_bus import FaultInjector
    from metagui.arms.feetech.serial_port import Port
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.motors import ServoChain
    from metagui.arms.so101.protection.inspection import MotorDetails

RELAXING_S = 3.0
"""Time in which the torque falls, s."""
DETAIL_COLUMNS = ("id", "joint", "baud", "model", "firmware", "supply", "temperature", "load", "torque", "status")


def inspect_port(registry: ArmRegistry, device: str) -> list[MotorDetails]:
    """Return the details of the motors on a port. Raises PortError, ConnectionLostError."""
    from metagui.arms.feetech.bus import ServoBus
    from metagui.arms.so101.motors import SERVO_IDS
    from metagui.arms.so101.protection.inspection import inspect_motors

    with contextlib.closing(registry.open_port(device)) as port:
        return inspect_motors(ServoBus(port), SERVO_IDS)


def make_detail_row(motor: MotorDetails) -> tuple[object, ...]:
    """Return the row of ``DETAIL_COLUMNS`` for a motor."""
    from metagui.arms.kinematics import JOINTS
    from metagui.arms.so101.motors import SERVO_IDS

    joints = dict(zip(SERVO_IDS, (joint.name for joint in JOINTS), strict=True))
    return (
        motor.id,
        joints.get(motor.id, ""),
        motor.baud,
        motor.model,
        motor.firmware,
        f"{motor.voltage:.1f} V (at most {motor.max_voltage:.0f})",
        f"{motor.temperature} °C",
        f"{motor.load:.0f} %",
        "on" if motor.torque else "off",
        motor.status,
    )


def relax_arm(registry: ArmRegistry, address: str, seconds: int) -> None:
    """Count down, then let the arm with a name or on a port go gently. Raises ArmError, CommandError."""
    from metagui.arms.so101.protection.relaxing import RELAX_STEPS, relax_gently
    from metagui.cli.signals import interruptible

    names = {arm.name for arm in registry.list_arms()}
    device = registry.find_device(address) if address in names else address
    file = registry.register_file(registry.identify(device))
    with contextlib.closing(registry.open_port(device)) as port:
        chain = _find_motors(port, device)
        try:
            with interruptible():
                print_note("The arm lets go after the countdown: hold it, or make room for it. Ctrl+C cancels.")
                for left in range(seconds, 0, -1):
                    print_note(f"{left} …")
                    time.sleep(1.0)
                for _ in relax_gently(chain, file):
                    time.sleep(RELAXING_S / RELAX_STEPS)
        except KeyboardInterrupt:
            raise CommandError("Cancelled. The arm holds where it is.") from None


def _find_motors(port: Port, device: str) -> ServoChain:
    """Return the motors that answer, as a chain. Raises ServoSilentError."""
    from metagui.arms.feetech.bus import ServoBus, ServoSilentError
    from metagui.arms.feetech.line_messages import describe_silence
    from metagui.arms.so101.motors import SERVO_IDS, SETUP_RETRIES, ServoChain

    bus = ServoBus(port, SETUP_RETRIES)
    bus.probe(SERVO_IDS)
    found = bus.scan(SERVO_IDS)
    if not found:
        raise ServoSilentError(describe_silence(SERVO_IDS, bus.latency))
    if len(found) < len(SERVO_IDS):
        missing = ", ".join(str(servo_id) for servo_id in SERVO_IDS if servo_id not in found)
        print_note(f"Servo {missing} on {device} does not answer and stays as it is.")
    return ServoChain(bus, found)


def make_emulated_arm(seed: int, faults: FaultInjector, is_ideal: bool, motors: int, hand_guided: bool) -> EmulatedArm:
    """Return a new emulated arm, whose servos were mounted at random."""
    import itertools

    import numpy as np

    from metagui.arms.emulator.emulated_arm import EmulatedArm
    from metagui.arms.emulator.guided_sweep import sweep_by_hand
    from metagui.arms.simulation.simulated_arm import SimulatedArm

    mount_offsets = np.random.default_rng(seed).integers(0, 4096, 6).tolist()
    make_arm = EmulatedArm.make_ideal if is_ideal else EmulatedArm
    arm = make_arm(SimulatedArm(seed), mount_offsets, faults=faults, motors=motors)
    if hand_guided:
        arm.follow_hand_path(itertools.chain.from_iterable(sweep_by_hand(arm.stops) for _ in itertools.count()))
    return arm


def trim_zeros(name: str | None, trims: Sequence[str], as_json: bool) -> None:
    """Store corrections of the zeros of a named arm, and print them. Raises PortError."""
    from metagui.arms.kinematics import JOINTS
    from metagui.arms.so101.arm_registry import ArmRegistry
    from metagui.arms.so101.stops import change_trims

    registry = ArmRegistry()
    if name is None or (calibration := registry.load_calibration(name)) is None:
        raise typer.BadParameter("give the name of a calibrated arm", param_hint="--name")
    try:
        pairs = [text.split("=") for text in trims]
        found = change_trims(calibration.trims, {joint: math.radians(float(angle)) for joint, angle in pairs})
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write for example elbow_flex=-1.5", param_hint="--trim") from None
    registry.save_calibration(name, replace(calibration, trims=found))
    rows = [(joint.name, f"{math.degrees(each):+.1f}") for joint, each in zip(JOINTS, found, strict=True)]
    document = {joint.name: math.degrees(each) for joint, each in zip(JOINTS, found, strict=True)}
    print_result(document, ("joint", "correction, degrees"), rows, as_json, f"Stored for “{name}”")
