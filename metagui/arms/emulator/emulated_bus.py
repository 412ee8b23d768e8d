"""The bus of the emulated arm: executes instruction packets on its servos and injects line faults into the replies.

It takes bytes and returns timed bytes, without I/O. Faults are random with a seed, or listed for a test.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import BROADCAST_ID, InstructionCode, Packet, PacketParser, encode
from metagui.arms.feetech.serial_port import SERVO_BUS_BAUD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.emulator.emulated_servo import EmulatedServo

Fault = Literal["none", "lost", "late", "corrupted", "partial", "garbage"]


class TimedReply(NamedTuple):
    """Bytes that a servo sends."""

    delay: float
    """Time after the last byte of the instruction, s."""
    data: bytes
    """Bytes of the reply packet."""


@dataclass
class FaultInjector:
    """Faults of the line; may be changed while the bus is served."""

    lost: float = 0.0
    """Fraction of replies that are lost."""
    late: float = 0.0
    """Fraction of replies that are late."""
    corrupted: float = 0.0
    """Fraction of replies with a wrong bit."""
    partial: float = 0.0
    """Fraction of replies that are cut off."""
    garbage: float = 0.0
    """Fraction of replies with random bytes in front."""
    late_delay: float = 0.03
    """Delay of a late reply, s."""
    echo: bool = False
    """True if the line repeats what is sent, as half-duplex adapters do."""
    silent_ids: set[int] = field(default_factory=set)
    """Ids of servos that do not answer at all."""
    scripted_faults: deque[Fault] = field(default_factory=deque)
    """Faults of the next replies; after them, faults are random."""
    seed: int = 0
    """Seed of the random faults."""

    def __post_init__(self) -> None:
        self._generator = random.Random(self.seed)

    def inject(self, reply: TimedReply) -> TimedReply:
        """Return a reply with the next fault applied."""
        fault = self.scripted_faults.popleft() if self.scripted_faults else self._draw_fault()
        if fault == "late":
            return TimedReply(reply.delay + self.late_delay, reply.data)
        return TimedReply(reply.delay, self._damage(fault, reply.data))

    def _draw_fault(self) -> Fault:
        number = self._generator.random()
        fractions: tuple[tuple[Fault, float], ...] = (
            ("lost", self.lost), ("late", self.late), ("corrupted", self.corrupted),
            ("partial", self.partial), ("garbage", self.garbage),
        )  # fmt: skip
        for fault, fraction in fractions:
            number -= fraction
            if number < 0:
                return fault
        return "none"

    def _damage(self, fault: Fault, data: bytes) -> bytes:
        if fault == "lost":
            return b""
        if fault == "partial":
            return data[: self._generator.randrange(len(data))]
        if fault == "garbage":
            return self._generator.randbytes(self._generator.randrange(1, 20)) + data
        if fault == "corrupted":
            place = self._generator.randrange(len(data))
            return data[:place] + bytes((data[place] ^ 1 << self._generator.randrange(8),)) + data[place + 1 :]
        return data


class EmulatedBus:
    """Several servos on one line. ``on_packet`` is called with every instruction before it is executed."""

    def __init__(self, servos: Sequence[EmulatedServo], faults: FaultInjector | None = None) -> None:
        self.servos = tuple(servos)
        self.faults = faults or FaultInjector()
        self.on_packet: Callable[[Packet], None] | None = None
        self.baud = SERVO_BUS_BAUD
        """Baud rate of the host; servos that are set to another one do not understand it."""
        self._parser = PacketParser()

    def feed(self, data: bytes) -> list[TimedReply]:
        """Receive bytes; return the replies, with faults."""
        replies = [TimedReply(0.0, data)] if self.faults.echo else []
        for packet in self._parser.feed(data):
            if self.on_packet is not None:
                self.on_packet(packet)
            replies += [self.faults.inject(reply) for reply in self._answer(packet)]
        return [reply for reply in replies if reply.data]

    def _answer(self, packet: Packet) -> list[TimedReply]:
        try:
            return self._execute(packet)
        except (IndexError, ValueError):  # too few parameters, or no such instruction: a servo stays silent
            return []

    def _execute(self, packet: Packet) -> list[TimedReply]:
        instruction, params = InstructionCode(packet.code), packet.parameters
        if instruction is InstructionCode.SYNC_READ:
            address, size, *idents = params
            return [
                reply
                for ident in idents
                for reply in _mix(
                    [self._make_reply(servo, servo.read(address, size)) for servo in self._find_addressed(ident)]
                )
            ]
        if instruction is InstructionCode.SYNC_WRITE:
            self._sync_write(params)
            return []
        servos = self._find_addressed(packet.id)
        answers = [(servo, servo.id, self._execute_on_servo(servo, instruction, params)) for servo in servos]
        if instruction is InstructionCode.PING:
            pings = [self._make_reply(servo, b"") for servo in servos]
            return pings if packet.id == BROADCAST_ID else _mix(pings)
        if packet.id == BROADCAST_ID:
            return []
        wanted = instruction is InstructionCode.READ
        return _mix(
            [
                self._make_reply(servo, data, asked_id)  # a new id is acknowledged under the old one
                for servo, asked_id, data in answers
                if wanted or servo.get_register(reg.RESPONSE_STATUS_LEVEL)
            ]
        )

    def _find_addressed(self, servo_id: int) -> list[EmulatedServo]:
        """Return the servos that an id addresses."""
        return [
            servo
            for servo in self.servos
            if servo_id in (servo.id, BROADCAST_ID)
            and servo.id not in self.faults.silent_ids
            and self.baud == reg.BAUD_RATES[servo.get_register(reg.BAUD_RATE)]
        ]

    def _execute_on_servo(self, servo: EmulatedServo, instruction: InstructionCode, params: bytes) -> bytes:
        if instruction is InstructionCode.READ:
            return servo.read(params[0], params[1])
        if instruction is InstructionCode.WRITE:
            servo.write(params[0], params[1:])
        elif instruction is InstructionCode.REG_WRITE:
            servo.defer_write(params[0], params[1:])
        elif instruction is InstructionCode.ACTION:
            servo.execute_deferred_write()
        elif instruction is InstructionCode.RESET:
            servo.restore_factory_settings()
        elif instruction is InstructionCode.REBOOT:
            servo.power_up()
        return b""

    def _sync_write(self, params: bytes) -> None:
        address, size = params[0], params[1]
        for start in range(2, len(params) - size, size + 1):
            for servo in self._find_addressed(params[start]):
                servo.write(address, params[start + 1 : start + 1 + size])

    def _make_reply(self, servo: EmulatedServo, data: bytes, servo_id: int | None = None) -> TimedReply:
        sender = servo.id if servo_id is None else servo_id
        return TimedReply(servo.get_register(reg.RETURN_DELAY_TIME) * 2e-6, encode(Packet(sender, servo.status, data)))


def _mix(replies: list[TimedReply]) -> list[TimedReply]:
    """Return what arrives of replies to one question: those sent at the same time mix, as 0 wins on the line."""
    mixed: dict[float, bytes] = {}
    for reply in replies:
        other = mixed.get(reply.delay, b"\xff" * len(reply.data))
        mixed[reply.delay] = bytes(a & b for a, b in zip(reply.data, other, strict=True))
    return [TimedReply(delay, data) for delay, data in mixed.items()]
