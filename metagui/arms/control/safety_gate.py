"""Safety gate that filters every joint command, whatever its source, so that no arm is damaged.

Its output is finite, within the joint limits and no farther from the last target than a joint may turn in one tick,
whatever the input. It works on Python floats, because a few numpy calls on six numbers take longer than all of its
rules together, and it runs at every tick.
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
    """The arm cannot be moved safely from its present position; nothing was sent."""


@dataclass(frozen=True)
class SafetySettings:
    """Limits that the gate enforces."""

    velocity_clamp: bool = True
    """True if a target may move no faster than the joint's ``max_velocity``."""
    ease_in: float = 0.3
    """Fraction of ``max_velocity`` allowed at first; it grows to 1, or jumps there once the target is reached."""
    ease_in_time: float = 1.0
    """Time for which the allowed fraction grows, s."""
    start_tolerance: float = 0.1
    """Largest angle outside the limits at which a joint may start, rad; it then moves back inside."""
    stale_ticks: int = 5
    """Age in ticks above which a command is not executed and the last target stays."""
    stall: StallSettings = field(default_factory=StallSettings)
    health: HealthSettings = field(default_factory=HealthSettings)


@dataclass(frozen=True)
class SafetyReport:
    """Number of ticks in which each rule changed the requested command, since the gate was made."""

    ticks: int = 0
    """All ticks."""
    limited: int = 0
    """Ticks with a target outside the joint limits."""
    slowed: int = 0
    """Ticks with a target farther away than the velocity clamp allows."""
    refused: int = 0
    """Ticks with a command that was not one finite number per joint."""
    stale: int = 0
    """Ticks with a command that was too old."""
    held: int = 0
    """Ticks in which the arm held because of a person, an error, temperature or voltage."""
    stalled: int = 0
    """Number of stalls, after which a joint's target was moved back (events, not ticks)."""


class SafetyGate:
    """Turns a requested command into one that may be sent, once per tick.

    ``joints`` gives the limits of J joints, ``period`` is the time between ticks, s. Only one thread may use it;
    ``report``, ``alarm`` and ``sent`` may be read from any thread.
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
        """Discard the last target; the next one starts at the present position. Call after ``Arm.hold()``."""
        self._sent: Command | None = None
        self._hold_positions: list[float] | None = None
        self._velocity_fraction = self.settings.ease_in
        self._stall_monitor.reset()

    @property
    def sent(self) -> FloatArray | None:
        """The last targets (J,) that were allowed, rad; None before the first."""
        sent = self._sent  # read once: another thread may reset meanwhile
        return None if sent is None else sent.positions

    @property
    def report(self) -> SafetyReport:
        """Counts of all interventions so far."""
        return SafetyReport(**self._counts, stalled=self._stall_monitor.stall_count)

    @property
    def alarm(self) -> str | None:
        """Reason why the arm holds or a joint gave way, for the user; None if there is none."""
        if self._health_monitor.alarm is not None:
            return self._health_monitor.alarm
        stalled = self._stall_monitor.stalled
        if not stalled:
            return None
        return f"{' and '.join(stalled)} pushed against something and gave way. Move the arm away from it."

    def filter_command(
        self, requested: Command | None, state: JointState, age: float = 0.0, hold: bool = False
    ) -> Command:
        """Return the command that may be sent now.

        If ``requested`` is None, the last target stays. ``age`` is the time since the reading on which the command is
        based, s. ``hold`` overrides everything: the arm stops at its present position. Raises SafetyError if there is
        no last target and the pose is unknown or far outside the limits.
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
        """Return the present position while a person guides the arm by hand; the next target starts there."""
        self._counts["ticks"] += 1
        self.reset()
        self._health_monitor.observe(state)
        return Command(state.positions)

    def _start_from(self, present: list[float]) -> list[float]:
        """Return the present position, clipped to the limits, as the first target. Raises SafetyError."""
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
        """Return the requested targets, or the last ones if the request is missing, too old or invalid."""
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
        """Return the arm's position when the hold began; a gripper keeps squeezing the object it holds."""
        self._counts["held"] += 1
        if self._hold_positions is None:
            self._hold_positions = [
                min(max(target, p - slack), p + slack) if math.isfinite(p) else target
                for target, p, slack in zip(sent, present, self._stall_monitor.hold_slack, strict=True)
            ]
        return self._hold_positions

    def _clip_to_limits(self, goal: list[float]) -> list[float]:
        """Clip to the joint limits, and to the barrier if a joint is stalled."""
        inside = [
            low if angle < low else up if angle > up else angle  # three times as fast as min and max
            for angle, low, up in zip(goal, self._lower, self._upper, strict=True)
        ]
        self._counts["limited"] += inside != goal
        return self._stall_monitor.apply_barriers(inside)

    def _step_towards(self, sent: list[float], goal: list[float]) -> list[float]:
        """Return targets between the last ones and the goal, as far as one tick allows."""
        fraction = self._velocity_fraction
        targets = []
        for last, target, step in zip(sent, goal, self._max_steps, strict=True):
            lower, upper = last - fraction * step, last + fraction * step
            targets.append(lower if target < lower else upper if target > upper else target)
        slowed = targets != goal
        self._counts["slowed"] += slowed
        self._velocity_fraction = min(1.0, fraction + self._fraction_per_tick) if slowed else 1.0
        return targets
