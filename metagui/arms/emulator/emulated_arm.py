"""The emulated SO-101: servos on a bus, connected to the joints of the simulated arm.

The bytes on the bus move the simulation. By default it is as unkind as a real arm: its stops are not symmetric, its
joints have play, and it sags. The arm is served from a pseudo-terminal in real time (``emulated_port.EmulatedPort``),
or called directly with bytes, without a real clock.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, SceneState
from metagui.arms.emulator.emulated_bus import EmulatedBus, FaultInjector, TimedReply
from metagui.arms.emulator.emulated_servo import EmulatedServo
from metagui.arms.emulator.servo_motion import FULL_LOAD_TICKS
from metagui.arms.feetech import control_table as reg
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.joint_drives import STIFF_DRIVES, DriveSettings, JointDemand, JointDrives
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.calibration import ArmCalibration
from metagui.arms.so101.range_of_motion import compute_joint_calibration
from metagui.arms.so101.stops import MODEL_STOPS, REAL_STOPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from metagui.arms.arm import FloatArray
    from metagui.arms.so101.stops import Stops


class EmulatedArm:
    """Servos with the ids from 1 on, on the joints of a simulated arm. Implements Scene.

    ``mount_offsets`` are the encoder values at joint angle zero, ticks, which depend on how each horn was mounted; the
    servos of a new arm do not know them until it is calibrated. ``stops`` are the angles of the joints' stops, and
    ``drives`` the mechanics of the joints. Of less than six ``motors`` the first joints have one, and more than six
    turn freely. Several threads may use one arm.
    """

    def __init__(
        self,
        simulated: SimulatedArm | None = None,
        mount_offsets: Sequence[int] = (2048,) * len(JOINTS),
        faults: FaultInjector | None = None,
        stops: Sequence[Stops] = REAL_STOPS,
        drives: DriveSettings | None = None,
        motors: int = len(JOINTS),
    ) -> None:
        self.simulated = simulated or SimulatedArm()
        self.simulated.connect()
        self.stops = tuple(stops)
        self.simulated.set_limits(*np.array(self.stops).T)
        self.objects = self.simulated.objects
        self.mount_offsets = np.array(mount_offsets, dtype=np.float64)
        self.servos = tuple(EmulatedServo(index + 1) for index in range(motors))
        self.bus = EmulatedBus(self.servos, faults)
        self.stuck_joints: set[int] = set()
        """Indices of joints that are blocked."""
        self.hand_torques: dict[int, float] = {}
        """Torques, N·m, with which a hand pushes joints, by index; motors may resist."""
        self._hand_targets: dict[int, float] = {}
        self._hand_path: Iterator[tuple[int, float]] | None = None
        self._physics_lock = threading.Lock()
        self._register_lock = threading.Lock()
        self._drives = JointDrives(self.simulated, drives or DriveSettings())
        self._free_shafts = [float(reg.TICKS_PER_TURN // 2)] * max(0, motors - len(JOINTS))
        self._update_servos(0.0)
        self.power_up()

    @classmethod
    def make_ideal(
        cls, simulated: SimulatedArm | None = None, mount_offsets: Sequence[int] = (2048,) * len(JOINTS), **options: Any
    ) -> Self:
        """Return an arm with the model's stops, without play and sag."""
        return cls(simulated, mount_offsets, **options | {"stops": MODEL_STOPS, "drives": STIFF_DRIVES})

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
                    demands = [self._compute_demand(joint) for joint in range(len(JOINTS))]
                self._drives.simulate_period(demands)
                with self._register_lock:
                    self._update_servos(CONTROL_PERIOD_S)

    def power_up(self) -> None:
        """Switch the supply off and on: settings in RAM are lost, the torque is off."""
        with self._register_lock:
            for servo in self.servos:
                servo.power_up()

    def set_voltages(self, motor_voltage: float, supply: float | None = None) -> None:
        """Replace the motors by new ones for ``motor_voltage``, at a supply, V; None is the motors' own."""
        with self._register_lock:
            for servo in self.servos:
                servo.set_voltage_class(motor_voltage)
                servo.voltage = motor_voltage if supply is None else supply
            self._update_servos(0.0)

    def move_joint_by_hand(self, joint: int, angle: float | None) -> None:
        """Move a joint by hand to ``angle``, rad, if its torque is off; None releases it.

        While a hand is on any joint, it supports those without torque; without a hand, they sink.
        """
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
            for values, servo in zip(self.compute_calibration().joints, self.servos, strict=False):
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
            self._drives.reset()
            self._update_servos(0.0)

    def get_state(self) -> FloatArray:
        """Return a copy of the true physics state (D,)."""
        with self._physics_lock:
            return self.simulated.get_state()

    def place_object(self, object_name: str, x: float, y: float) -> None:
        """Put an object on the table at x and y, m, as a hand does. Raises PlacementError."""
        with self._physics_lock:
            self.simulated.place_object(object_name, x, y)

    def observe_scene(self) -> SceneState:
        """Return the state of every scene object."""
        with self._physics_lock:
            return self.simulated.observe_scene()

    def read_joint_angles(self) -> list[float]:
        """Return the true joint angles, rad."""
        with self._physics_lock:
            return list(map(float, self._drives.links))

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

    def _compute_demand(self, joint: int) -> JointDemand:
        """Return what moves one joint: its servo, a hand, an obstacle, or its weight."""
        if joint >= len(self.servos):
            return JointDemand(float(self._drives.links[joint]), is_held=True)
        servo = self.servos[joint]
        push = servo.compute_push(CONTROL_PERIOD_S)
        if joint in self.stuck_joints:
            return JointDemand(float(self._drives.links[joint]), is_held=True)
        pushed = self.hand_torques.get(joint, 0.0)
        if push is not None:
            target = float(self._drives.shafts[joint]) + push * reg.RAD_PER_TICK
            return JointDemand(target, False, servo.torque_fraction, servo.gain, pushed)
        supported = self._hand_targets or self._hand_path is not None
        resting = float(self._drives.links[joint]) if supported and joint not in self.hand_torques else None
        target_by_hand = self._hand_targets.get(joint, resting)
        if target_by_hand is None:
            return JointDemand(hand_torque=pushed)
        return JointDemand(min(max(target_by_hand, -np.pi), np.pi), is_held=True)

    def _update_servos(self, elapsed: float) -> None:
        """Update the servos' shafts from the physics."""
        shafts, speeds, loads = self._drives.shafts, self._drives.velocities, self._drives.loads
        for joint, servo in enumerate(self.servos[: len(JOINTS)]):
            load = float(loads[joint]) if servo.torque_enabled else 0.0
            if joint in self.stuck_joints:
                load = min(max((servo.last_push or 0.0) / FULL_LOAD_TICKS, -1.0), 1.0)
            encoder = self.mount_offsets[joint] + shafts[joint] / reg.RAD_PER_TICK
            servo.update_shaft(float(encoder), float(speeds[joint]) / reg.RAD_PER_TICK, load, elapsed)
        for index, servo in enumerate(self.servos[len(JOINTS) :]):
            turn = servo.compute_push(elapsed) or 0.0
            self._free_shafts[index] += turn
            servo.update_shaft(self._free_shafts[index], turn / elapsed if elapsed else 0.0, 0.0, elapsed)
