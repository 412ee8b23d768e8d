"""Reading and writing the same registers of several servos: complete or an error, and no write that changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.feetech.bus import SYNC_SIZES, ServoBus, ServoSilentError
from metagui.arms.feetech.line_messages import describe_silence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.feetech.control_table import Register


def read_block(bus: ServoBus, servo_ids: Sequence[int], address: int, size: int) -> dict[int, bytes]:
    """Return ``size`` bytes of all servos, by id; not one of ``SYNC_SIZES``. Raises ServoSilentError."""
    if size in SYNC_SIZES:
        raise ValueError(f"A reply of {size} bytes would be taken for one that synchronises the line.")
    replies = bus.sync_read(servo_ids, address, size)
    missing = set(servo_ids) - set(replies)
    if missing:
        error = ServoSilentError(describe_silence(missing, bus.latency))
        error.servo_ids = frozenset(missing)
        raise error
    return {servo_id: replies[servo_id].data for servo_id in servo_ids}


def read_register(bus: ServoBus, servo_ids: Sequence[int], register: Register) -> dict[int, int]:
    """Return one register of all servos, by id. Raises ServoSilentError."""
    block = read_block(bus, servo_ids, register.address, register.size)
    return {servo_id: register.unpack(data) for servo_id, data in block.items()}


def write_where_different(bus: ServoBus, register: Register, values: Mapping[int, int]) -> None:
    """Write one register of the servos whose value differs. Raises ServoSilentError, ServoRefusedError."""
    present = read_register(bus, tuple(values), register)
    for servo_id, value in values.items():
        if present[servo_id] != value:
            bus.write(servo_id, register, value)
