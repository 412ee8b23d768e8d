"""Motors of an arm on a port, for the commands that inspect and relax an arm, calibrated or not."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from metagui.cli.output import CommandError, print_note

if TYPE_CHECKING:
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
