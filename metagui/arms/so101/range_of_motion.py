"""The calibration sweep: measures the travel of every joint while it is moved by hand, and what is still missing.

It takes raw encoder values and counts on across their wrap. The window draws its progress, the command line prints
it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
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

    min_fraction: float = 0.93
    """Smallest travel of a joint as a fraction of the model's; the middle of the travel becomes its zero."""
    max_fraction: float = 1.4
    """Largest travel as a fraction of the model's; beyond it the horn slips, or it is another joint."""
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

    @property
    def travel(self) -> int:
        """Return the travel so far, ticks."""
        return self.highest - self.lowest

    @property
    def travel_fraction(self) -> float:
        """Return the travel so far as a fraction of the model's."""
        return self.travel / self.expected_travel


class Sweep:
    """Collects readings until every joint has been moved from stop to stop."""

    def __init__(self, joints: Sequence[Joint] = JOINTS, settings: SweepSettings | None = None) -> None:
        self._joints = tuple(joints)
        self._settings = settings or SweepSettings()
        self._last: list[int] = []
        self._lowest: list[int] = []
        self._highest: list[int] = []
        self._ambiguous: set[int] = set()

    def mark_interrupted(self) -> None:
        """Note a gap in the readings: joints whose direction of motion is unknown after it start again."""
        ambiguous = TICKS_PER_TURN - self._settings.max_jump
        self._ambiguous = {i for i in range(len(self._last)) if _model_travel(self._joints[i]) > ambiguous}

    def add_reading(self, positions: Sequence[int]) -> tuple[JointSweep, ...]:
        """Add one reading of all encoders, 0 … 4095, at 20 Hz or more; return the progress of every joint."""
        if not self._last:
            self._last, self._lowest, self._highest = list(positions), list(positions), list(positions)
        for i, position in enumerate(positions):
            step = (position - self._last[i] + MID_TURN_TICKS) % TICKS_PER_TURN - MID_TURN_TICKS
            if i in self._ambiguous or abs(step) > self._settings.max_jump:
                # The direction of the motion is unknown: this joint starts again.
                self._lowest[i] = self._highest[i] = self._last[i] + step
            self._last[i] += step
            self._lowest[i] = min(self._lowest[i], self._last[i])
            self._highest[i] = max(self._highest[i], self._last[i])
        self._ambiguous.clear()
        return self.get_progress()

    def get_progress(self) -> tuple[JointSweep, ...]:
        """Return the progress of every joint."""
        return tuple(self._get_joint_progress(i) for i in range(len(self._last)))

    def compute_calibration(self, ids: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> ArmCalibration:
        """Return the calibration. Raises SweepError, which names every unfinished joint and the reason."""
        swept = self.get_progress()
        reason = describe_missing_travel(swept)
        if reason:
            raise SweepError(reason)
        joints = (
            compute_joint_calibration(i, joint.lowest, joint.highest) for i, joint in zip(ids, swept, strict=True)
        )
        return ArmCalibration(tuple(joints))

    def _get_joint_progress(self, i: int) -> JointSweep:
        joint, lowest, highest = self._joints[i], self._lowest[i], self._highest[i]
        expected = _model_travel(joint)
        problem = self._find_problem(highest - lowest, expected)
        return JointSweep(joint.name, lowest, highest, self._last[i], expected, problem)

    def _find_problem(self, travel: int, expected: int) -> str | None:
        moved, possible = (math.degrees(ticks * RAD_PER_TICK) for ticks in (travel, expected))
        if travel < self._settings.min_fraction * expected:
            return f"was moved by {moved:.0f}° of about {possible:.0f}°; move it from stop to stop"
        if travel > self._settings.max_fraction * expected or travel >= TICKS_PER_TURN - 2:
            return f"was moved by {moved:.0f}°, but only about {possible:.0f}° are possible; does its horn slip?"
        return None


def describe_missing_travel(joints: Sequence[JointSweep]) -> str | None:
    """Return the message that names every unfinished joint; None if the sweep is complete."""
    problems = [f"{joint.name} {joint.problem}" for joint in joints if joint.problem]
    if joints and not problems:
        return None
    return (
        f"The sweep is not complete: {'; '.join(problems) or 'nothing was read'}. "
        "Nothing was written to the arm; continue moving the joints, or start again."
    )


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
    settle_time: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
    resumed: Sweep | None = None,
) -> Generator[tuple[JointSweep, ...], None, ArmCalibration]:
    """Switch the torque off, yield the progress of every joint 50 times per second, return the calibration.

    It ends when every joint is done and no travel has grown for ``settle_time`` s. Closing it early changes nothing.
    ``resumed`` continues an interrupted sweep. Raises ServoSilentError, ConnectionLostError.
    """
    chain.begin_sweep()
    sweep, unchanged, before = resumed or Sweep(), 0, 0
    sweep.mark_interrupted()
    while unchanged * SWEEP_PERIOD_S < settle_time:
        progress = sweep.add_reading(chain.read_encoders())
        yield progress
        travel = sum(joint.travel for joint in progress)
        done = not any(joint.problem for joint in progress)
        unchanged = unchanged + 1 if done and travel == before else 0
        before = travel
        sleep(SWEEP_PERIOD_S)
    return sweep.compute_calibration(chain.ids)
