"""The gate that every joint command passes, whoever asked for it, so that no arm is ever hurt.

What comes out is finite, within the joint limits and no farther from the last target than a joint may
turn in one tick, whatever goes in. It runs at every tick: it works on plain floats, because a few numpy
calls on six numbers cost more than all of its rules together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_PERIOD_S, ArmError, Command, FloatArray, Joint, JointState, read_only_copy
from metagui.arms.control.monitors import HealthMonitor, HealthSettings, StallMonitor, StallSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


class SafetyError(ArmError):
    """The arm cannot be moved safely from where it is; nothing was sent."""


@dataclass(frozen=True)
class SafetySettings:
    """How careful the gate is."""

    velocity_clamp: bool = True
    """Whether a target may move no faster than the joint's ``max_velocity``."""
    ease_in: float = 0.3
    """Fraction of ``max_velocity`` allowed at first; it grows to 1, or jumps there once the target is reached."""
    ease_in_time: float = 1.0
    """How long it takes to grow, s."""
    start_tolerance: float = 0.1
    """How far outside its limits a joint may stand when the gate starts, rad; it is then led back inside."""
    stale_ticks: int = 5
    """A command older than this many ticks is not carried out: the last target stays."""
    stall: StallSettings = field(default_factory=StallSettings)
    health: HealthSettings = field(default_factory=HealthSettings)


@dataclass(frozen=True)
class SafetyReport:
    """How often each rule changed what was asked, in ticks since the gate was made."""

    ticks: int = 0
    limited: int = 0
    """A target was outside the joint limits."""
    slowed: int = 0
    """A target was farther away than the velocity clamp allows."""
    refused: int = 0
    """A command was not one finite number a joint."""
    stale: int = 0
    """A command came too late."""
    held: int = 0
    """The arm was made to hold, by a person, an error, or the watch over temperature and voltage."""
    stalled: int = 0
    """A joint pushed in vain and its target was eased back (events, not ticks)."""

    @property
    def interventions(self) -> int:
        """Return how often any rule stepped in."""
        return self.limited + self.slowed + self.refused + self.stale + self.stalled + self.held


class SafetyGate:
    """Turns what was asked into what may be sent, one command a tick.

    ``joints`` gives the J limits, ``period`` the tick in s. Only one thread may use it; ``report``, ``alarm``
    and ``sent`` may be read from any.
    """

    def __init__(
        self,
        joints: Sequence[Joint],
        period: float = CONTROL_PERIOD_S,
        settings: SafetySettings | None = None,
    ) -> None:
        self.joints = tuple(joints)
        self.settings = settings or SafetySettings()
        self._lower = [joint.lower for joint in self.joints]
        self._upper = [joint.upper for joint in self.joints]
        clamp = self.settings.velocity_clamp
        self._max_steps = [joint.max_velocity * period if clamp else math.inf for joint in self.joints]
        self._fraction_per_tick = period * (1.0 - self.settings.ease_in) / self.settings.ease_in_time
        self._max_age = self.settings.stale_ticks * period
        self._stall_monitor = StallMonitor(self.joints, period, self.settings.stall)
        self._health_monitor = HealthMonitor(self.joints, self.settings.health)
        self._counts = dict.fromkeys(("ticks", "limited", "slowed", "refused", "stale", "held"), 0)
        self.reset()

    def reset(self) -> None:
        """Forget the last target, so that the next one starts where the arm is. Call after ``Arm.hold()``."""
        self._sent: Command | None = None
        self._hold_positions: list[float] | None = None
        self._velocity_fraction = self.settings.ease_in
        self._stall_monitor.reset()

    @property
    def sent(self) -> FloatArray | None:
        """The last targets (J,) that passed, rad; None before the first."""
        sent = self._sent  # read once: another thread may reset meanwhile
        return None if sent is None else sent.positions

    @property
    def report(self) -> SafetyReport:
        """What was changed so far."""
        return SafetyReport(**self._counts, stalled=self._stall_monitor.stall_count)

    @property
    def alarm(self) -> str | None:
        """Why the arm holds or a joint gave way, in words; None when all is well."""
        if self._health_monitor.alarm is not None:
            return self._health_monitor.alarm
        stalled = self._stall_monitor.stalled
        if not stalled:
            return None
        return f"{' and '.join(stalled)} pushed against something and gave way. Move the arm away from it."

    def filter_command(
        self, requested: Command | None, state: JointState, age: float = 0.0, hold: bool = False
    ) -> Command:
        """Return what may be sent now.

        ``asked`` is None where nobody wants anything: the last target stays. ``age`` is how long ago the
        state was read on which the command was decided, s. ``hold`` overrides everything: stop where the arm
        is. Raises SafetyError if there is no last target and the pose is unknown or far outside the limits.
        """
        self._counts["ticks"] += 1
        present: list[float] = state.positions.tolist()
        sent: list[float] = self._start_from(present) if self._sent is None else self._sent.positions.tolist()
        self._health_monitor.observe(state)
        self._stall_monitor.observe(sent, present, state.loads.tolist())
        if hold or self._health_monitor.alarm is not None:
            goal = self._compute_hold_positions(sent, present)
        else:
            self._hold_positions = None
            goal = self._accept(requested, age, sent)
        self._sent = Command(read_only_copy(self._step_towards(sent, self._clip_to_limits(goal))))
        return self._sent

    def follow_hand(self, state: JointState) -> Command:
        """Return where the arm is while a person leads it by hand; the next target starts there."""
        self._counts["ticks"] += 1
        self.reset()
        self._health_monitor.observe(state)
        return Command(state.positions)

    def _start_from(self, present: list[float]) -> list[float]:
        """Take the present pose for the last target."""
        tolerance = self.settings.start_tolerance
        for joint, angle in zip(self.joints, present, strict=True):
            if not math.isfinite(angle):
                raise SafetyError(
                    f"The position of {joint.name} cannot be read, so the arm is not moved. "
                    "Check its cable and connect again."
                )
            if not joint.lower - tolerance <= angle <= joint.upper + tolerance:
                raise SafetyError(
                    f"{joint.name} stands at {angle:.2f} rad, outside its limits {joint.lower:.2f} to "
                    f"{joint.upper:.2f}, so the arm is not moved. Move it inside by hand, or calibrate it, "
                    "and connect again."
                )
        return [min(max(p, low), up) for p, low, up in zip(present, self._lower, self._upper, strict=True)]

    def _accept(self, requested: Command | None, age: float, sent: list[float]) -> list[float]:
        """Return the asked targets, or the last ones where those cannot be trusted."""
        if requested is None:
            return sent
        if not age <= self._max_age:
            self._counts["stale"] += 1
            return sent
        values: list[float] = np.asarray(requested.positions, dtype=np.float64).ravel().tolist()
        if len(values) != len(self.joints) or not all(map(math.isfinite, values)):
            self._counts["refused"] += 1
            return sent
        return values

    def _compute_hold_positions(self, sent: list[float], present: list[float]) -> list[float]:
        """Return where the arm was when it began to hold; a gripper keeps squeezing what it holds."""
        self._counts["held"] += 1
        if self._hold_positions is None:
            self._hold_positions = [
                min(max(target, p - slack), p + slack) if math.isfinite(p) else target
                for target, p, slack in zip(sent, present, self._stall_monitor.hold_slack, strict=True)
            ]
        return self._hold_positions

    def _clip_to_limits(self, goal: list[float]) -> list[float]:
        """Clip to the joint limits, and to the barrier where a joint stalled."""
        inside = [
            low if angle < low else up if angle > up else angle  # min and max would take three times as long
            for angle, low, up in zip(goal, self._lower, self._upper, strict=True)
        ]
        self._counts["limited"] += inside != goal
        return self._stall_monitor.apply_barriers(inside)

    def _step_towards(self, sent: list[float], goal: list[float]) -> list[float]:
        """Go from the last target towards the goal, as far as one tick allows."""
        share = self._velocity_fraction
        near = []
        for last, target, step in zip(sent, goal, self._max_steps, strict=True):
            least, most = last - share * step, last + share * step
            near.append(least if target < least else most if target > most else target)
        slowed = near != goal
        self._counts["slowed"] += slowed
        self._velocity_fraction = min(1.0, share + self._fraction_per_tick) if slowed else 1.0
        return near
