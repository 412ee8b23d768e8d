"""The virtual SO-101: servos on a bus, moved by the simulated arm, behind a port that any program can open.

What pushes cubes in the simulation is what the bytes on the bus say. It is served from a pseudo-terminal in real
time, or asked directly, byte for byte, on a clock of its own (``DirectPort``), which is how tests run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms import servo_registers as reg
from metagui.arms.arm import CONTROL_PERIOD, Command, ConnectionLostError, SceneState
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulated import SimulatedArm
from metagui.arms.virtual_bus import Faults, Reply, VirtualBus
from metagui.arms.virtual_servo import VirtualServo

if TYPE_CHECKING:
    from collections.abc import Sequence

STUCK_LOAD = 40.0
"""How far a stuck joint must want to turn until its servo reports full load, ticks."""


class VirtualArm:
    """Six servos with ids 1 to 6 on the joints of a simulated arm. Implements Scene.

    ``mounts`` is what each encoder says at joint angle zero, ticks: where the horn was screwed on. A new arm's
    servos know nothing of it until it is calibrated. Several threads may use one arm.
    """

    def __init__(
        self,
        simulated: SimulatedArm | None = None,
        mounts: Sequence[int] = (2048,) * len(JOINTS),
        faults: Faults | None = None,
    ) -> None:
        self.simulated = simulated or SimulatedArm()
        self.simulated.connect()
        self.anchors = self.simulated.anchors
        self.mounts = np.array(mounts, dtype=np.float64)
        self.servos = tuple(VirtualServo(index + 1) for index in range(len(JOINTS)))
        self.bus = VirtualBus(self.servos, faults)
        self.stuck: set[int] = set()
        """Joints that do not turn, whatever happens."""
        self._hands: dict[int, float] = {}
        self._rest: list[float] = []
        self._physics = threading.Lock()
        self._registers = threading.Lock()
        model = self.simulated.model
        self._give = model.actuator_forcerange[:, 1] / model.actuator_gainprm[:, 0]
        self._sense(0.0)

    @property
    def faults(self) -> Faults:
        """What goes wrong on the line."""
        return self.bus.faults

    def feed(self, data: bytes) -> list[Reply]:
        """Take in bytes from the line; return what the servos answer."""
        with self._registers:
            return self.bus.feed(data)

    def advance(self, periods: int = 1) -> None:
        """Let that many control periods of 20 ms pass."""
        for _ in range(periods):
            with self._physics:
                with self._registers:
                    targets = np.array([self._target(joint) for joint in range(len(JOINTS))])
                self.simulated.command(Command(targets))
                with self._registers:
                    self._sense(CONTROL_PERIOD)

    def guide(self, joint: int, angle: float | None) -> None:
        """Take a joint by hand and lead it to ``angle``, rad, if its servo is limp; None lets it go."""
        if angle is None:
            self._hands.pop(joint, None)
        else:
            self._hands[joint] = angle

    def randomise(self, seed: int) -> None:
        """Lay out another scene, the arm back home."""
        with self._physics, self._registers:
            self.simulated.randomise(seed)
            self._sense(0.0)

    def observe_scene(self) -> SceneState:
        """Return where every anchor is."""
        with self._physics:
            return self.simulated.observe_scene()

    def angles(self) -> list[float]:
        """Return where the joints really are, rad."""
        with self._physics:
            return list(map(float, self.simulated.observe().positions))

    def _target(self, joint: int) -> float:
        """Return where one joint is pulled to, rad: by its servo, by a hand, or left by its gears where it is."""
        servo, here = self.servos[joint], self._angles[joint]
        push = servo.drive(CONTROL_PERIOD)
        if joint in self.stuck:
            return self._rest[joint]
        if push is None:
            self._rest[joint] = min(max(self._hands.get(joint, self._rest[joint]), -np.pi), np.pi)
            return self._rest[joint]
        self._rest[joint] = here
        turn = push * reg.TICK
        if servo.overloaded:
            give = servo.strength * float(self._give[joint])
            turn = min(max(turn, -give), give)
        return here + turn

    def _sense(self, elapsed: float) -> None:
        """Tell the servos what the physics did to their shafts."""
        state = self.simulated.observe()
        self._angles: list[float] = state.positions.tolist()
        self._rest = self._rest or list(self._angles)
        speeds, loads = state.velocities.tolist(), state.loads.tolist()
        for joint, servo in enumerate(self.servos):
            load = loads[joint] if servo.torque else 0.0
            if joint in self.stuck:
                load = min(max((servo.drive(0.0) or 0.0) / STUCK_LOAD, -1.0), 1.0)
            encoder = self.mounts[joint] + self._angles[joint] / reg.TICK
            servo.sense(encoder, speeds[joint] / reg.TICK, load, elapsed)


class DirectPort:
    """A port without a line: what is written is answered at once, and a late reply comes after the next wait.

    ``lockstep`` lets a control period pass at every goal for the arm, as the simulated arm does.
    """

    def __init__(self, arm: VirtualArm, lockstep: bool = True) -> None:
        self.arm = arm
        self.lockstep = lockstep
        self.vanished = False
        self._arrived = bytearray()
        self._late: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send bytes. Raises ConnectionLostError."""
        self._require()
        before = _goals(self.arm)
        for reply in self.arm.feed(data):
            if reply.delay >= self.arm.faults.lateness:
                self._late.append(reply.data)
            else:
                self._arrived += reply.data
        if self.lockstep and _goals(self.arm) > before:
            self.arm.advance()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes; fewer mean that the time was up."""
        self._require()
        data = bytes(self._arrived[:size])
        del self._arrived[:size]
        if len(data) < size and self._late:
            self._arrived += self._late.pop(0)
        return data

    def discard(self) -> int:
        """Forget what has arrived; return how many bytes that were."""
        self._require()
        count = len(self._arrived)
        self._arrived.clear()
        return count

    def close(self) -> None:
        """Nothing to close."""

    def _require(self) -> None:
        if self.vanished:
            raise ConnectionLostError("The virtual port was unplugged.")


def _goals(arm: VirtualArm) -> int:
    return sum(servo.goals for servo in arm.servos)
