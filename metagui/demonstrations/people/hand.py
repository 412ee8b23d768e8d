"""The motion of a simulated person's hand: strokes with minimum jerk (Flash and Hogan, 1985), stops and tremor.

The hand guides the tool of an arm; a motion is a generator that yields once per decision.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_RATE_HZ, Command, UnreachableError, read_only_copy
from metagui.arms.control.tick import TICKS_PER_DECISION
from metagui.arms.kinematics import inverse_kinematics

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from metagui.arms.arm import FloatArray, Observation
    from metagui.demonstrations.people.habits import HumanStyle

    Motion = Generator[None, None, None]

DECISION_RATE_HZ = CONTROL_RATE_HZ / TICKS_PER_DECISION
ALIGN_HEIGHT_M = 0.028
"""Height above a contact at which a person aligns, m."""
MIN_VISIBLE_ERROR_M = 0.003
"""Minimum error that a person sees and corrects, m."""
MAX_TRAVEL_HEIGHT_M = 0.14
"""Maximum height of the tool during travel, m: farther up the arm does not reach everywhere."""
TREND_DURATION_S = 30.0
"""Time in which the speed changes by ``HumanStyle.speed_trend``, s."""


class Hand:
    """Moves the tool of an arm that was observed in ``first``; ``_position``, ``_yaw`` and ``_gripper`` are its aim."""

    def __init__(self, style: HumanStyle, first: Observation, rng: np.random.Generator) -> None:
        self._style, self._rng = style, rng
        self._now = first
        self._position = first.tool_position.copy()
        self._yaw, self._gripper = first.tool_yaw, float(first.gripper)
        self._waves = [(rng.uniform(3, 8), rng.uniform(0, 2 * np.pi, 3), rng.normal(size=3)) for _ in range(4)]
        self._decisions = 0
        self._joints = first.joints.positions[:-1]

    def _make_command(self) -> Command:
        """Return the joint targets at the present aim; out of reach the joints stay."""
        self._decisions += 1
        with contextlib.suppress(UnreachableError):
            self._joints = inverse_kinematics(self._position + self._compute_tremor(), self._yaw)
        return Command(read_only_copy(np.append(self._joints, self._gripper)))

    def _compute_tremor(self) -> FloatArray:
        """Return the current displacement (3,) by the tremor, m."""
        time = self._decisions / DECISION_RATE_HZ
        waves = [size * np.sin(2 * np.pi * rate * time + phase) for rate, phase, size in self._waves]
        return np.asarray(self._style.tremor * np.sum(waves, axis=0) / math.sqrt(2 * len(waves)))

    def _draw_speed(self) -> float:
        """Draw the mean speed of the next stroke, m/s."""
        trend = self._style.speed_trend * self._decisions / DECISION_RATE_HZ / TREND_DURATION_S
        return self._style.speed * math.exp(trend + self._rng.normal(0.0, self._style.speed_variation))

    def _stroke(self, goal: FloatArray, yaw: float, exact: bool = False) -> Motion:
        """Move to a goal (3,) with minimum jerk, along a slight curve, sometimes with a stop."""
        style, rng, start, start_yaw = self._style, self._rng, self._position.copy(), self._yaw
        end = goal + (0.0 if exact else rng.normal(0.0, style.aim_error, 3))
        length = float(np.linalg.norm(end - start))
        count = max(round(DECISION_RATE_HZ * max(length / self._draw_speed(), 0.25)), 1)
        aside = np.array([start[1] - end[1], end[0] - start[0], 0.0]) * rng.normal(0.0, style.curvature)
        hesitates = length > 0.04 and rng.random() < style.hesitation_probability
        stop = int(rng.uniform(0.3, 0.7) * count) if hesitates else -1
        for step in range(1, count + 1):
            time = step / count
            fraction = time**3 * (10 - 15 * time + 6 * time * time)
            beyond = 0.0 if exact else style.overshoot * math.sin(math.pi * time) * fraction
            self._position = start + (fraction + beyond) * (end - start) + math.sin(math.pi * fraction) * aside
            self._yaw = start_yaw + fraction * (yaw - start_yaw)
            yield
            if step == stop:
                yield from self._wait(rng.uniform(*style.pause_duration))

    def _travel(self, goal: FloatArray, yaw: float) -> Motion:
        """Go to the point above a distant goal (3,) through a higher one, if it is distant."""
        if np.linalg.norm((goal - self._position)[:2]) > 0.03:
            clearance = max(self._style.travel_height - ALIGN_HEIGHT_M, 0.0) * self._rng.uniform(0.5, 1.0)
            height = min(max(self._position[2], goal[2]) + clearance, MAX_TRAVEL_HEIGHT_M)
            if self._style.moves_along_axes:
                yield from self._stroke(np.array([*self._position[:2], height]), self._yaw)
                yield from self._stroke(np.array([self._position[0], goal[1], height]), yaw)
                yield from self._stroke(np.array([*goal[:2], height]), yaw)
            else:
                middle = (self._position + goal) / 2
                yield from self._stroke(np.array([middle[0], middle[1], height]), (self._yaw + yaw) / 2)
        yield from self._stroke(goal, yaw)

    def _align(self, above: Callable[[], FloatArray], yaw: float) -> Motion:
        """Travel high, descend to the point above a contact and correct the position there."""
        yield from self._travel(above(), yaw)
        yield from self._wait(self._rng.uniform(*self._style.align_duration) / 2)
        yield from self._correct(above)
        yield from self._wait(self._rng.uniform(*self._style.align_duration) / 2)

    def _correct(self, goal: Callable[[], FloatArray]) -> Motion:
        """Correct a visible error of the position, at most twice."""
        for _ in range(2):
            error = goal() - self._now.tool_position
            size = float(np.linalg.norm(error))
            if size < MIN_VISIBLE_ERROR_M:
                return
            yield from self._wait(0.2)
            style, self._style = self._style, replace(self._style, aim_error=min(0.3 * size, 0.0015))
            yield from self._stroke(self._position + error, self._yaw)
            self._style = style

    def _follow(self, path: FloatArray) -> Motion:
        """Draw a path (P, 3), m, at a speed that changes, off it by the aim error, slowly in and out."""
        rng, lengths = self._rng, np.linalg.norm(np.diff(path, axis=0), axis=1)
        distance = np.concatenate([[0.0], np.cumsum(lengths)])
        start, along = self._position - path[0], 0.0
        phases, error = rng.uniform(0, 2 * np.pi, 3), rng.normal(0.0, self._style.aim_error / 2, 3)
        speed = self._draw_speed() / 2
        while along < distance[-1]:
            ease = min(1.0, 0.2 + along / 0.01, 0.2 + (distance[-1] - along) / 0.01)
            wave = 1.0 + 0.3 * math.sin(2 * math.pi * self._decisions / DECISION_RATE_HZ / 1.3 + phases[0])
            along = min(along + speed * ease * wave / DECISION_RATE_HZ, float(distance[-1]))
            point = np.array([np.interp(along, distance, path[:, axis]) for axis in range(3)])
            slow = error * np.sin(along / 0.03 + phases)
            self._position = point + slow + start * math.exp(-along / 0.01)
            yield

    def _descend(self) -> Motion:
        self._position = self._position - (0.0, 0.0, self._style.speed / DECISION_RATE_HZ / 4)
        yield

    def _rise(self, height: float | None = None) -> Motion:
        """Rise by half a hand's width, or to a height of the tool, m."""
        rise = self._rng.uniform(0.045, 0.06) if height is None else height - float(self._position[2])
        yield from self._stroke(self._position + (0.0, 0.0, rise), self._yaw)

    def _move_gripper(self, angle: float) -> Motion:
        """Open or close the gripper to an angle, rad, in about half a second."""
        start, count = self._gripper, max(round(DECISION_RATE_HZ * self._rng.uniform(0.3, 0.7)), 1)
        for step in range(1, count + 1):
            self._gripper = start + (angle - start) * step / count
            yield

    def _wait(self, duration: float) -> Motion:
        for _ in range(round(DECISION_RATE_HZ * duration)):
            yield

    @property
    def _jaw_direction(self) -> FloatArray:
        return np.array([math.cos(self._yaw), math.sin(self._yaw), 0.0])
