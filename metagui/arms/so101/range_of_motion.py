"""The sweep of a calibration: watch every joint being led through its travel, and say what is still missing.

Fed with raw encoder positions, it keeps count across the wrap; the window draws it, the command line prints it.
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
"""Between two readings, s."""


class SweepError(CalibrationError):
    """The joints were not moved as a calibration needs it; the message names them."""


@dataclass(frozen=True)
class SweepSettings:
    """What counts as a full sweep."""

    min_fraction: float = 0.93
    """Share of the model's travel that a joint must have covered: the middle of the travel becomes its zero."""
    max_fraction: float = 1.25
    """Share beyond which something slips, or the joint is another one."""
    max_jump: int = 1000
    """Ticks between two readings from which on it is unknown how the joint got there; its sweep begins again."""


@dataclass(frozen=True)
class JointSweep:
    """How far one joint has been moved. Positions are ticks, counted on across the wrap."""

    name: str
    lowest: int
    highest: int
    present: int
    expected_travel: int
    """The model's travel, ticks."""
    problem: str | None
    """What is wrong or missing, in words; None when the joint is done."""

    @property
    def travel(self) -> int:
        """Ticks from end to end."""
        return self.highest - self.lowest

    @property
    def travel_fraction(self) -> float:
        """The travel as a share of the model's."""
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
        """Note that nothing was read for a while: what may have gone round the other way begins again."""
        ambiguous = TICKS_PER_TURN - self._settings.max_jump
        self._ambiguous = {i for i in range(len(self._last)) if _model_travel(self._joints[i]) > ambiguous}

    def add_reading(self, positions: Sequence[int]) -> tuple[JointSweep, ...]:
        """Take one reading of all encoders, 0 … 4095, at 20 Hz or more; return how far every joint is."""
        if not self._last:
            self._last, self._lowest, self._highest = list(positions), list(positions), list(positions)
        for i, position in enumerate(positions):
            step = (position - self._last[i] + MID_TURN_TICKS) % TICKS_PER_TURN - MID_TURN_TICKS
            if i in self._ambiguous or abs(step) > self._settings.max_jump:
                # Nobody knows which way round: this joint begins again.
                self._lowest[i] = self._highest[i] = self._last[i] + step
            self._last[i] += step
            self._lowest[i] = min(self._lowest[i], self._last[i])
            self._highest[i] = max(self._highest[i], self._last[i])
        self._ambiguous.clear()
        return self.get_progress()

    def get_progress(self) -> tuple[JointSweep, ...]:
        """Return how far every joint is."""
        return tuple(self._get_joint_progress(i) for i in range(len(self._last)))

    def compute_calibration(self, ids: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> ArmCalibration:
        """Return the calibration. Raises SweepError, naming every joint that is not done and why."""
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
        degrees, wanted = (math.degrees(ticks * RAD_PER_TICK) for ticks in (travel, expected))
        if travel < self._settings.min_fraction * expected:
            return f"was moved by {degrees:.0f}° of about {wanted:.0f}°; lead it from stop to stop"
        if travel > self._settings.max_fraction * expected or travel >= TICKS_PER_TURN - 2:
            return f"was moved by {degrees:.0f}° where about {wanted:.0f}° are possible; does its horn slip?"
        return None


def describe_missing_travel(joints: Sequence[JointSweep]) -> str | None:
    """Say why there is no calibration in what was swept so far, naming every joint that is not done."""
    problems = [f"{joint.name} {joint.problem}" for joint in joints if joint.problem]
    if joints and not problems:
        return None
    return (
        f"The sweep is not complete: {'; '.join(problems) or 'nothing was read'}. "
        "Nothing was written to the arm; go on moving the joints, or start again."
    )


def _model_travel(joint: Joint) -> int:
    """Return the model's travel, ticks."""
    return round((joint.upper - joint.lower) / RAD_PER_TICK)


def compute_joint_calibration(servo_id: int, lowest: int, highest: int) -> JointCalibration:
    """Return the calibration of a joint whose travel is ``lowest`` … ``highest``, ticks counted on across the wrap.

    The middle of the travel becomes 2048, and with it the wrap is as far away as it can be.
    """
    middle = (lowest + highest) // 2
    offset = middle % TICKS_PER_TURN - MID_TURN_TICKS
    offset = max(offset, -MAX_HOMING_OFFSET_TICKS)  # sign and magnitude cannot say -2048; one tick aside is no harm
    centre = (middle - offset) % TICKS_PER_TURN
    return JointCalibration(servo_id, 0, offset, lowest - middle + centre, highest - middle + centre)


def run_sweep(
    chain: ServoChain,
    settle_time: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
    resumed: Sweep | None = None,
) -> Generator[tuple[JointSweep, ...], None, ArmCalibration]:
    """Watch limp joints being led about: yield how far each is, 50 times a second; return the calibration.

    It ends by itself when every joint is done and no travel has grown for ``settled`` s. Closing it early changes
    nothing. ``watched`` goes on with an interrupted sweep. Raises ServoSilentError, ConnectionLostError.
    """
    chain.begin_sweep()
    resumed, quiet, before = resumed or Sweep(), 0, 0
    resumed.mark_interrupted()
    while quiet * SWEEP_PERIOD_S < settle_time:
        progress = resumed.add_reading(chain.read_encoders())
        yield progress
        travel = sum(joint.travel for joint in progress)
        done = not any(joint.problem for joint in progress)
        quiet = quiet + 1 if done and travel == before else 0
        before = travel
        sleep(SWEEP_PERIOD_S)
    return resumed.compute_calibration(chain.ids)
