"""The control table of a Feetech STS3215: addresses, sizes, encodings and units of its registers.

Addresses below 40 are EEPROM, which can be written only while ``LOCK`` is 0; from 56 on registers are read-only.
Signed numbers are encoded as sign and magnitude: one bit for the sign, the others for the magnitude.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import NamedTuple

STS3215_MODEL_NUMBER = 777
"""Value of ``MODEL_NUMBER`` of an STS3215."""
STS3250_MODEL_NUMBER = 2825
"""The same of an STS3250, which has the same control table."""
MODEL_NAMES = {STS3215_MODEL_NUMBER: "STS3215", STS3250_MODEL_NUMBER: "STS3250", 1284: "SCS0009", 11272: "SM8512BL"}
"""Names of known models by their number."""
DRIVEN_MODEL_NUMBERS = (STS3215_MODEL_NUMBER, STS3250_MODEL_NUMBER)
"""Models that an arm may have."""
BAUD_RATES = (1_000_000, 500_000, 250_000, 128_000, 115_200, 76_800, 57_600, 38_400)
"""Baud rates; ``BAUD_RATE`` is the index of one."""
TICKS_PER_TURN = 4096
"""Encoder ticks per turn."""
RAD_PER_TICK = 2 * math.pi / TICKS_PER_TURN
"""Angle of one tick, rad."""
EEPROM_END_ADDRESS = 40
"""First address after the EEPROM."""
READ_ONLY_START_ADDRESS = 56
"""First read-only address."""
FACTORY_PARAMETERS_ADDRESS = 80
"""First address of the factory parameters, which can be written."""
MULTI_TURN_BIT = 0x10
"""Bit of ``PHASE`` that allows positions outside 0 … 4095."""


def decode_sign_magnitude(value: int, bit: int) -> int:
    """Return the number that is encoded as sign and magnitude, with the sign at ``bit``."""
    magnitude = value & ((1 << bit) - 1)
    return -magnitude if value >> bit & 1 else magnitude


def encode_sign_magnitude(number: int, bit: int) -> int:
    """Return a number encoded as sign and magnitude, with the sign at ``bit``. Raises ValueError if it is too large."""
    if abs(number) >> bit:
        raise ValueError(f"{number} does not fit into {bit} bits and a sign.")
    return abs(number) | (1 << bit if number < 0 else 0)


@dataclass(frozen=True)
class Register:
    """One number in the control table of a servo."""

    name: str
    """Name for messages."""
    address: int
    """Address of the first byte."""
    size: int = 1
    """Number of bytes, little-endian."""
    sign_bit: int | None = None
    """Index of the sign bit; None if the number is unsigned."""

    def pack(self, value: int) -> bytes:
        """Return the bytes of a value. Raises ValueError if it does not fit."""
        raw = value if self.sign_bit is None else encode_sign_magnitude(value, self.sign_bit)
        if not 0 <= raw < 1 << 8 * self.size:
            raise ValueError(f"{value} does not fit into {self.name} ({self.size} bytes).")
        return raw.to_bytes(self.size, "little")

    def unpack(self, data: bytes) -> int:
        """Return the value of bytes."""
        raw = int.from_bytes(data, "little")
        return raw if self.sign_bit is None else decode_sign_magnitude(raw, self.sign_bit)


MODEL_NUMBER = Register("model number", 3, 2)
ID = Register("id", 5)
BAUD_RATE = Register("baud rate", 6)
RETURN_DELAY_TIME = Register("return delay", 7)
"""In units of 2 µs."""
RESPONSE_STATUS_LEVEL = Register("status level", 8)
"""1: every instruction is answered; 0: only pings and reads."""
MIN_POSITION_LIMIT = Register("lowest position", 9, 2)
MAX_POSITION_LIMIT = Register("highest position", 11, 2)
MAX_TEMPERATURE_LIMIT = Register("highest temperature", 13)
MAX_VOLTAGE_LIMIT = Register("highest voltage", 14)
MIN_VOLTAGE_LIMIT = Register("lowest voltage", 15)
MAX_TORQUE_LIMIT = Register("greatest torque", 16, 2)
PHASE = Register("phase", 18)
UNLOADING_CONDITION = Register("unloading condition", 19)
"""Status bits that switch the torque off."""
P_COEFFICIENT = Register("P", 21)
D_COEFFICIENT = Register("D", 22)
I_COEFFICIENT = Register("I", 23)
PROTECTION_CURRENT = Register("protection current", 28, 2)
HOMING_OFFSET = Register("homing offset", 31, 2, 11)
OPERATING_MODE = Register("mode", 33)
PROTECTIVE_TORQUE = Register("protective torque", 34)
"""Torque after an overload, % of the maximum."""
PROTECTION_TIME = Register("protection time", 35)
"""Shortest duration of an overload, in units of 10 ms."""
OVERLOAD_TORQUE = Register("overload torque", 36)
"""Load from which on a servo is overloaded, %."""
TORQUE_ENABLE = Register("torque enable", 40)
ACCELERATION = Register("acceleration", 41)
GOAL_POSITION = Register("goal position", 42, 2, 15)
GOAL_PWM = Register("goal duty cycle", 44, 2, 10)
"""Duty cycle of the open-loop mode, in thousandths."""
GOAL_VELOCITY = Register("goal velocity", 46, 2, 15)
TORQUE_LIMIT = Register("torque limit", 48, 2)
LOCK = Register("lock", 55)
PRESENT_POSITION = Register("position", 56, 2, 15)
PRESENT_VELOCITY = Register("velocity", 58, 2, 15)
PRESENT_LOAD = Register("load", 60, 2, 10)
PRESENT_VOLTAGE = Register("voltage", 62)
PRESENT_TEMPERATURE = Register("temperature", 63)
STATUS = Register("status", 65)
MOVING = Register("moving", 66)
PRESENT_CURRENT = Register("current", 69, 2, 15)

FEEDBACK_ADDRESS = PRESENT_POSITION.address
FEEDBACK_SIZE = PRESENT_CURRENT.address + PRESENT_CURRENT.size - PRESENT_POSITION.address
_FEEDBACK_STRUCT = struct.Struct("<HHHBBxBB2xH")
_SIGN_BIT = 1 << 15


class Feedback(NamedTuple):
    """Feedback registers of a servo, in its own units."""

    position: int
    """Position, ticks."""
    velocity: int
    """Velocity, ticks/s."""
    load: int
    """Load, in units of 0.1 % of the maximum torque."""
    voltage: int
    """Supply voltage, in units of 0.1 V."""
    temperature: int
    """Temperature, degrees Celsius."""
    status: int
    """Status bits, see ``ServoStatus``."""
    moving: int
    """1 while the servo moves."""
    current: int
    """Current, in units of 6.5 mA."""


def unpack_feedback(data: bytes) -> Feedback:
    """Return the feedback in the 15 bytes from address 56 on."""
    position, velocity, load, voltage, temperature, status, moving, current = _FEEDBACK_STRUCT.unpack(data)
    return Feedback(  # called a few hundred times per second, hence ``decode_sign_magnitude`` inlined
        position if position < _SIGN_BIT else _SIGN_BIT - position,
        velocity if velocity < _SIGN_BIT else _SIGN_BIT - velocity,
        -(load & 0x3FF) if load & 0x400 else load & 0x3FF,
        voltage, temperature, status, moving,
        current if current < _SIGN_BIT else _SIGN_BIT - current,
    )  # fmt: skip
