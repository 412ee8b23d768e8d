"""The virtual SO-101: servos on a bus, moved by the simulated arm, behind a port that any program can open.

What pushes cubes in the simulation is what the bytes on the bus say. It is served from a pseudo-terminal in real
time (``virtual_port``), or asked directly, byte for byte, on a clock of its own (``direct_port``).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD, Command, SceneState
from metagui.arms.emulator.emulated_bus import Faults, Reply, VirtualBus
from metagui.arms.emulator.emulated_servo import VirtualServo
from metagui.arms.feetech import control_table as reg
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.calibration import Calibration
from metagui.arms.so101.range_of_motion import calibrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

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
        self._path: Iterator[tuple[int, float]] | None = None
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
                    self._move_hands()
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

    def lead(self, path: Iterable[tuple[int, float]]) -> None:
        """Let hands follow a path of (joint, angle), a step a period, whenever the whole arm is limp."""
        self._path = iter(path)

    @property
    def led(self) -> bool:
        """Whether hands still have a path to follow."""
        return self._path is not None

    def calibrate(self) -> None:
        """Put the offsets and ranges into the servos that a perfect sweep would find."""
        with self._registers:
            for values, servo in zip(self.calibration().joints, self.servos, strict=True):
                servo.set(reg.HOMING_OFFSET, values.homing_offset)
                servo.set(reg.MIN_POSITION, values.range_min)
                servo.set(reg.MAX_POSITION, values.range_max)
            self._sense(0.0)

    def calibration(self) -> Calibration:
        """Return what a perfect sweep would find."""
        joints = []
        for index, (joint, mount) in enumerate(zip(JOINTS, self.mounts, strict=True)):
            lower, upper = (round(mount + angle / reg.TICK) for angle in (joint.lower, joint.upper))
            joints.append(calibrate(index + 1, lower, upper))
        return Calibration(tuple(joints))

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

    def _move_hands(self) -> None:
        """Go one step along the path; at its end the hands let go."""
        if self._path is None or any(servo.torque for servo in self.servos):
            return
        step = next(self._path, None)
        if step is None:
            self._path = None
            self._hands.clear()
        else:
            self._hands[step[0]] = step[1]

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
