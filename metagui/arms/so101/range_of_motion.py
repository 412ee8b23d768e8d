"""The sweep of a calibration: watch every joint being led through its travel, and say what is still missing.

Fed with raw encoder positions, it keeps count across the wrap; the window draws it, the command line prints it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metagui.arms.feetech.control_table import TICK, TURN
from metagui.arms.kinematics import JOINTS
from metagui.arms.so101.calibration import MIDDLE, MOST_OFFSET, Calibration, CalibrationError, JointCalibration

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.arms.arm import Joint
    from metagui.arms.so101.motors import ServoChain

PERIOD = 0.02
"""Between two readings, s."""


class SweepError(CalibrationError):
    """The joints were not moved as a calibration needs it; the message names them."""


@dataclass(frozen=True)
class SweepSettings:
    """What counts as a full sweep."""

    least: float = 0.93
    """Share of the model's travel that a joint must have covered: the middle of the travel becomes its zero."""
    most: float = 1.25
    """Share beyond which something slips, or the joint is another one."""
    jump: int = 1000
    """Ticks between two readings from which on it is unknown how the joint got there; its sweep begins again."""


@dataclass(frozen=True)
class JointSweep:
    """How far one joint has been moved. Positions are ticks, counted on across the wrap."""

    name: str
    lowest: int
    highest: int
    present: int
    expected: int
    """The model's travel, ticks."""
    problem: str | None
    """What is wrong or missing, in words; None when the joint is done."""

    @property
    def travel(self) -> int:
        """Ticks from end to end."""
        return self.highest - self.lowest

    @property
    def share(self) -> float:
        """The travel as a share of the model's."""
        return self.travel / self.expected


class Sweep:
    """Collects readings until every joint has been moved from stop to stop."""

    def __init__(self, joints: Sequence[Joint] = JOINTS, settings: SweepSettings | None = None) -> None:
        self._joints = tuple(joints)
        self._settings = settings or SweepSettings()
        self._last: list[int] = []
        self._lowest: list[int] = []
        self._highest: list[int] = []
        self._unsure: set[int] = set()

    def interrupted(self) -> None:
        """Note that nothing was read for a while: what may have gone round the other way begins again."""
        ambiguous = TURN - self._settings.jump
        self._unsure = {i for i in range(len(self._last)) if _travel(self._joints[i]) > ambiguous}

    def feed(self, positions: Sequence[int]) -> tuple[JointSweep, ...]:
        """Take one reading of all encoders, 0 … 4095, at 20 Hz or more; return how far every joint is."""
        if not self._last:
            self._last, self._lowest, self._highest = list(positions), list(positions), list(positions)
        for i, position in enumerate(positions):
            step = (position - self._last[i] + MIDDLE) % TURN - MIDDLE
            if i in self._unsure or abs(step) > self._settings.jump:
                # Nobody knows which way round: this joint begins again.
                self._lowest[i] = self._highest[i] = self._last[i] + step
            self._last[i] += step
            self._lowest[i] = min(self._lowest[i], self._last[i])
            self._highest[i] = max(self._highest[i], self._last[i])
        self._unsure.clear()
        return self.progress()

    def progress(self) -> tuple[JointSweep, ...]:
        """Return how far every joint is."""
        return tuple(self._joint(i) for i in range(len(self._last)))

    def finish(self, ids: Sequence[int] = (1, 2, 3, 4, 5, 6)) -> Calibration:
        """Return the calibration. Raises SweepError, naming every joint that is not done and why."""
        swept = self.progress()
        reason = refusal(swept)
        if reason:
            raise SweepError(reason)
        joints = (calibrate(i, joint.lowest, joint.highest) for i, joint in zip(ids, swept, strict=True))
        return Calibration(tuple(joints))

    def _joint(self, i: int) -> JointSweep:
        joint, lowest, highest = self._joints[i], self._lowest[i], self._highest[i]
        expected = _travel(joint)
        problem = self._problem(highest - lowest, expected)
        return JointSweep(joint.name, lowest, highest, self._last[i], expected, problem)

    def _problem(self, travel: int, expected: int) -> str | None:
        degrees, wanted = (math.degrees(ticks * TICK) for ticks in (travel, expected))
        if travel < self._settings.least * expected:
            return f"was moved by {degrees:.0f}° of about {wanted:.0f}°; lead it from stop to stop"
        if travel > self._settings.most * expected or travel >= TURN - 2:
            return f"was moved by {degrees:.0f}° where about {wanted:.0f}° are possible; does its horn slip?"
        return None


def refusal(swept: Sequence[JointSweep]) -> str | None:
    """Say why there is no calibration in what was swept so far, naming every joint that is not done."""
    problems = [f"{joint.name} {joint.problem}" for joint in swept if joint.problem]
    if swept and not problems:
        return None
    return (
        f"The sweep is not complete: {'; '.join(problems) or 'nothing was read'}. "
        "Nothing was written to the arm; go on moving the joints, or start again."
    )


def _travel(joint: Joint) -> int:
    """Return the model's travel, ticks."""
    return round((joint.upper - joint.lower) / TICK)


def calibrate(ident: int, lowest: int, highest: int) -> JointCalibration:
    """Return the calibration of a joint whose travel is ``lowest`` … ``highest``, ticks counted on across the wrap.

    The middle of the travel becomes 2048, and with it the wrap is as far away as it can be.
    """
    middle = (lowest + highest) // 2
    offset = middle % TURN - MIDDLE
    offset = max(offset, -MOST_OFFSET)  # sign and magnitude cannot say -2048; one tick aside is no harm
    centre = (middle - offset) % TURN
    return JointCalibration(ident, 0, offset, lowest - middle + centre, highest - middle + centre)


def sweep(
    chain: ServoChain,
    settled: float = 2.0,
    pause: Callable[[float], None] = time.sleep,
    watched: Sweep | None = None,
) -> Generator[tuple[JointSweep, ...], None, Calibration]:
    """Watch limp joints being led about: yield how far each is, 50 times a second; return the calibration.

    It ends by itself when every joint is done and no travel has grown for ``settled`` s. Closing it early changes
    nothing. ``watched`` goes on with an interrupted sweep. Raises ServoSilentError, ConnectionLostError.
    """
    chain.begin_sweep()
    watched, quiet, before = watched or Sweep(), 0, 0
    watched.interrupted()
    while quiet * PERIOD < settled:
        progress = watched.feed(chain.encoders())
        yield progress
        travel = sum(joint.travel for joint in progress)
        done = not any(joint.problem for joint in progress)
        quiet = quiet + 1 if done and travel == before else 0
        before = travel
        pause(PERIOD)
    return watched.finish(chain.ids)
