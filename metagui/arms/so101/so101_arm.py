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

from metagui.arms.arm import ArmError, Command, ConnectionLostError, JointState, NotConnectedError, frozen
from metagui.arms.feetech.bus import BusCounters, ServoBus
from metagui.arms.feetech.control_table import TICK
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import Calibration, CalibrationError, JointMap
from metagui.arms.so101.feedback import ServoReports, ServosLostError
from metagui.arms.so101.goals import ServoGoals
from metagui.arms.so101.motors import ServoChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from metagui.arms.arm import Joint
    from metagui.arms.feetech.serial_port import Port


class TorqueLostError(ArmError):
    """A servo that should hold went limp by itself."""


class HotError(ArmError):
    """A servo is too hot to be switched on."""


@dataclass(frozen=True)
class FeetechSettings:
    """How patient the driver is."""

    retries: int = 2
    """How often a lost exchange is repeated within one tick."""
    patience: float = 0.25
    """How long a servo's last report stands in for lost ones, s; then the connection counts as lost."""
    haste: float = 1.5
    """How much faster than a joint's ``max_velocity`` goals may run. The safety gate asks for less; this is for
    whoever goes round it, or forgets to start it anew after the arm was led by hand."""
    torque_check: int = 25
    """At how many readings once it is made sure that all servos hold: a dip of the supply makes them forget."""
    tolerance: float = 0.2
    """How far outside its limits a joint may stand when the arm is switched on, rad."""


class FeetechArm:
    """One SO-101. Without a calibration, the one in its servos is used; with one, the servos must hold the same.

    ``find`` says at every connect on which device the arm is now, ``open_port`` turns a device's name into an open
    port. A context manager: leaving it holds, then closes.
    """

    def __init__(
        self,
        device: str,
        calibration: Calibration | None = None,
        name: str = "SO-101",
        settings: FeetechSettings | None = None,
        open_port: Callable[[str], Port] = SerialPort,
        find: Callable[[], str] | None = None,
    ) -> None:
        self.device = device
        self.name = name
        self.connected = False
        self.guiding = False
        """Whether the arm is limp so that a person can lead it."""
        self.settings = settings or FeetechSettings()
        self.calibration = calibration
        self.joints: tuple[Joint, ...] = JOINTS if calibration is None else JointMap(calibration).joints
        self._open_port = open_port
        self._find = find
        self._turn = threading.RLock()
        self._chain: ServoChain | None = None
        self._readings = 0

    def connect(self) -> None:
        """Open the port, check the servos, switch the torque on where they are.

        Raises PortError, ServoSilentError, WrongServoError, CalibrationError, HotError; then the arm stays where
        it is.
        """
        with self._turn:
            if self.connected:
                return
            if self._find is not None:
                self.device = self._find()
            port = self._open_port(self.device)
            try:
                self._take_over(ServoChain(ServoBus(port, self.settings.retries)))
            except BaseException:
                port.close()
                raise

    def observe(self) -> JointState:
        """Read all servos once.

        Raises NotConnectedError, ConnectionLostError, ServosLostError; and TorqueLostError, once, when a servo
        went limp by itself: it gets no goal but its present position until it holds again.
        """
        with self._line() as chain:
            before, retries = time.perf_counter(), chain.bus.counters.retries
            self._reports.read()
            now = time.perf_counter()
            self._check_torque(chain)
            reports = self._reports.numbers()
            return JointState(
                time=now,
                positions=frozen(self._map.angles(reports[:, 0])),
                velocities=frozen(self._map.speeds(reports[:, 1])),
                loads=frozen(self._map.sign * reports[:, 2] / 1000),
                temperatures=frozen(reports[:, 4]),
                voltages=frozen(reports[:, 3] / 10),
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
        with self._line():
            if self.guiding:
                return self._as_command(self._goals.present())
            if angles.shape == (len(self.joints),) and np.isfinite(angles).all():
                self._goals.move(self._map.ticks(angles))
            else:
                self._stay()
            return self._as_command(self._goals.last)

    def hold(self) -> None:
        """Stay where the arm is, with torque; this ends hand-guiding. Raises ArmError if that is impossible."""
        with self._line() as chain:
            if self.guiding:
                self._energise(chain)
            else:
                self._stay()

    def guide(self) -> None:
        """Let a person lead the arm: torque off. It may sink; somebody must hold it. Raises ArmError."""
        with self._line() as chain:
            self.guiding = True
            chain.release()

    def disconnect(self, release: bool = False) -> None:
        """Hold, then close; the servos go on holding unless they are to be released. Raises ArmError."""
        if not self.connected:
            return
        try:
            with self._line() as chain:
                if release:
                    chain.release()
                else:
                    self.hold()
        finally:
            self._close()

    def complaints(self) -> list[str]:
        """Return what the servos complained about in their last report, in words. Raises NotConnectedError."""
        with self._line() as chain:
            names = dict(zip(chain.ids, (joint.name for joint in self.joints), strict=True))
            return [f"{names[ident]} {text}" for ident, said in self._reports.complaints().items() for text in said]

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

    def _take_over(self, chain: ServoChain) -> None:
        """Get to know the servos, then switch them on where they are."""
        chain.find()
        calibration = chain.read_calibration()
        if self.calibration is not None:
            self.calibration.require_in_servos(calibration)
            calibration = self.calibration  # which also knows the directions
        chain.configure()
        self._map = JointMap(calibration)
        self._energise(chain)
        self._chain, self.joints, self.connected = chain, self._map.joints, True

    def _energise(self, chain: ServoChain) -> None:
        """Switch the torque on at the present position. Raises CalibrationError or HotError if that is not safe."""
        reports = ServoReports(chain, self.settings.patience)
        reports.read()
        if reports.hot():
            raise HotError(
                f"Servo {', '.join(map(str, sorted(reports.hot())))} is too hot, so the arm was not switched on. "
                "Let it cool for some minutes, then connect again."
            )
        present = reports.positions()
        goals = self._map.clip(present)
        for joint, here, goal in zip(self._map.joints, present, goals, strict=True):
            if abs(here - goal) * TICK > self.settings.tolerance:
                raise CalibrationError(
                    f"{joint.name} stands {abs(here - goal) * TICK:.2f} rad outside its range, so the arm was not "
                    "switched on. Move it inside by hand, or calibrate the arm, and connect again."
                )
        chain.energise(goals)
        self._reports = reports
        self._goals = ServoGoals(chain, self._map, reports, goals, self.settings.haste)
        self.guiding = False

    def _stay(self) -> None:
        """Make the present position the goal; a servo that does not say where it is keeps the goal it has."""
        self._reports.read_now()
        self._goals.stay()

    def _check_torque(self, chain: ServoChain) -> None:
        """Ask now and then whether all servos hold, at once when one is hot. Raises TorqueLostError."""
        self._readings += 1
        if self.guiding or (self._readings % self.settings.torque_check and self._reports.hot() <= self._goals.limp):
            return
        limp = chain.relapsed() - self._goals.limp
        self._goals.limp |= limp | self._reports.hot()
        if limp:
            raise TorqueLostError(
                f"Servo {', '.join(map(str, sorted(limp)))} went limp by itself, over heat or a dip of the supply. "
                "The arm is told to stay where it is. Support it, check temperature and supply, and connect again."
            )

    def _as_command(self, ticks: list[int]) -> Command:
        return Command(frozen(self._map.angles(np.array(ticks))))

    @contextlib.contextmanager
    def _line(self) -> Iterator[ServoChain]:
        """Have the line for oneself; a port that vanishes meanwhile is closed. Raises NotConnectedError."""
        with self._turn:
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
        self.connected = self.guiding = False
        if chain is not None:
            chain.bus.port.close()
