"""The emulated SO-101: servos on a bus, connected to the joints of the simulated arm.

The bytes on the bus move the simulation. The arm is served from a pseudo-terminal in real time
(``emulated_port.EmulatedPort``), or called directly with bytes, without a real clock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, Command, SceneState
from metagui.arms.emulator.emulated_bus import EmulatedBus, FaultInjector, TimedReply
from metagui.arms.emulator.emulated_servo import EmulatedServo
from metagui.arms.feetech import control_table as reg
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.calibration import ArmCalibration
from metagui.arms.so101.range_of_motion import compute_joint_calibration
from metagui.arms.so101.stops import MODEL_STOPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metagui.arms.so101.stops import Stops

STUCK_FULL_LOAD_TICKS = 40.0
"""Distance from a stuck joint to its goal at which its servo reports full load, ticks."""


class EmulatedArm:
    """Six servos with ids 1 to 6 on the joints of a simulated arm. Implements Scene.

    ``mount_offsets`` are the encoder values at joint angle zero, ticks, which depend on how each horn was mounted; the
    servos of a new arm do not know them until it is calibrated. ``stops`` are the angles of the joints' stops.
    Several threads may use one arm.
    """

    def __init__(
        self,
        simulated: SimulatedArm | None = None,
        mount_offsets: Sequence[int] = (2048,) * len(JOINTS),
        faults: FaultInjector | None = None,
        stops: Sequence[Stops] = MODEL_STOPS,
    ) -> None:
        self.simulated = simulated or SimulatedArm()
        self.simulated.connect()
        self.stops = tuple(stops)
        self.simulated.set_limits(*np.array(self.stops).T)
        self.objects = self.simulated.objects
        self.mount_offsets = np.array(mount_offsets, dtype=np.float64)
        self.servos = tuple(EmulatedServo(index + 1) for index in range(len(JOINTS)))
        self.bus = EmulatedBus(self.servos, faults)
        self.stuck_joints: set[int] = set()
        """Indices of joints that are blocked."""
        self._hand_targets: dict[int, float] = {}
        self._hand_path: Iterator[tuple[int, float]] | None = None
        self._rest_angles: list[float] = []
        self._physics_lock = threading.Lock()
        self._register_lock = threading.Lock()
        model = self.simulated.model
        self._full_torque_deflection = model.actuator_forcerange[:, 1] / model.actuator_gainprm[:, 0]
        self._update_servos(0.0)

    @property
    def faults(self) -> FaultInjector:
        """Faults of the line."""
        return self.bus.faults

    def feed(self, data: bytes) -> list[TimedReply]:
        """Receive bytes from the line; return the servos' replies."""
        with self._register_lock:
            return self.bus.feed(data)

    def advance(self, periods: int = 1) -> None:
        """Advance time by a number of control periods of 20 ms."""
        for _ in range(periods):
            with self._physics_lock:
                with self._register_lock:
                    self._step_hand_path()
                    targets = np.array([self._compute_target(joint) for joint in range(len(JOINTS))])
                self.simulated.command(Command(targets))
                with self._register_lock:
                    self._update_servos(CONTROL_PERIOD_S)

    def move_joint_by_hand(self, joint: int, angle: float | None) -> None:
        """Move a joint by hand to ``angle``, rad, if its torque is off; None releases it."""
        if angle is None:
            self._hand_targets.pop(joint, None)
        else:
            self._hand_targets[joint] = angle

    def follow_hand_path(self, path: Iterable[tuple[int, float]]) -> None:
        """Move joints by hand along a path of (joint, angle), one step per period, while all torque is off."""
        self._hand_path = iter(path)

    @property
    def is_hand_guided(self) -> bool:
        """Return whether a hand path is not finished."""
        return self._hand_path is not None

    def calibrate(self) -> None:
        """Write the offsets and ranges of a perfect sweep to the servos."""
        with self._register_lock:
            for values, servo in zip(self.compute_calibration().joints, self.servos, strict=True):
                servo.set_register(reg.HOMING_OFFSET, values.homing_offset)
                servo.set_register(reg.MIN_POSITION_LIMIT, values.range_min)
                servo.set_register(reg.MAX_POSITION_LIMIT, values.range_max)
            self._update_servos(0.0)

    def compute_calibration(self) -> ArmCalibration:
        """Return the calibration of a perfect sweep."""
        joints = []
        for index, (stops, mount) in enumerate(zip(self.stops, self.mount_offsets, strict=True)):
            lower, upper = (round(mount + angle / reg.RAD_PER_TICK) for angle in stops)
            joints.append(compute_joint_calibration(index + 1, lower, upper))
        return ArmCalibration(tuple(joints))

    def randomise(self, seed: int) -> None:
        """Make the scene of another seed, with the arm in its home pose."""
        with self._physics_lock, self._register_lock:
            self.simulated.randomise(seed)
            self._update_servos(0.0)

    def observe_scene(self) -> SceneState:
        """Return the state of every scene object."""
        with self._physics_lock:
            return self.simulated.observe_scene()

    def read_joint_angles(self) -> list[float]:
        """Return the true joint angles, rad."""
        with self._physics_lock:
            return list(map(float, self.simulated.observe().positions))

    def _step_hand_path(self) -> None:
        """Move one step along the hand path; at its end the joints are released."""
        if self._hand_path is None or any(servo.torque_enabled for servo in self.servos):
            return
        step = next(self._hand_path, None)
        if step is None:
            self._hand_path = None
            self._hand_targets.clear()
        else:
            self._hand_targets[step[0]] = step[1]

    def _compute_target(self, joint: int) -> float:
        """Return the target of one joint, rad, from its servo, a hand, or its resting angle."""
        servo, present = self.servos[joint], self._angles[joint]
        push = servo.compute_push(CONTROL_PERIOD_S)
        if joint in self.stuck_joints:
            return self._rest_angles[joint]
        if push is None:
            self._rest_angles[joint] = min(max(self._hand_targets.get(joint, self._rest_angles[joint]), -np.pi), np.pi)
            return self._rest_angles[joint]
        self._rest_angles[joint] = present
        turn = push * reg.RAD_PER_TICK
        if servo.overloaded:
            limit = servo.torque_fraction * float(self._full_torque_deflection[joint])
            turn = min(max(turn, -limit), limit)
        return present + turn

    def _update_servos(self, elapsed: float) -> None:
        """Update the servos' shafts from the physics."""
        state = self.simulated.observe()
        self._angles: list[float] = state.positions.tolist()
        self._rest_angles = self._rest_angles or list(self._angles)
        speeds, loads = state.velocities.tolist(), state.loads.tolist()
        for joint, servo in enumerate(self.servos):
            load = loads[joint] if servo.torque_enabled else 0.0
            if joint in self.stuck_joints:
                load = min(max((servo.compute_push(0.0) or 0.0) / STUCK_FULL_LOAD_TICKS, -1.0), 1.0)
            encoder = self.mount_offsets[joint] + self._angles[joint] / reg.RAD_PER_TICK
            servo.update_shaft(encoder, speeds[joint] / reg.RAD_PER_TICK, load, elapsed)
