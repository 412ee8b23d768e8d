"""Driver of the SO-101 over USB: six STS3215 servos with the same interface as the simulated arm.

One exchange reads the feedback of all servos, one packet sends all goals. The torque is switched on only at the
present position; while a person guides the arm by hand, nothing is written that could move it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from metagui.arms.arm import ArmError, Command, ConnectionLostError, JointState, NotConnectedError, read_only_copy
from metagui.arms.feetech.bus import BusCounters, ServoBus
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.line_messages import describe_latency
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import ArmCalibration, CalibrationError, TickConversion
from metagui.arms.so101.calibration_checks import require_own_servos
from metagui.arms.so101.feedback import LatestFeedback, ServosLostError
from metagui.arms.so101.goals import ServoGoals
from metagui.arms.so101.motors import SETUP_RETRIES, ServoChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.arms.arm import FloatArray, Joint
    from metagui.arms.feetech.serial_port import Port


class TorqueLostError(ArmError):
    """A servo that should hold lost its torque."""


class OverheatedError(ArmError):
    """A servo is too hot to be switched on."""


@dataclass(frozen=True)
class SO101ArmSettings:
    """Tolerances of the driver."""

    retries: int = 2
    """Number of repetitions of a lost exchange within one tick."""
    max_feedback_age: float = 0.25
    """Longest time for which a servo's last feedback replaces lost replies, s; then the connection counts as lost."""
    velocity_factor: float = 1.5
    """Largest speed of goals as a multiple of the joint's ``max_velocity``. The safety gate is stricter; this limit
    protects against code that bypasses the gate, or does not reset it after hand guiding."""
    torque_check_interval: int = 25
    """Number of readings between two checks that all servos hold; a dip of the supply switches their torque off."""
    limit_tolerance: float = 0.2
    """Largest angle outside its limits at which a joint may be switched on, rad."""


class SO101Arm:
    """One SO-101. Without a calibration, the one in its servos is used; with one, the servos must hold the same.

    ``find_device`` returns the device of the arm at every connection, ``open_port`` opens a device, ``clock`` returns
    the time, s, ``find_owner`` the name of the arm with a calibration. A context manager, which holds, then closes the
    arm at its end.
    """

    def __init__(
        self,
        device: str,
        calibration: ArmCalibration | None = None,
        name: str = "SO-101",
        settings: SO101ArmSettings | None = None,
        open_port: Callable[[str], Port] = SerialPort,
        find_device: Callable[[], str] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        find_owner: Callable[[ArmCalibration], str | None] | None = None,
    ) -> None:
        self.device = device
        self.name = name
        self.connected = False
        self.hand_guiding = False
        """True while the torque is off for hand guiding."""
        self.settings = settings or SO101ArmSettings()
        self.calibration = calibration
        self.joints: tuple[Joint, ...] = JOINTS if calibration is None else TickConversion(calibration).joints
        self._open_port = open_port
        self._find_device = find_device
        self._clock = clock
        self._find_owner = find_owner
        self._lock = threading.RLock()
        self._chain: ServoChain | None = None
        self._reading_count = 0
        self._angles: FloatArray = np.zeros(len(JOINTS))

    def connect(self) -> None:
        """Open the port, check the servos and switch the torque on at their present positions.

        Raises PortError, ServoSilentError, SharedIdError, BaudRateError, WrongServoError, CalibrationError,
        OverheatedError; then the torque stays as it was.
        """
        with self._lock:
            if self.connected:
                return
            if self._find_device is not None:
                self.device = self._find_device()
            port = self._open_port(self.device)
            try:
                self._initialise_servos(ServoChain(ServoBus(port, SETUP_RETRIES)))
            except BaseException:
                port.close()
                raise

    def observe(self) -> JointState:
        """Read all servos once.

        Raises NotConnectedError, ConnectionLostError, ServosLostError, and once TorqueLostError if a servo lost its
        torque: it only gets its present position as a goal until it holds again.
        """
        with self._connection() as chain:
            before, retries = self._clock(), chain.bus.counters.retries
            self._feedback.read()
            now = self._clock()
            self._check_torque(chain)
            feedback = self._feedback.as_array()
            self._angles = self._conversion.unwrap(self._conversion.to_angles(feedback[:, 0]), self._angles)
            return JointState(
                time=now,
                positions=read_only_copy(self._angles),
                velocities=read_only_copy(self._conversion.to_velocities(feedback[:, 1])),
                loads=read_only_copy(self._conversion.signs * feedback[:, 2] / 1000),
                temperatures=read_only_copy(feedback[:, 4]),
                voltages=read_only_copy(feedback[:, 3] / 10),
                latency=now - before,
                retries=chain.bus.counters.retries - retries,
            )

    def command(self, command: Command) -> Command:
        """Send joint targets; return them as sent: within the limits of position and speed, on whole ticks.

        A command that is not one finite number per joint makes the arm hold. A servo that did not report its position
        keeps its goal; an overheated one gets its present position, so that it does not jump after cooling. During hand
        guiding nothing is sent, and the present position counts as the target. Raises ConnectionLostError,
        NotConnectedError.
        """
        angles = np.asarray(command.positions, dtype=np.float64)
        with self._connection():
            if self.hand_guiding:
                return self._as_command(self._goals.get_present_positions())
            if angles.shape == (len(self.joints),) and np.isfinite(angles).all():
                self._goals.move_towards(self._conversion.to_ticks(angles))
            else:
                self._hold_position()
            return self._as_command(self._goals.last_goals)

    def hold(self) -> None:
        """Hold the present position with torque, which ends hand guiding. Raises ArmError if that is impossible."""
        with self._connection() as chain:
            if self.hand_guiding:
                self._enable_torque(chain)
            else:
                self._hold_position()

    def start_hand_guiding(self) -> None:
        """Switch the torque off for hand guiding; the arm sinks unless a person holds it. Raises ArmError."""
        with self._connection() as chain:
            self.hand_guiding = True
            chain.disable_torque()

    def disconnect(self, disable_torque: bool = False) -> None:
        """Hold, then close; the servos continue to hold unless ``disable_torque`` is set. Raises ArmError."""
        if not self.connected:
            return
        try:
            with self._connection() as chain:
                if disable_torque:
                    chain.disable_torque()
                else:
                    self.hold()
        finally:
            self._close()

    def describe_faults(self) -> list[str]:
        """Return texts on the faults in the servos' last feedback. Raises NotConnectedError."""
        with self._connection() as chain:
            names = dict(zip(chain.ids, (joint.name for joint in self.joints), strict=True))
            faults = self._feedback.describe_faults()
            return [f"{names[servo_id]} {text}" for servo_id, texts in faults.items() for text in texts]

    def describe_line(self) -> str:
        """Return a text on a slow adapter, with the fix; empty for a quick one."""
        return "" if self._chain is None else describe_latency(self._chain.bus.latency)

    @property
    def counters(self) -> BusCounters:
        """Statistics of the line since it was opened."""
        return BusCounters() if self._chain is None else self._chain.bus.counters

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        """Hold, then close."""
        self.disconnect()

    def _initialise_servos(self, chain: ServoChain) -> None:
        """Check and configure the servos, then switch their torque on at the present positions."""
        chain.check_servos()
        calibration = chain.read_calibration()
        if self.calibration is not None:
            require_own_servos(self.calibration, calibration, self.name, self._find_owner)
            calibration = self.calibration  # it also has the directions
        chain.configure()
        self._conversion = TickConversion(calibration)
        self._enable_torque(chain)
        chain.bus.retries = self.settings.retries
        self._chain, self.joints, self.connected = chain, self._conversion.joints, True

    def _enable_torque(self, chain: ServoChain) -> None:
        """Switch the torque on at the present position. Raises CalibrationError or OverheatedError if it is unsafe."""
        feedback = LatestFeedback(chain, self.settings.max_feedback_age, self._clock)
        feedback.read()
        if overheated := feedback.find_overheated():
            raise OverheatedError(
                f"Servo {', '.join(map(str, sorted(overheated)))} is too hot, so the arm was not switched on. "
                "Let it cool for some minutes, then connect again."
            )
        present = feedback.get_positions()
        goals = self._conversion.clip(present)
        for joint, position, goal in zip(self._conversion.joints, present, goals, strict=True):
            distance = abs(position - goal) * RAD_PER_TICK
            if distance > self.settings.limit_tolerance:
                raise CalibrationError(
                    f"{joint.name} is {distance:.2f} rad outside its range, so the arm was not switched on. "
                    "Move it inside by hand, or calibrate the arm, and connect again."
                )
        chain.enable_torque(goals)
        self._angles = self._conversion.to_angles(np.array(present))  # turns are counted from here on
        self._feedback: LatestFeedback = feedback
        self._goals = ServoGoals(chain, self._conversion, feedback, goals, self.settings.velocity_factor, self._clock)
        self.hand_guiding = False

    def _hold_position(self) -> None:
        """Make the present position the goal; a servo that does not report its position keeps its goal."""
        self._feedback.read_now()
        self._goals.hold_position()

    def _check_torque(self, chain: ServoChain) -> None:
        """Check at intervals, or at once if a servo is too hot, that all servos hold. Raises TorqueLostError."""
        self._reading_count += 1
        if self.hand_guiding or (
            self._reading_count % self.settings.torque_check_interval
            and self._feedback.find_overheated() <= self._goals.torque_lost
        ):
            return
        lost = chain.find_torque_lost() - self._goals.torque_lost
        self._goals.torque_lost |= lost | self._feedback.find_overheated()
        if lost:
            raise TorqueLostError(
                f"Servo {', '.join(map(str, sorted(lost)))} lost its torque, because of heat or a dip of the supply. "
                "The arm is commanded to hold. Support it, check temperature and supply, and connect again."
            )

    def _as_command(self, ticks: list[int]) -> Command:
        return Command(read_only_copy(self._conversion.to_angles(np.array(ticks))))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[ServoChain]:
        """Lock the line; a port that disappears meanwhile is closed. Raises NotConnectedError."""
        with self._lock:
            if self._chain is None:
                raise NotConnectedError(f"{self.name} is not connected; nothing moved. Press Connect first.")
            try:
                yield self._chain
            except ServosLostError:
                raise
            except ConnectionLostError:
                self._close()
                raise

    def _close(self) -> None:
        chain, self._chain = self._chain, None
        self.connected = self.hand_guiding = False
        if chain is not None:
            chain.bus.port.close()
