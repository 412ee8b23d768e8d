"""The bus of the virtual arm: who answers which instruction with which bytes, and what goes wrong on the way.

Bytes in, timed bytes out; no I/O. Faults are drawn from a seed, or listed one by one for a test.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.protocol import BROADCAST, Instruction, Packet, PacketStream, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metagui.arms.emulator.emulated_servo import VirtualServo

Fault = Literal["none", "lost", "late", "corrupted", "partial", "garbage"]


class Reply(NamedTuple):
    """Bytes that a servo puts on the line, ``delay`` s after the instruction's last byte."""

    delay: float
    data: bytes


@dataclass
class Faults:
    """What goes wrong, each a share of all replies; may be changed while the bus is served."""

    lost: float = 0.0
    late: float = 0.0
    corrupted: float = 0.0
    partial: float = 0.0
    garbage: float = 0.0
    """Nonsense in front of the reply."""
    lateness: float = 0.03
    """How late a late reply is, s."""
    echo: bool = False
    """Whether the line repeats what is sent, as half-duplex adapters do."""
    silent: set[int] = field(default_factory=set)
    """Ids that do not answer at all."""
    script: deque[Fault] = field(default_factory=deque)
    """What happens to the next replies, before chance takes over."""
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def strike(self, reply: Reply) -> Reply:
        """Return what becomes of a reply."""
        fault = self.script.popleft() if self.script else self._draw()
        if fault == "late":
            return Reply(reply.delay + self.lateness, reply.data)
        return Reply(reply.delay, self._spoil(fault, reply.data))

    def _draw(self) -> Fault:
        chance = self._random.random()
        shares: tuple[tuple[Fault, float], ...] = (
            ("lost", self.lost), ("late", self.late), ("corrupted", self.corrupted),
            ("partial", self.partial), ("garbage", self.garbage),
        )  # fmt: skip
        for fault, share in shares:
            chance -= share
            if chance < 0:
                return fault
        return "none"

    def _spoil(self, fault: Fault, data: bytes) -> bytes:
        if fault == "lost":
            return b""
        if fault == "partial":
            return data[: self._random.randrange(len(data))]
        if fault == "garbage":
            return self._random.randbytes(self._random.randrange(1, 20)) + data
        if fault == "corrupted":
            place = self._random.randrange(len(data))
            return data[:place] + bytes((data[place] ^ 1 << self._random.randrange(8),)) + data[place + 1 :]
        return data


class VirtualBus:
    """Several servos on one line. ``log`` sees every instruction before it is carried out."""

    def __init__(self, servos: Sequence[VirtualServo], faults: Faults | None = None) -> None:
        self.servos = tuple(servos)
        self.faults = faults or Faults()
        self.log: Callable[[Packet], None] | None = None
        self._stream = PacketStream()

    def feed(self, data: bytes) -> list[Reply]:
        """Take in what was sent; return what comes back, faults and all."""
        replies = [Reply(0.0, data)] if self.faults.echo else []
        for packet in self._stream.feed(data):
            if self.log is not None:
                self.log(packet)
            replies += [self.faults.strike(reply) for reply in self._answer(packet)]
        return [reply for reply in replies if reply.data]

    def _answer(self, packet: Packet) -> list[Reply]:
        try:
            return self._carry_out(packet)
        except (IndexError, ValueError):  # too few parameters, or no such instruction: a servo stays silent
            return []

    def _carry_out(self, packet: Packet) -> list[Reply]:
        instruction, params = Instruction(packet.code), packet.params
        if instruction is Instruction.SYNC_READ:
            address, size, *idents = params
            named = [servo for ident in idents for servo in self._listening(ident)]
            return [self._reply(servo, servo.read(address, size)) for servo in named]
        if instruction is Instruction.SYNC_WRITE:
            self._sync_write(params)
            return []
        servos = self._listening(packet.id)
        answers = [(servo, self._one(servo, instruction, params)) for servo in servos]
        if instruction is Instruction.PING:
            return [self._reply(servo, b"") for servo in servos]
        if packet.id == BROADCAST:
            return []
        wanted = instruction is Instruction.READ
        return [self._reply(servo, data) for servo, data in answers if wanted or servo.get(reg.STATUS_LEVEL)]

    def _listening(self, ident: int) -> list[VirtualServo]:
        """Return the servos that feel addressed."""
        return [s for s in self.servos if ident in (s.id, BROADCAST) and s.id not in self.faults.silent]

    def _one(self, servo: VirtualServo, instruction: Instruction, params: bytes) -> bytes:
        if instruction is Instruction.READ:
            return servo.read(params[0], params[1])
        if instruction is Instruction.WRITE:
            servo.write(params[0], params[1:])
        elif instruction is Instruction.REG_WRITE:
            servo.write_later(params[0], params[1:])
        elif instruction is Instruction.ACTION:
            servo.act()
        return b""

    def _sync_write(self, params: bytes) -> None:
        address, size = params[0], params[1]
        for start in range(2, len(params) - size, size + 1):
            for servo in self._listening(params[start]):
                servo.write(address, params[start + 1 : start + 1 + size])

    def _reply(self, servo: VirtualServo, data: bytes) -> Reply:
        return Reply(servo.get(reg.RETURN_DELAY) * 2e-6, encode(Packet(servo.id, servo.status, data)))
