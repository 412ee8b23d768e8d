"""Assigns ids to new servos, one at a time: all of them are delivered with id 1 and would answer at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech import diagnosis
from metagui.arms.feetech.bus import ServoBus
from metagui.arms.feetech.serial_port import SERVO_BUS_BAUD
from metagui.arms.so101.motors import SETUP_RETRIES

if TYPE_CHECKING:
    from metagui.arms.feetech.serial_port import Port

COMMON_SERVO_IDS, ALL_SERVO_IDS = range(21), range(254)
"""Ids that are tried first, and those tried if none of them answers; trying an unused id takes 12 ms."""


class NotSingleServoError(ArmError):
    """No servo or more than one servo answers."""


def assign_id(port: Port, servo_id: int) -> int:
    """Give the only servo on a port the id ``servo_id`` (0 … 253) and the arm's baud rate; return its old id.

    Nothing moves. Raises NotSingleServoError, WrongServoError, ServoSilentError, ConnectionLostError.
    """
    bus = ServoBus(port, SETUP_RETRIES)
    try:
        return _assign_id(bus, servo_id)
    finally:
        port.set_baud(SERVO_BUS_BAUD)


def _assign_id(bus: ServoBus, servo_id: int) -> int:
    old = _find_only_servo(bus)
    bus.probe((old,))
    if diagnosis.find_shared_ids(bus, (old,)):
        raise NotSingleServoError(
            f"Several servos answer as id {old}, but only one may be connected to the board. Nothing was written. "
            "Unplug the others, and try again."
        )
    diagnosis.check_models({old: bus.read(old, reg.MODEL_NUMBER)})
    bus.write(old, reg.TORQUE_ENABLE, 0)
    bus.write(old, reg.LOCK, 0)
    if bus.read(old, reg.BAUD_RATE) != reg.BAUD_RATES.index(SERVO_BUS_BAUD):
        bus.sync_write(reg.BAUD_RATE, {old: reg.BAUD_RATES.index(SERVO_BUS_BAUD)})
        bus.port.set_baud(SERVO_BUS_BAUD)
    bus.sync_write(reg.ID, {old: servo_id})  # a plain write would be acknowledged with an uncertain id
    bus.write(servo_id, reg.LOCK, 1)
    return old


def _find_only_servo(bus: ServoBus) -> int:
    """Return the id of the only servo on the line, by trying all ids. Raises NotSingleServoError."""
    found: list[int] = []
    for servo_ids in (COMMON_SERVO_IDS, COMMON_SERVO_IDS, ALL_SERVO_IDS):  # twice, as a reply may be lost
        found = found or bus.scan(servo_ids)
    for baud in reg.BAUD_RATES if not found else ():
        bus.port.set_baud(baud)
        found = bus.scan(COMMON_SERVO_IDS)
        if found:
            break
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotSingleServoError(
            "No servo answers, or several answer at once because they have the same id. Nothing was written. Connect "
            "one servo alone to the board, switch the supply on, and try again."
        )
    raise NotSingleServoError(
        f"The servos {', '.join(map(str, found))} answer, but only one may be connected to the board. Nothing was "
        "written. Unplug the others, and try again."
    )
