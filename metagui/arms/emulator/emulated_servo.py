"""A servo without steel: the memory of an STS3215 and what it does with it, so that a driver can be proved on it.

It knows ticks, not joints: what turns it tells it where its shaft is (``sense``) and asks where it wants to go
(``drive``). No I/O and no clock of its own.
"""

from __future__ import annotations

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import Status

MEMORY = 128
POSITION_MODE = 0
TOP_SPEED = 3400.0
"""Ticks a second that a goal is approached with where ``GOAL_VELOCITY`` is 0 (50 turns a minute)."""
FULL_CURRENT = 400
"""Of 6.5 mA at full load."""
AMBIENT = 28.0
HEATING = 45.0
"""Degrees that full load adds in the end."""
WARM_UP = 120.0
"""Time constant of the temperature, s."""
RECENTRE = 128
"""Written to ``TORQUE_ENABLE``, makes the present position 2048."""

FACTORY = {
    reg.MODEL_NUMBER: reg.MODEL, reg.STATUS_LEVEL: 1, reg.MAX_POSITION: reg.TURN - 1, reg.MAX_TEMPERATURE: 70,
    reg.MAX_VOLTAGE: 80, reg.MIN_VOLTAGE: 40, reg.MAX_TORQUE: 1000, reg.PHASE: 12, reg.UNLOADING: 44,
    reg.P_GAIN: 32, reg.D_GAIN: 32, reg.PROTECTION_CURRENT: 500, reg.PROTECTIVE_TORQUE: 20,
    reg.PROTECTION_TIME: 200, reg.OVERLOAD_TORQUE: 80, reg.RETURN_DELAY: 0,
}  # fmt: skip
"""EEPROM of a new servo."""


class VirtualServo:
    """One servo. ``voltage`` in V and ``temperature`` in degrees may be set from outside, as may ``overloaded``."""

    def __init__(self, ident: int) -> None:
        self.memory = bytearray(MEMORY)
        self.voltage = 7.4
        self.temperature = AMBIENT
        self.overloaded = False
        self.goals = 0
        """How many goals it was given."""
        self._pending: tuple[int, bytes] | None = None
        self._encoder = 0.0
        self._setpoint = 0.0
        self._push = 0.0
        self._load_time = 0.0
        for register, value in (FACTORY | {reg.ID: ident}).items():
            self.set(register, value)
        self.power_up()

    def power_up(self) -> None:
        """Begin as after switching on: EEPROM as it was, limp, locked."""
        self.memory[reg.EEPROM_END :] = bytes(MEMORY - reg.EEPROM_END)
        self.set(reg.TORQUE_LIMIT, self.get(reg.MAX_TORQUE))
        self.set(reg.LOCK, 1)
        self.overloaded = False
        self._pending = None
        self._report(0.0, 0.0)

    # What the bus does

    def get(self, register: reg.Register) -> int:
        """Return the value of a register."""
        return register.unpack(self.read(register.address, register.size))

    def set(self, register: reg.Register, value: int) -> None:
        """Change a register from inside, whatever may be written from outside."""
        self.memory[register.address : register.address + register.size] = register.pack(value)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes of the memory; beyond its end there are zeros."""
        return bytes(self.memory[address : address + size]).ljust(size, b"\0")

    def write(self, address: int, data: bytes) -> None:
        """Write as the bus does: locked and read-only bytes keep their value, a goal switches the torque on."""
        was_on = self.torque
        locked = self.get(reg.LOCK) != 0
        for offset, value in enumerate(data):
            place = address + offset
            if (place >= reg.EEPROM_END or not locked) and reg.ID.address <= place < reg.READ_ONLY_START:
                self.memory[place] = value
        wrote = range(address, address + len(data))
        if reg.GOAL_POSITION.address in wrote:
            self.goals += 1
            self.set(reg.TORQUE_ENABLE, 1)
            self._recover(self.get(reg.GOAL_POSITION))
        elif reg.TORQUE_ENABLE.address in wrote:
            self._switch()
        if self.torque and not was_on:
            self._setpoint = self.position
        self._report(0.0, 0.0, moved=False)

    def write_later(self, address: int, data: bytes) -> None:
        """Keep a write until ``act``."""
        self._pending = (address, data)

    def act(self) -> bool:
        """Do the kept write; return whether there was one."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self.write(*pending)
        return pending is not None

    @property
    def id(self) -> int:
        """The id it answers to."""
        return self.get(reg.ID)

    @property
    def torque(self) -> bool:
        """Whether it holds and moves."""
        return self.get(reg.TORQUE_ENABLE) == 1

    @property
    def status(self) -> Status:
        """What it complains about."""
        volts = round(self.voltage * 10)
        status = Status(0)
        if not self.get(reg.MIN_VOLTAGE) <= volts <= self.get(reg.MAX_VOLTAGE):
            status |= Status.VOLTAGE
        if self.temperature > self.get(reg.MAX_TEMPERATURE):
            status |= Status.OVERHEAT
        if self.overloaded:
            status |= Status.OVERLOAD
        return status

    # What the physics does

    @property
    def position(self) -> float:
        """Where it says it is, ticks: the encoder less the homing offset, within one turn unless told otherwise."""
        position = self._encoder - self.get(reg.HOMING_OFFSET)
        if self.get(reg.PHASE) & reg.MULTI_TURN:
            return position
        return (position + 0.5) % reg.TURN - 0.5

    def sense(self, encoder: float, velocity: float, load: float, elapsed: float) -> None:
        """Notice where the shaft is (ticks), how fast it turns (ticks/s) and its load (share of the greatest)."""
        self._encoder = (encoder + 0.5) % reg.TURN - 0.5
        self.temperature += elapsed / WARM_UP * (AMBIENT + HEATING * load * load - self.temperature)
        self._watch_load(load, elapsed)
        if self.status & Status.OVERHEAT & self.get(reg.UNLOADING):
            self.set(reg.TORQUE_ENABLE, 0)
        self._report(velocity, load)

    def drive(self, elapsed: float) -> float | None:
        """Return how far the shaft should turn from where it is, ticks; None while it is limp."""
        if not self.torque:
            return None
        low, high = self.get(reg.MIN_POSITION), self.get(reg.MAX_POSITION)
        goal = min(max(self.get(reg.GOAL_POSITION), low), max(low, high))
        step = (abs(self.get(reg.GOAL_VELOCITY)) or TOP_SPEED) * elapsed
        self._setpoint += min(max(goal - self._setpoint, -step), step)
        self._push = self._setpoint - self.position
        return self._push

    @property
    def strength(self) -> float:
        """How much of its torque it may use."""
        return self.get(reg.PROTECTIVE_TORQUE) / 100 if self.overloaded else 1.0

    def _switch(self) -> None:
        """Obey a write to ``TORQUE_ENABLE``."""
        self.overloaded = False
        self._load_time = 0.0
        if self.get(reg.TORQUE_ENABLE) == RECENTRE:
            offset = round(self._encoder) - reg.TURN // 2
            self.set(reg.HOMING_OFFSET, max(offset, 1 - reg.TURN // 2))
            self.set(reg.TORQUE_ENABLE, 0)

    def _recover(self, goal: int) -> None:
        """A goal on the other side ends an overload."""
        if self.overloaded and (goal - self.position) * self._push < 0:
            self._switch()

    def _watch_load(self, load: float, elapsed: float) -> None:
        """Give way where the load was too great for too long."""
        over = self.torque and abs(load) * 100 >= self.get(reg.OVERLOAD_TORQUE)
        self._load_time = self._load_time + elapsed if over else 0.0
        if over and self._load_time >= self.get(reg.PROTECTION_TIME) / 100:
            self.overloaded = True

    def _report(self, velocity: float, load: float, moved: bool = True) -> None:
        """Bring the read-only registers up to date."""
        self.set(reg.POSITION, round(self.position))
        self.set(reg.VOLTAGE, round(self.voltage * 10))
        self.set(reg.TEMPERATURE, min(max(round(self.temperature), 0), 255))
        self.set(reg.STATUS, self.status)
        if moved:
            self.set(reg.VELOCITY, _within(velocity, 32767))
            self.set(reg.LOAD, _within(load * 1000, 1000))
            self.set(reg.CURRENT, _within(abs(load) * FULL_CURRENT, 32767))
            self.set(reg.MOVING, int(abs(velocity) > 1))


def _within(value: float, limit: int) -> int:
    return round(min(max(value, -limit), limit))
