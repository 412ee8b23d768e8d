"""The SO-101 over USB: six STS3215 servos behind the same protocol as the simulated arm.

One exchange reads everything that all servos know, one frame sends all goals. Torque comes on only at the present
position; while a person leads the arm by hand, nothing is written that could move it.
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
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import ArmCalibration, CalibrationError, TickConversion
from metagui.arms.so101.feedback import LatestFeedback, ServosLostError
from metagui.arms.so101.goals import ServoGoals
from metagui.arms.so101.motors import ServoChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.arms.arm import Joint
    from metagui.arms.feetech.serial_port import Port


class TorqueLostError(ArmError):
    """A servo that should hold went limp by itself."""


class OverheatedError(ArmError):
    """A servo is too hot to be switched on."""


@dataclass(frozen=True)
class SO101ArmSettings:
    """How patient the driver is."""

    retries: int = 2
    """How often a lost exchange is repeated within one tick."""
    max_feedback_age: float = 0.25
    """How long a servo's last report stands in for lost ones, s; then the connection counts as lost."""
    velocity_factor: float = 1.5
    """How much faster than a joint's ``max_velocity`` goals may run. The safety gate asks for less; this is for
    whoever goes round it, or forgets to start it anew after the arm was led by hand."""
    torque_check_interval: int = 25
    """At how many readings once it is made sure that all servos hold: a dip of the supply makes them forget."""
    limit_tolerance: float = 0.2
    """How far outside its limits a joint may stand when the arm is switched on, rad."""


class SO101Arm:
    """One SO-101. Without a calibration, the one in its servos is used; with one, the servos must hold the same.

    ``find`` says at every connect on which device the arm is now, ``open_port`` turns a device's name into an open
    port. A context manager: leaving it holds, then closes.
    """

    def __init__(
        self,
        device: str,
        calibration: ArmCalibration | None = None,
        name: str = "SO-101",
        settings: SO101ArmSettings | None = None,
        open_port: Callable[[str], Port] = SerialPort,
        find_device: Callable[[], str] | None = None,
    ) -> None:
        self.device = device
        self.name = name
        self.connected = False
        self.hand_guiding = False
        """Whether the arm is limp so that a person can lead it."""
        self.settings = settings or SO101ArmSettings()
        self.calibration = calibration
        self.joints: tuple[Joint, ...] = JOINTS if calibration is None else TickConversion(calibration).joints
        self._open_port = open_port
        self._find_device = find_device
        self._lock = threading.RLock()
        self._chain: ServoChain | None = None
        self._reading_count = 0

    def connect(self) -> None:
        """Open the port, check the servos, switch the torque on where they are.

        Raises PortError, ServoSilentError, WrongServoError, CalibrationError, HotError; then the arm stays where
        it is.
        """
        with self._lock:
            if self.connected:
                return
            if self._find_device is not None:
                self.device = self._find_device()
            port = self._open_port(self.device)
            try:
                self._initialise_servos(ServoChain(ServoBus(port, self.settings.retries)))
            except BaseException:
                port.close()
                raise

    def observe(self) -> JointState:
        """Read all servos once.

        Raises NotConnectedError, ConnectionLostError, ServosLostError; and TorqueLostError, once, when a servo
        went limp by itself: it gets no goal but its present position until it holds again.
        """
        with self._connection() as chain:
            before, retries = time.perf_counter(), chain.bus.counters.retries
            self._feedback.read()
            now = time.perf_counter()
            self._check_torque(chain)
            reports = self._feedback.as_array()
            return JointState(
                time=now,
                positions=read_only_copy(self._conversion.to_angles(reports[:, 0])),
                velocities=read_only_copy(self._conversion.to_velocities(reports[:, 1])),
                loads=read_only_copy(self._conversion.signs * reports[:, 2] / 1000),
                temperatures=read_only_copy(reports[:, 4]),
                voltages=read_only_copy(reports[:, 3] / 10),
                latency=now - before,
                retries=chain.bus.counters.retries - retries,
            )

    def command(self, command: Command) -> Command:
        """Send joint targets; return them as they were sent: within limits and speed, on whole ticks.

        What is not one finite number a joint makes the arm hold. A servo that did not say where it is keeps the
        goal it has; one that is too hot to hold is told to stay where it is, so that it will not jump once it has
        cooled. While a person leads the arm nothing is sent, and where it is counts as the target. Raises
        ConnectionLostError, NotConnectedError.
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
        """Stay where the arm is, with torque; this ends hand-guiding. Raises ArmError if that is impossible."""
        with self._connection() as chain:
            if self.hand_guiding:
                self._enable_torque(chain)
            else:
                self._hold_position()

    def start_hand_guiding(self) -> None:
        """Let a person lead the arm: torque off. It may sink; somebody must hold it. Raises ArmError."""
        with self._connection() as chain:
            self.hand_guiding = True
            chain.disable_torque()

    def disconnect(self, disable_torque: bool = False) -> None:
        """Hold, then close; the servos go on holding unless they are to be released. Raises ArmError."""
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
        """Return what the servos complained about in their last report, in words. Raises NotConnectedError."""
        with self._connection() as chain:
            names = dict(zip(chain.ids, (joint.name for joint in self.joints), strict=True))
            return [
                f"{names[ident]} {text}" for ident, said in self._feedback.describe_faults().items() for text in said
            ]

    @property
    def counters(self) -> BusCounters:
        """What happened on the line since it was opened."""
        return BusCounters() if self._chain is None else self._chain.bus.counters

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        """Hold, then close."""
        self.disconnect()

    def _initialise_servos(self, chain: ServoChain) -> None:
        """Get to know the servos, then switch them on where they are."""
        chain.check_servos()
        calibration = chain.read_calibration()
        if self.calibration is not None:
            self.calibration.require_same_in_servos(calibration)
            calibration = self.calibration  # which also knows the directions
        chain.configure()
        self._conversion = TickConversion(calibration)
        self._enable_torque(chain)
        self._chain, self.joints, self.connected = chain, self._conversion.joints, True

    def _enable_torque(self, chain: ServoChain) -> None:
        """Switch the torque on at the present position. Raises CalibrationError or HotError if that is not safe."""
        reports = LatestFeedback(chain, self.settings.max_feedback_age)
        reports.read()
        if reports.find_overheated():
            raise OverheatedError(
                f"Servo {', '.join(map(str, sorted(reports.find_overheated())))} is too hot, so the arm was not switched on. "
                "Let it cool for some minutes, then connect again."
            )
        present = reports.get_positions()
        goals = self._conversion.clip(present)
        for joint, here, goal in zip(self._conversion.joints, present, goals, strict=True):
            if abs(here - goal) * RAD_PER_TICK > self.settings.limit_tolerance:
                raise CalibrationError(
                    f"{joint.name} stands {abs(here - goal) * RAD_PER_TICK:.2f} rad outside its range, so the arm was not "
                    "switched on. Move it inside by hand, or calibrate the arm, and connect again."
                )
        chain.enable_torque(goals)
        self._feedback = reports
        self._goals = ServoGoals(chain, self._conversion, reports, goals, self.settings.velocity_factor)
        self.hand_guiding = False

    def _hold_position(self) -> None:
        """Make the present position the goal; a servo that does not say where it is keeps the goal it has."""
        self._feedback.read_now()
        self._goals.hold_position()

    def _check_torque(self, chain: ServoChain) -> None:
        """Ask now and then whether all servos hold, at once when one is hot. Raises TorqueLostError."""
        self._reading_count += 1
        if self.hand_guiding or (
            self._reading_count % self.settings.torque_check_interval
            and self._feedback.find_overheated() <= self._goals.torque_lost
        ):
            return
        limp = chain.find_torque_lost() - self._goals.torque_lost
        self._goals.torque_lost |= limp | self._feedback.find_overheated()
        if limp:
            raise TorqueLostError(
                f"Servo {', '.join(map(str, sorted(limp)))} went limp by itself, over heat or a dip of the supply. "
                "The arm is told to stay where it is. Support it, check temperature and supply, and connect again."
            )

    def _as_command(self, ticks: list[int]) -> Command:
        return Command(read_only_copy(self._conversion.to_angles(np.array(ticks))))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[ServoChain]:
        """Have the line for oneself; a port that vanishes meanwhile is closed. Raises NotConnectedError."""
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
