"""The servos of an arm whose torque is on: feedback, goals, alarms, and the registers that are changed meanwhile.

The torque is switched on only at the present position; while a person guides the arm by hand, nothing is written that
could move it.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import ArmError, Command, JointState, read_only_copy
from metagui.arms.feetech import control_table as reg
from metagui.arms.feetech.control_table import RAD_PER_TICK
from metagui.arms.feetech.line_messages import describe_latency
from metagui.arms.feetech.protocol import ServoStatus
from metagui.arms.guiding import GuidingStiffness
from metagui.arms.so101.calibration import CalibrationError, TickConversion
from metagui.arms.so101.feedback import LatestFeedback
from metagui.arms.so101.goals import ServoGoals
from metagui.arms.so101.motors import SETUP_RETRIES
from metagui.arms.so101.protection.alarms import CURRENT_UNIT_A, AlarmMonitor
from metagui.arms.so101.protection.grip import GripLimiter, GripSettings
from metagui.arms.so101.protection.soft_guiding import SoftGuiding
from metagui.arms.so101.protection.supply import describe_weak_supply, require_safe_supply
from metagui.arms.so101.protection.temporary_registers import CONNECTED_ACCELERATION, TemporaryRegisters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from metagui.arms.arm import FloatArray
    from metagui.arms.so101.calibration import ArmCalibration
    from metagui.arms.so101.motors import ServoChain

LEFTOVER_WARNING = (
    "A program that was killed had left the motors with a lower torque limit or another speed. They were set back; "
    "the arm holds. Nothing has to be done."
)


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
    grip: GripSettings = field(default_factory=GripSettings)


class LiveServos:
    """The checked servos of a ``chain`` with a ``calibration``, whose torque ``energise`` switches on.

    ``register_file`` keeps the original values of the registers that are changed for the time of the connection.
    """

    def __init__(
        self,
        chain: ServoChain,
        calibration: ArmCalibration,
        settings: SO101ArmSettings,
        clock: Callable[[], float] = time.perf_counter,
        register_file: Path | None = None,
    ) -> None:
        self.chain = chain
        self.settings = settings
        self.conversion = TickConversion(calibration)
        self.joints = self.conversion.joints
        self.warnings: list[str] = []
        """Texts on what is wrong with the arm, but does not keep it from being used."""
        self.hand_guiding = False
        """True while a person guides the arm by hand."""
        self._clock = clock
        self._registers = TemporaryRegisters(chain.bus, chain.ids, register_file)
        self._reading_count = 0
        self._angles: FloatArray = np.zeros(len(self.joints))
        self._guiding: SoftGuiding | None = None
        self.alarms = AlarmMonitor([joint.name for joint in self.joints])

    # Torque

    def energise(self) -> None:
        """Check the supply, configure the servos and switch their torque on at the present positions.

        Raises WrongSupplyError, OverheatedError, CalibrationError, ServoRefusedError; then the torque stays off.
        """
        max_voltages, voltages = self.chain.read_supply()
        require_safe_supply(max_voltages, voltages)
        self.chain.configure()
        self._require_safe_pose()  # after the settings, which determine the meaning of a position
        try:
            had_leftovers = self._registers.begin()
            self._registers.set(reg.GOAL_VELOCITY, dict.fromkeys(self.chain.ids, 0))
            self._registers.set(reg.ACCELERATION, dict.fromkeys(self.chain.ids, CONNECTED_ACCELERATION))
            self._grip = GripLimiter(self.chain.ids[-1], self._registers, self.settings.grip)
            self._grip.begin()
            self.enable_torque()
        except ArmError:
            with contextlib.suppress(ArmError):
                self._registers.restore()
            raise
        self.chain.bus.retries = self.settings.retries
        warnings = (
            describe_latency(self.chain.bus.latency, getattr(self.chain.bus.port, "adapter", "")),
            describe_weak_supply(max_voltages, voltages),
            LEFTOVER_WARNING if had_leftovers else "",
        )
        self.warnings = [warning for warning in warnings if warning]

    def enable_torque(self) -> None:
        """Switch the torque on at the present position. Raises CalibrationError or OverheatedError if it is unsafe."""
        feedback, present = self._require_safe_pose()
        goals = self.conversion.clip(present)
        self.chain.enable_torque(goals)
        self._angles = self.conversion.to_angles(np.array(present))  # turns are counted from here on
        self._feedback: LatestFeedback = feedback
        self._goals = ServoGoals(
            self.chain, self.conversion, feedback, goals, self.settings.velocity_factor, self._clock
        )
        for index, each in enumerate(feedback.list_feedback()):
            if each.status & ServoStatus.OVERLOAD:
                self.chain.restart_torque(self.chain.ids[index], goals[index])
        self.hand_guiding, self._guiding = False, None

    @property
    def limp(self) -> bool:
        """Return whether the torque is off for hand guiding."""
        return self.hand_guiding and self._guiding is None

    def start_guiding(self, stiffness: GuidingStiffness) -> None:
        """Switch the torque off, or let the motors carry the arm and follow the hand. Raises ArmError."""
        from metagui.arms.simulation.gravity import GravityModel

        if stiffness is GuidingStiffness.LIMP:
            was_soft, self.hand_guiding, self._guiding = self._guiding is not None, True, None
            self.chain.disable_torque()
            if was_soft:
                self._registers.reset(reg.TORQUE_LIMIT)
            return
        if self.limp:
            self.enable_torque()
        self._feedback.read_now()
        angles = self.conversion.to_angles(np.array(self._feedback.get_positions()))
        guiding = SoftGuiding(angles, stiffness, GravityModel().compute_torques)
        originals = self._registers.originals[reg.TORQUE_LIMIT]
        limits = [round(1000 * limit) for limit in guiding.compute_torque_limits()]
        self._registers.set(
            reg.TORQUE_LIMIT,
            {i: min(originals[i], limit) for i, limit in zip(self.chain.ids, limits, strict=True)},
        )
        self.hand_guiding, self._guiding = True, guiding

    def hold(self) -> None:
        """Hold the present position with full torque, which ends hand guiding. Raises ArmError."""
        if self.limp:
            self.enable_torque()
        elif self._guiding is None:
            self.hold_position()
            return
        self.hand_guiding, self._guiding = False, None  # a softly guided arm keeps its goals, which carry its weight
        self._registers.reset(reg.TORQUE_LIMIT)
        self._grip.begin()

    def clear_overload(self) -> None:
        """End the overloads: the torque of these servos is switched off and on at their present positions.

        Raises ArmError.
        """
        self._feedback.read_now()
        overloaded = self.alarms.overloaded
        present = self.conversion.clip(self._feedback.get_positions())
        for index in sorted(overloaded):
            if not self.limp:
                self.chain.restart_torque(self.chain.ids[index], present[index])
                self._goals.note_goal(self.chain.ids[index], present[index])
        self.alarms.forget_overload(overloaded)
        if not self.hand_guiding:
            self._grip.begin()

    def release(self) -> None:
        """Write back the registers that were changed. Raises ArmError."""
        self.chain.bus.retries = SETUP_RETRIES  # this is no tick of a loop: slower is better than incomplete
        self._registers.restore()

    # Reading and moving

    def observe(self) -> JointState:
        """Read all servos once. Raises ServosLostError, and once TorqueLostError if a servo lost its torque."""
        bus = self.chain.bus
        before, retries = self._clock(), bus.counters.retries
        self._feedback.read()
        now = self._clock()
        self._check_torque()
        feedback = self._feedback.as_array()
        self.alarms.observe(self._feedback.list_feedback(), now)
        self._angles = self.conversion.unwrap(self.conversion.to_angles(feedback[:, 0]), self._angles)
        if self._guiding is not None:
            self._follow_hand(self._guiding, feedback)
        return JointState(
            time=now,
            positions=read_only_copy(self._angles),
            velocities=read_only_copy(self.conversion.to_velocities(feedback[:, 1])),
            loads=read_only_copy(self.conversion.signs * feedback[:, 2] / 1000),
            temperatures=read_only_copy(feedback[:, 4]),
            voltages=read_only_copy(feedback[:, 3] / 10),
            latency=now - before,
            retries=bus.counters.retries - retries,
            currents=read_only_copy(feedback[:, 7] * CURRENT_UNIT_A),
            statuses=read_only_copy(feedback[:, 5]),
            alarm=self.alarms.text,
        )

    def move_towards(self, angles: FloatArray) -> Command:
        """Send joint targets (J,), rad, or hold if they are no finite numbers; return them as sent."""
        if angles.shape == (len(self.joints),) and np.isfinite(angles).all():
            self._goals.move_towards(self.conversion.to_ticks(angles))
        else:
            self.hold_position()
        self._grip.update(self._goals.last_goals[-1], self._feedback.list_feedback()[-1], self._clock())
        return self._as_command(self._goals.last_goals)

    def _follow_hand(self, guiding: SoftGuiding, feedback: FloatArray) -> None:
        """Send the goals that follow the hand, if they differ from the last ones."""
        velocities, loads = self.conversion.to_velocities(feedback[:, 1]), self.conversion.signs * feedback[:, 2] / 1000
        last = self._goals.last_goals
        goals = guiding.follow(self._angles, velocities, loads, self.conversion.to_angles(np.array(last)))
        ticks = self.conversion.to_ticks(goals)
        if ticks != last:
            self._goals.move_towards(ticks)

    def get_present_command(self) -> Command:
        """Return the last reported positions, within the limits, as a command."""
        return self._as_command(self._goals.get_present_positions())

    def hold_position(self) -> None:
        """Make the present position the goal; a servo that does not report its position keeps its goal."""
        self._feedback.read_now()
        self._goals.hold_position()

    def _require_safe_pose(self) -> tuple[LatestFeedback, list[int]]:
        """Return new feedback and positions, ticks. Raises OverheatedError, CalibrationError."""
        feedback = LatestFeedback(self.chain, self.settings.max_feedback_age, self._clock)
        feedback.read()
        if overheated := feedback.find_overheated():
            raise OverheatedError(
                f"Servo {', '.join(map(str, sorted(overheated)))} is too hot, so the arm was not switched on. "
                "Let it cool for some minutes, then connect again."
            )
        present = feedback.get_positions()
        for joint, position, goal in zip(self.joints, present, self.conversion.clip(present), strict=True):
            distance = abs(position - goal) * RAD_PER_TICK
            if distance > self.settings.limit_tolerance:
                raise CalibrationError(
                    f"{joint.name} is {distance:.2f} rad outside its range, so the arm was not switched on. "
                    "Move it inside by hand, or calibrate the arm, and connect again."
                )
        return feedback, present

    def _check_torque(self) -> None:
        """Check at intervals, or at once if a servo is too hot, that all servos hold. Raises TorqueLostError."""
        self._reading_count += 1
        overheated = self._feedback.find_overheated()
        if self.limp or (
            self._reading_count % self.settings.torque_check_interval and overheated <= self._goals.torque_lost
        ):
            return
        lost = self.chain.find_torque_lost() - self._goals.torque_lost
        self._goals.torque_lost |= lost | overheated
        if lost:
            raise TorqueLostError(
                f"Servo {', '.join(map(str, sorted(lost)))} lost its torque, because of heat or a dip of the supply. "
                "The arm is commanded to hold. Support it, check temperature and supply, and connect again."
            )

    def _as_command(self, ticks: list[int]) -> Command:
        return Command(read_only_copy(self.conversion.to_angles(np.array(ticks))))
