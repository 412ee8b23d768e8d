"""The calibration sweep: measures the travel of every joint while it is moved by hand, and what is still missing.

It takes raw encoder values and counts on across their wrap. The window draws its progress, the command line prints
it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from metagui.arms.feetech.control_table import RAD_PER_TICK, TICKS_PER_TURN
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import (
    MAX_HOMING_OFFSET_TICKS,
    MID_TURN_TICKS,
    ArmCalibration,
    CalibrationError,
    JointCalibration,
)
from metagui.arms.so101.calibration_checks import FULL_TRAVEL_FRACTION, TRAVEL_FRACTION_RANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.arms.arm import Joint
    from metagui.arms.so101.motors import ServoChain

SWEEP_PERIOD_S = 0.02
"""Time between two readings, s."""


class SweepError(CalibrationError):
    """The joints were not moved far enough for a calibration; the message names them."""


@dataclass(frozen=True)
class SweepSettings:
    """Conditions for a complete sweep."""

    full_fraction: float = FULL_TRAVEL_FRACTION
    """Travel of a joint as a fraction of the model's from which on it is done."""
    min_fraction: float = TRAVEL_FRACTION_RANGE[0]
    """Smallest travel as a fraction of the model's; between this and ``full_fraction`` the joint is short."""
    max_fraction: float = TRAVEL_FRACTION_RANGE[1]
    """Largest travel as a fraction of the model's; beyond it the horn slips, or it is another joint."""
    settle_time: float = 2.0
    """Time without growth of any travel after which a sweep ends whose joints are all done, s."""
    short_settle_time: float = 10.0
    """The same if a joint is short, s: long enough to reach for a stop that was missed."""
    max_jump: int = 1000
    """Largest motion between two readings, ticks; beyond it the direction is unknown and the joint starts again."""


@dataclass(frozen=True)
class JointSweep:
    """Progress of one joint; positions are in ticks, counted on across the wrap."""

    name: str
    """Name of the joint."""
    lowest: int
    """Lowest position so far, ticks."""
    highest: int
    """Highest position so far, ticks."""
    present: int
    """Present position, ticks."""
    expected_travel: int
    """Travel of the model, ticks."""
    problem: str | None
    """Text on what is wrong or missing; None when the joint is done."""
    wait: float | None = None
    """Time after which a short joint is accepted if no travel grows, s; None if it is not short, or others are open."""

    @property
    def travel(self) -> int:
        """Return the travel so far, ticks."""
        return self.highest - self.lowest

    @property
    def travel_fraction(self) -> float:
        """Return the travel so far as a fraction of the model's."""
        return self.travel / self.expected_travel

    @property
    def is_full_turn(self) -> bool:
        """Return whether the joint, which can turn this far, was turned by more than the encoder can tell apart."""
        return _is_full_turn(self.travel, self.expected_travel)


class Sweep:
    """Collects readings until every joint has been moved from stop to stop."""

    def __init__(self, joints: Sequence[Joint] = JOINTS, settings: SweepSettings | None = None) -> None:
        self._joints = tuple(joints)
        self._settings = settings or SweepSettings()
        self._last: list[int] = []
        self._lowest: list[int] = []
        self._highest: list[int] = []
        self._ambiguous: set[int] = set()
        self._quiet_readings = 0

    def mark_interrupted(self) -> None:
        """Note a gap in the readings: joints whose direction of motion is unknown after it start again."""
        self._quiet_readings = 0
        ambiguous = TICKS_PER_TURN - self._settings.max_jump
        self._ambiguous = {i for i in range(len(self._last)) if _model_travel(self._joints[i]) > ambiguous}

    def add_reading(self, positions: Sequence[int]) -> tuple[JointSweep, ...]:
        """Add one reading of all encoders, 0 … 4095, at 20 Hz or more; return the progress of every joint."""
        if not self._last:
            self._last, self._lowest, self._highest = list(positions), list(positions), list(positions)
        before = self._lowest + self._highest
        for i, position in enumerate(positions):
            step = (position - self._last[i] + MID_TURN_TICKS) % TICKS_PER_TURN - MID_TURN_TICKS
            if i in self._ambiguous or abs(step) > self._settings.max_jump:
                # The direction of the motion is unknown: this joint starts again.
                self._lowest[i] = self._highest[i] = self._last[i] + step
            self._last[i] += step
            self._lowest[i] = min(self._lowest[i], self._last[i])
            self._highest[i] = max(self._highest[i], self._last[i])
        self._ambiguous.clear()
        self._quiet_readings = self._quiet_readings + 1 if self._lowest + self._highest == before else 0
        return self.get_progress()

    @property
    def remaining_wait(self) -> float | None:
        """Return the time after which the sweep ends if no travel grows, s; None while a joint is unfinished."""
        if not self._last or self._list_unfinished():
            return None
        is_full = all(joint.travel_fraction >= self._settings.full_fraction for joint in self._list_joints())
        settle_time = self._settings.settle_time if is_full else self._settings.short_settle_time
        return max(0.0, settle_time - self._quiet_readings * SWEEP_PERIOD_S)

    def get_progress(self) -> tuple[JointSweep, ...]:
        """Return the progress of every joint; that of short ones says how long to wait."""
        joints, wait = self._list_joints(), self.remaining_wait
        return tuple(self._add_wait(joint, wait) if self._is_short(joint) else joint for joint in joints)

    def compute_calibration(self, ids: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> ArmCalibration:
        """Return the calibration, also of short joints. Raises SweepError, which names every unfinished joint."""
        swept, unfinished = self._list_joints(), self._list_unfinished()
        if unfinished or not swept:
            raise SweepError(_describe_missing_travel(unfinished))
        joints = (
            compute_joint_calibration(i, joint.lowest, joint.highest) for i, joint in zip(ids, swept, strict=True)
        )
        return ArmCalibration(tuple(joints))

    def _list_joints(self) -> list[JointSweep]:
        return [self._get_joint_progress(i) for i in range(len(self._last))]

    def _list_unfinished(self) -> list[JointSweep]:
        """Return the joints that permit no calibration."""
        return [joint for joint in self._list_joints() if joint.problem and not self._is_short(joint)]

    def _is_short(self, joint: JointSweep) -> bool:
        """Return whether a joint's travel is usable, but may be continued."""
        return self._settings.min_fraction <= joint.travel_fraction < self._settings.full_fraction

    def _add_wait(self, joint: JointSweep, wait: float | None) -> JointSweep:
        """Return a short joint whose problem says how long to wait, s; None while others are unfinished."""
        seconds = f"{math.ceil(self._settings.short_settle_time if wait is None else wait)} s"
        hint = f"wait {seconds}" if wait is not None else f"finish the others, then wait {seconds}"
        return replace(joint, problem=f"{joint.problem}; if this is as far as it goes, {hint}", wait=wait)

    def _get_joint_progress(self, i: int) -> JointSweep:
        joint, lowest, highest = self._joints[i], self._lowest[i], self._highest[i]
        expected = _model_travel(joint)
        problem = self._find_problem(highest - lowest, expected)
        return JointSweep(joint.name, lowest, highest, self._last[i], expected, problem)

    def _find_problem(self, travel: int, expected: int) -> str | None:
        moved, possible = (math.degrees(ticks * RAD_PER_TICK) for ticks in (travel, expected))
        if travel < self._settings.full_fraction * expected:
            return f"was moved by {moved:.0f}° of about {possible:.0f}°; move it from stop to stop"
        if _is_full_turn(travel, expected):
            return (
                f"was turned by {moved:.0f}°, a full turn or more, so it has no stop; start again and turn it by less "
                "than one turn, equally far to both sides"
            )
        if travel > self._settings.max_fraction * expected or travel >= TICKS_PER_TURN - 2:
            return f"was moved by {moved:.0f}°, but only about {possible:.0f}° are possible; does its horn slip?"
        return None


def _describe_missing_travel(unfinished: Sequence[JointSweep]) -> str:
    """Return the message that names every unfinished joint."""
    problems = [f"{joint.name} {joint.problem}" for joint in unfinished]
    return (
        f"The sweep is not complete: {'; '.join(problems) or 'nothing was read'}. "
        "Nothing was written to the arm; continue moving the joints, or start again."
    )


def _is_full_turn(travel: int, expected: int) -> bool:
    """Return whether a travel is a full turn, ticks, of a joint whose model turns nearly as far."""
    return travel >= TICKS_PER_TURN - 2 and expected * TRAVEL_FRACTION_RANGE[1] > TICKS_PER_TURN


def _model_travel(joint: Joint) -> int:
    """Return the travel of the model's joint, ticks."""
    return round((joint.upper - joint.lower) / RAD_PER_TICK)


def compute_joint_calibration(servo_id: int, lowest: int, highest: int) -> JointCalibration:
    """Return the calibration of a joint with a travel in ticks, counted on across the wrap.

    The middle of the travel becomes 2048, so that the wrap is as far from the travel as possible.
    """
    middle = (lowest + highest) // 2
    offset = middle % TICKS_PER_TURN - MID_TURN_TICKS
    offset = max(offset, -MAX_HOMING_OFFSET_TICKS)  # sign and magnitude cannot encode -2048; one tick off is harmless
    centre = (middle - offset) % TICKS_PER_TURN
    return JointCalibration(servo_id, 0, offset, lowest - middle + centre, highest - middle + centre)


def run_sweep(
    chain: ServoChain,
    sleep: Callable[[float], None] = time.sleep,
    resumed: Sweep | None = None,
) -> Generator[tuple[JointSweep, ...], None, ArmCalibration]:
    """Switch the torque off, yield the progress of every joint 50 times per second, return the calibration.

    It ends when every joint is done and no travel has grown for the settings' ``settle_time``, or, if some are short,
    for ``short_settle_time``. Closing it early changes nothing. ``resumed`` continues an interrupted sweep. Raises
    ServoSilentError, ConnectionLostError.
    """
    chain.begin_sweep()
    sweep = resumed or Sweep()
    sweep.mark_interrupted()
    while sweep.remaining_wait != 0:
        yield sweep.add_reading(chain.read_encoders())
        sleep(SWEEP_PERIOD_S)
    return sweep.compute_calibration(chain.ids)
