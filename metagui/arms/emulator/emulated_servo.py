"""A servo without steel: the memory of an STS3215 and what it does with it, so that a driver can be proved on it.

It knows ticks, not joints: what turns it tells it where its shaft is (``sense``) and asks where it wants to go
(``drive``). No I/O and no clock of its own.
"""

from __future__ import annotations

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import ServoStatus

SERVO_MEMORY_BYTES = 128
POSITION_OPERATING_MODE = 0
MAX_SERVO_SPEED_TICKS_S = 3400.0
"""Ticks a second that a goal is approached with where ``GOAL_VELOCITY`` is 0 (50 turns a minute)."""
FULL_LOAD_CURRENT = 400
"""Of 6.5 mA at full load."""
AMBIENT_TEMPERATURE_C = 28.0
FULL_LOAD_HEATING_C = 45.0
"""Degrees that full load adds in the end."""
HEATING_TIME_CONSTANT_S = 120.0
"""Time constant of the temperature, s."""
RECENTRE_COMMAND = 128
"""Written to ``TORQUE_ENABLE``, makes the present position 2048."""

FACTORY_REGISTERS = {
    reg.MODEL_NUMBER: reg.STS3215_MODEL_NUMBER, reg.RESPONSE_STATUS_LEVEL: 1, reg.MAX_POSITION_LIMIT: reg.TICKS_PER_TURN - 1, reg.MAX_TEMPERATURE_LIMIT: 70,
    reg.MAX_VOLTAGE_LIMIT: 80, reg.MIN_VOLTAGE_LIMIT: 40, reg.MAX_TORQUE_LIMIT: 1000, reg.PHASE: 12, reg.UNLOADING_CONDITION: 44,
    reg.P_COEFFICIENT: 32, reg.D_COEFFICIENT: 32, reg.PROTECTION_CURRENT: 500, reg.PROTECTIVE_TORQUE: 20,
    reg.PROTECTION_TIME: 200, reg.OVERLOAD_TORQUE: 80, reg.RETURN_DELAY_TIME: 0,
}  # fmt: skip
"""EEPROM of a new servo."""


class EmulatedServo:
    """One servo. ``voltage`` in V and ``temperature`` in degrees may be set from outside, as may ``overloaded``."""

    def __init__(self, servo_id: int) -> None:
        self.memory = bytearray(SERVO_MEMORY_BYTES)
        self.voltage = 7.4
        self.temperature = AMBIENT_TEMPERATURE_C
        self.overloaded = False
        self.goal_count = 0
        """How many goals it was given."""
        self._pending_write: tuple[int, bytes] | None = None
        self._encoder = 0.0
        self._setpoint = 0.0
        self._last_push = 0.0
        self._load_time = 0.0
        for register, value in (FACTORY_REGISTERS | {reg.ID: servo_id}).items():
            self.set_register(register, value)
        self.power_up()

    def power_up(self) -> None:
        """Begin as after switching on: EEPROM as it was, limp, locked."""
        self.memory[reg.EEPROM_END_ADDRESS :] = bytes(SERVO_MEMORY_BYTES - reg.EEPROM_END_ADDRESS)
        self.set_register(reg.TORQUE_LIMIT, self.get_register(reg.MAX_TORQUE_LIMIT))
        self.set_register(reg.LOCK, 1)
        self.overloaded = False
        self._pending_write = None
        self._update_reports(0.0, 0.0)

    # What the bus does

    def get_register(self, register: reg.Register) -> int:
        """Return the value of a register."""
        return register.unpack(self.read(register.address, register.size))

    def set_register(self, register: reg.Register, value: int) -> None:
        """Change a register from inside, whatever may be written from outside."""
        self.memory[register.address : register.address + register.size] = register.pack(value)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes of the memory; beyond its end there are zeros."""
        return bytes(self.memory[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Write as the bus does: locked and read-only bytes keep their value, a goal switches the torque on."""
        was_on = self.torque_enabled
        locked = self.get_register(reg.LOCK) != 0
        for offset, value in enumerate(data):
            place = address + offset
            if (
                place >= reg.EEPROM_END_ADDRESS or not locked
            ) and reg.ID.address <= place < reg.READ_ONLY_START_ADDRESS:
                self.memory[place] = value
        wrote = range(address, address + len(data))
        if reg.GOAL_POSITION.address in wrote:
            self.goal_count += 1
            self.set_register(reg.TORQUE_ENABLE, 1)
            self._clear_overload(self.get_register(reg.GOAL_POSITION))
        elif reg.TORQUE_ENABLE.address in wrote:
            self._apply_torque_enable()
        if self.torque_enabled and not was_on:
            self._setpoint = self.position
        self._update_reports(0.0, 0.0, moved=False)

    def defer_write(self, address: int, data: bytes) -> None:
        """Keep a write until ``act``."""
        self._pending_write = (address, data)

    def execute_deferred_write(self) -> bool:
        """Do the kept write; return whether there was one."""
        pending, self._pending_write = self._pending_write, None
        if pending is not None:
            self.write(*pending)
        return pending is not None

    @property
    def id(self) -> int:
        """The id it answers to."""
        return self.get_register(reg.ID)

    @property
    def torque_enabled(self) -> bool:
        """Whether it holds and moves."""
        return self.get_register(reg.TORQUE_ENABLE) == 1

    @property
    def status(self) -> ServoStatus:
        """What it complains about."""
        volts = round(self.voltage * 10)
        status = ServoStatus(0)
        if not self.get_register(reg.MIN_VOLTAGE_LIMIT) <= volts <= self.get_register(reg.MAX_VOLTAGE_LIMIT):
            status |= ServoStatus.VOLTAGE
        if self.temperature > self.get_register(reg.MAX_TEMPERATURE_LIMIT):
            status |= ServoStatus.OVERHEAT
        if self.overloaded:
            status |= ServoStatus.OVERLOAD
        return status

    # What the physics does

    @property
    def position(self) -> float:
        """Where it says it is, ticks: the encoder less the homing offset, within one turn unless told otherwise."""
        position = self._encoder - self.get_register(reg.HOMING_OFFSET)
        if self.get_register(reg.PHASE) & reg.MULTI_TURN_BIT:
            return position
        return (position + 0.5) % reg.TICKS_PER_TURN - 0.5

    def update_shaft(self, encoder: float, velocity: float, load: float, elapsed: float) -> None:
        """Notice where the shaft is (ticks), how fast it turns (ticks/s) and its load (share of the greatest)."""
        self._encoder = (encoder + 0.5) % reg.TICKS_PER_TURN - 0.5
        self.temperature += (
            elapsed
            / HEATING_TIME_CONSTANT_S
            * (AMBIENT_TEMPERATURE_C + FULL_LOAD_HEATING_C * load * load - self.temperature)
        )
        self._update_overload(load, elapsed)
        if self.status & ServoStatus.OVERHEAT & self.get_register(reg.UNLOADING_CONDITION):
            self.set_register(reg.TORQUE_ENABLE, 0)
        self._update_reports(velocity, load)

    def compute_push(self, elapsed: float) -> float | None:
        """Return how far the shaft should turn from where it is, ticks; None while it is limp."""
        if not self.torque_enabled:
            return None
        low, high = self.get_register(reg.MIN_POSITION_LIMIT), self.get_register(reg.MAX_POSITION_LIMIT)
        goal = min(max(self.get_register(reg.GOAL_POSITION), low), max(low, high))
        step = (abs(self.get_register(reg.GOAL_VELOCITY)) or MAX_SERVO_SPEED_TICKS_S) * elapsed
        self._setpoint += min(max(goal - self._setpoint, -step), step)
        self._last_push = self._setpoint - self.position
        return self._last_push

    @property
    def torque_fraction(self) -> float:
        """How much of its torque it may use."""
        return self.get_register(reg.PROTECTIVE_TORQUE) / 100 if self.overloaded else 1.0

    def _apply_torque_enable(self) -> None:
        """Obey a write to ``TORQUE_ENABLE``."""
        self.overloaded = False
        self._load_time = 0.0
        if self.get_register(reg.TORQUE_ENABLE) == RECENTRE_COMMAND:
            offset = round(self._encoder) - reg.TICKS_PER_TURN // 2
            self.set_register(reg.HOMING_OFFSET, max(offset, 1 - reg.TICKS_PER_TURN // 2))
            self.set_register(reg.TORQUE_ENABLE, 0)

    def _clear_overload(self, goal: int) -> None:
        """A goal on the other side ends an overload."""
        if self.overloaded and (goal - self.position) * self._last_push < 0:
            self._apply_torque_enable()

    def _update_overload(self, load: float, elapsed: float) -> None:
        """Give way where the load was too great for too long."""
        over = self.torque_enabled and abs(load) * 100 >= self.get_register(reg.OVERLOAD_TORQUE)
        self._load_time = self._load_time + elapsed if over else 0.0
        if over and self._load_time >= self.get_register(reg.PROTECTION_TIME) / 100:
            self.overloaded = True

    def _update_reports(self, velocity: float, load: float, moved: bool = True) -> None:
        """Bring the read-only registers up to date."""
        self.set_register(reg.PRESENT_POSITION, round(self.position))
        self.set_register(reg.PRESENT_VOLTAGE, round(self.voltage * 10))
        self.set_register(reg.PRESENT_TEMPERATURE, min(max(round(self.temperature), 0), 255))
        self.set_register(reg.STATUS, self.status)
        if moved:
            self.set_register(reg.PRESENT_VELOCITY, _round_clipped(velocity, 32767))
            self.set_register(reg.PRESENT_LOAD, _round_clipped(load * 1000, 1000))
            self.set_register(reg.PRESENT_CURRENT, _round_clipped(abs(load) * FULL_LOAD_CURRENT, 32767))
            self.set_register(reg.MOVING, int(abs(velocity) > 1))


def _round_clipped(value: float, limit: int) -> int:
    return round(min(max(value, -limit), limit))
