"""Driver of the SO-101 over USB: six STS3215 servos with the same interface as the simulated arm.

One exchange reads the feedback of all servos, one packet sends all goals. The torque is switched on only at the
present position; while a person guides the arm by hand, nothing is written that could move it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np

from metagui.arms.arm import ArmError, Command, ConnectionLostError, JointState, NotConnectedError
from metagui.arms.feetech.bus import BusCounters, ServoBus
from metagui.arms.feetech.serial_port import SerialPort
from metagui.arms.guiding import GuidingStiffness
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import TickConversion
from metagui.arms.so101.calibration_checks import describe_doubts, guess_model, require_own_servos
from metagui.arms.so101.feedback import ServosLostError
from metagui.arms.so101.live_servos import LiveServos, SO101ArmSettings
from metagui.arms.so101.motors import SETUP_RETRIES, ServoChain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from metagui.arms.arm import Joint
    from metagui.arms.feetech.serial_port import Port
    from metagui.arms.so101.calibration import ArmCalibration


HOLDS_TEXT = "The servos hold their last position while they have power."
SINKS_TEXT = "The torque was off: support the arm, or it sinks."


class SO101Arm:
    """One SO-101. Without a calibration, the one in its servos is used; with one, the servos must hold the same.

    ``find_device`` returns the device of the arm at every connection, ``open_port`` opens a device, ``clock`` returns
    the time, s, ``find_owner`` the name of the arm with a calibration, ``take_notes`` texts to read after connecting.
    ``register_file`` keeps the original values of registers that a connection changes. A context manager, which holds,
    then closes the arm at its end.
    """

    measures_health = True
    """True: the servos report their status, which takes record."""

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
        register_file: Path | None = None,
        take_notes: Callable[[], list[str]] | None = None,
    ) -> None:
        self.device = device
        self.name = name
        self.settings = settings or SO101ArmSettings()
        self.calibration = calibration
        self.joints: tuple[Joint, ...] = JOINTS if calibration is None else TickConversion(calibration).joints
        self._open_port = open_port
        self._find_device = find_device
        self._clock = clock
        self._find_owner = find_owner
        self._register_file = register_file
        self._take_notes = take_notes
        self._notes: list[str] = []
        self._lock = threading.RLock()
        self._servos: LiveServos | None = None

    @property
    def connected(self) -> bool:
        """Return whether the arm is connected."""
        return self._servos is not None

    @property
    def hand_guiding(self) -> bool:
        """Return whether a person guides the arm by hand."""
        servos = self._servos
        return servos is not None and servos.hand_guiding

    @property
    def limp(self) -> bool:
        """Return whether the torque is off for hand guiding."""
        servos = self._servos
        return servos is not None and servos.limp

    def connect(self) -> None:
        """Open the port, check the servos and switch the torque on at their present positions.

        Raises PortError, ServoSilentError, SharedIdError, BaudRateError, WrongServoError, CalibrationError,
        WrongSupplyError, OverheatedError; then the torque stays as it was.
        """
        with self._lock:
            if self.connected:
                return
            if self._find_device is not None:
                self.device = self._find_device()
            port = self._open_port(self.device)
            try:
                self._servos = self._start_servos(ServoChain(ServoBus(port, SETUP_RETRIES)))
            except BaseException:
                port.close()
                raise
            self.joints = self._servos.joints
            with contextlib.suppress(ArmError):  # a registry that was damaged meanwhile does not matter here
                self._notes += self._take_notes() if self._take_notes is not None else []

    def observe(self) -> JointState:
        """Read all servos once.

        Raises NotConnectedError, ConnectionLostError, ServosLostError, and once TorqueLostError if a servo lost its
        torque: it only gets its present position as a goal until it holds again.
        """
        with self._connection() as servos:
            return servos.observe()

    def command(self, command: Command) -> Command:
        """Send joint targets; return them as sent: within the limits of position and speed, on whole ticks.

        A command that is not one finite number per joint makes the arm hold. A servo that did not report its position
        keeps its goal; an overheated one gets its present position, so that it does not jump after cooling. During hand
        guiding nothing is sent, and the present position counts as the target. Raises ConnectionLostError,
        NotConnectedError.
        """
        angles = np.asarray(command.positions, dtype=np.float64)
        with self._connection() as servos:
            return servos.get_present_command() if servos.hand_guiding else servos.move_towards(angles)

    def hold(self) -> None:
        """Hold the present position with torque, which ends hand guiding. Raises ArmError if that is impossible."""
        with self._connection() as servos:
            servos.hold()

    def start_hand_guiding(self, stiffness: GuidingStiffness = GuidingStiffness.LIMP) -> None:
        """Switch the torque off, or let the motors carry the arm and follow the hand at every reading.

        A limp arm sinks unless a person holds it. Raises ArmError.
        """
        with self._connection() as servos:
            servos.start_guiding(stiffness)

    def disconnect(self, disable_torque: bool = False) -> None:
        """Hold, then close; the servos continue to hold unless ``disable_torque`` is set. Raises ArmError."""
        if not self.connected:
            return
        try:
            with self._connection() as servos:
                if disable_torque:
                    servos.start_guiding(GuidingStiffness.LIMP)
                else:
                    self.hold()
                servos.release()
        finally:
            self._close()

    # Faults

    @property
    def overloaded(self) -> frozenset[str]:
        """Names of the joints whose motors have reduced their torque because of an overload."""
        servos = self._servos
        return frozenset() if servos is None else frozenset(servos.joints[i].name for i in servos.alarms.overloaded)

    def clear_overload(self) -> None:
        """End the overloads; these joints hold their present positions with full torque again. Raises ArmError."""
        with self._connection() as servos:
            servos.clear_overload()

    def list_warnings(self) -> list[str]:
        """Return texts on what was found when connecting: a slow adapter, a weak supply, doubtful or changed zeros."""
        servos = self._servos
        return [] if servos is None else [*servos.warnings, *self._notes]

    @property
    def counters(self) -> BusCounters:
        """Statistics of the line since it was opened."""
        servos = self._servos
        return BusCounters() if servos is None else servos.chain.bus.counters

    def __enter__(self) -> Self:
        """Connect."""
        self.connect()
        return self

    def __exit__(self, *exception: object) -> None:
        """Hold, then close."""
        self.disconnect()

    def _start_servos(self, chain: ServoChain) -> LiveServos:
        """Check and configure the servos, then switch their torque on at the present positions."""
        chain.check_servos()
        calibration, self._notes = chain.read_calibration(), []
        if self.calibration is not None:
            require_own_servos(self.calibration, calibration, self.name, self._find_owner)
            calibration = self.calibration  # it also has the directions
        else:
            calibration = replace(calibration, model=guess_model(calibration))
            self._notes = describe_doubts(calibration)
        servos = LiveServos(chain, calibration, self.settings, self._clock, self._register_file)
        servos.energise()
        return servos

    @contextlib.contextmanager
    def _connection(self) -> Iterator[LiveServos]:
        """Lock the line; a port that disappears meanwhile is closed. Raises NotConnectedError."""
        with self._lock:
            if self._servos is None:
                raise NotConnectedError(f"{self.name} is not connected; nothing moved. Press Connect first.")
            try:
                yield self._servos
            except ConnectionLostError as error:
                torque_off = self._servos is not None and self._servos.hand_guiding
                if not isinstance(error, ServosLostError):
                    self._close()
                if str(error).endswith((SINKS_TEXT, HOLDS_TEXT)):  # of a nested call
                    raise
                raise type(error)(f"{error} {SINKS_TEXT if torque_off else HOLDS_TEXT}") from error

    def _close(self) -> None:
        servos, self._servos = self._servos, None
        if servos is not None:
            servos.chain.bus.port.close()
