"""Inspection of the motors on a line, whatever their id, baud rate and model: reads only, and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.diagnosis import describe_model, find_other_baud_rates, find_shared_ids
from metagui.arms.feetech.protocol import ServoStatus
from metagui.arms.feetech.serial_port import SERVO_BUS_BAUD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.feetech.bus import ServoBus

INSPECTED_IDS = tuple(range(1, 13))
"""Ids that are looked for at the usual baud rate: one arm, or two on one line."""
_EEPROM_SIZE = 40
_FIRMWARE_ADDRESS = 0


@dataclass(frozen=True)
class MotorDetails:
    """What one motor reports."""

    id: int
    """Id on the bus."""
    baud: int
    """Baud rate."""
    model: str
    """Number and name of the model."""
    firmware: str
    """Version of the firmware."""
    voltage: float
    """Supply voltage, V."""
    max_voltage: float
    """Largest supply voltage that the motor allows, V."""
    temperature: int
    """Temperature, degrees Celsius."""
    load: float
    """Signed torque, % of the maximum."""
    torque: bool
    """True if the torque is on."""
    status: str
    """Faults, ``ok`` if there are none."""


def inspect_motors(bus: ServoBus, expected_ids: Sequence[int]) -> list[MotorDetails]:
    """Return the details of all motors, those of ``expected_ids`` also if they have another baud rate."""
    bus.probe(expected_ids)
    found = bus.scan(INSPECTED_IDS)
    shared = set(find_shared_ids(bus, found))
    details = [_read_details(bus, servo_id, SERVO_BUS_BAUD, servo_id in shared) for servo_id in found]
    missing = [servo_id for servo_id in expected_ids if servo_id not in found]
    others = find_other_baud_rates(bus, missing) if missing else {}
    try:
        for servo_id, baud in others.items():
            bus.port.set_baud(baud)
            details.append(_read_details(bus, servo_id, baud, False))
    finally:
        bus.port.set_baud(SERVO_BUS_BAUD)
    return sorted((each for each in details if each is not None), key=lambda each: each.id)


def _read_details(bus: ServoBus, servo_id: int, baud: int, is_shared: bool) -> MotorDetails | None:
    """Return what one motor reports; None if it has fallen silent."""
    memory = bus.sync_read((servo_id,), _FIRMWARE_ADDRESS, _EEPROM_SIZE)
    feedback = bus.sync_read((servo_id,), reg.FEEDBACK_ADDRESS, reg.FEEDBACK_SIZE)
    torque = bus.sync_read((servo_id,), reg.TORQUE_ENABLE.address, reg.TORQUE_ENABLE.size)
    if not (memory and feedback and torque):
        return _describe_spoiled(servo_id, baud) if is_shared else None
    eeprom, values = memory[servo_id].data, reg.unpack_feedback(feedback[servo_id].data)
    status = describe_status(values.status)
    return MotorDetails(
        id=servo_id,
        baud=baud,
        model=describe_model(_unpack(reg.MODEL_NUMBER, eeprom)),
        firmware=f"{eeprom[0]}.{eeprom[1]}",
        voltage=values.voltage / 10,
        max_voltage=_unpack(reg.MAX_VOLTAGE_LIMIT, eeprom) / 10,
        temperature=values.temperature,
        load=values.load / 10,
        torque=torque[servo_id].data == b"\x01",
        status=f"two motors have this id, {status}" if is_shared else status,
    )


def _describe_spoiled(servo_id: int, baud: int) -> MotorDetails:
    """Return the details of two motors whose answers spoil each other."""
    return MotorDetails(servo_id, baud, "?", "?", 0.0, 0.0, 0, 0.0, False, "two motors have this id")


def describe_status(status: int) -> str:
    """Return the names of the faults in status bits, ``ok`` if there are none."""
    return ", ".join(str(fault.name).lower() for fault in ServoStatus if status & fault) or "ok"


def _unpack(register: reg.Register, eeprom: bytes) -> int:
    return register.unpack(eeprom[register.address : register.address + register.size])
