"""Motions that visit places twice, drawn by a steady or a trembling hand: eights, spirals, wiping and taps.

Each take is one segment. Whether a run did the same is tested by the order in which it visits places, not by the
judge of rehearsals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import GRIPPER_OPEN_RAD, ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction, Segment
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.recording.take_builder import InMemoryRecorder
from metagui.learning.adaptation.replay_rollout import make_rollout_controller
from metagui.learning.adaptation.rollout import run_rollout
from metagui.learning.policy.features import limit_displacement

if TYPE_CHECKING:
    from collections.abc import Callable

    from metagui.arms.arm import BoolArray, FloatArray, Observation
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy

RED, YELLOW, VIOLET = 0, 3, 4
"""Indices of objects of the simulated arm."""
MAX_DRAWING_TICKS = 3000
"""Longest take, in control periods."""


@dataclass(frozen=True)
class Hand:
    """How steadily a motion is drawn."""

    name: str
    speed: float = 1.0
    """Relative speed."""
    tremor: float = 0.0
    """Amplitude of the tremor, m."""
    scale_error: float = 0.0
    """Standard deviation of the relative size."""
    aim_error: float = 0.0
    """Standard deviation of the position, m."""


STEADY = Hand("steady")
TUNING_HANDS = (Hand("slow", 0.5, 0.0008, 0.04, 0.002),)
"""Hands on which thresholds may be tuned."""
HELD_OUT_HANDS = (Hand("shaky", 0.7, 0.0015, 0.08, 0.003),)
"""Hands on which nothing may be tuned, for reports."""


@dataclass(frozen=True)
class Drawing:
    """A motion relative to an object."""

    name: str
    index: int
    """Index of the object."""
    decisions: int
    offset: Callable[[float], FloatArray]
    """Displacement (3,) from the object by the fraction of the motion, m."""
    is_drawn: Callable[[FloatArray, BoolArray], bool]
    """Whether a run drew it, from its path relative to the object (T, 3) and whether that was touched (T,)."""


def _eight(repeats: int) -> Callable[[float], FloatArray]:
    def offset(fraction: float) -> FloatArray:
        angle = 2 * math.pi * repeats * fraction
        return np.array([0.03 * math.sin(angle), 0.02 * math.sin(2 * angle), 0.06])

    return offset


def _spiral(fraction: float) -> FloatArray:
    angle, radius = 6 * math.pi * fraction, 0.008 + 0.030 * fraction
    return np.array([radius * math.cos(angle), radius * math.sin(angle), 0.06])


def _wipe(fraction: float) -> FloatArray:
    return np.array([0.0, 0.03 * math.cos(6 * math.pi * fraction), 0.03])


def count_visits(values: FloatArray, threshold: float) -> list[int]:
    """Return the order in which values (T,) are above ``threshold`` (1) and below its negative (-1)."""
    sides = [int(np.sign(value)) for value in values if abs(value) > threshold]
    return [side for i, side in enumerate(sides) if i == 0 or side != sides[i - 1]]


def _is_eight(repeats: int) -> Callable[[FloatArray, BoolArray], bool]:
    def is_drawn(path: FloatArray, _touched: BoolArray) -> bool:
        low = path[(path[:, 2] < 0.08) & (np.abs(path[:, 1]) < 0.03)]
        return count_visits(low[:, 0], 0.02) == [1, -1] * repeats

    return is_drawn


def _is_spiral(path: FloatArray, _touched: BoolArray) -> bool:
    radius = np.hypot(path[:, 0], path[:, 1])
    near = path[(radius < 0.05) & (radius > 0.004) & (path[:, 2] < 0.08)]
    turns = np.abs(np.diff(np.unwrap(np.arctan2(near[:, 1], near[:, 0]))).sum()) / (2 * math.pi) if len(near) else 0.0
    return bool(2.5 <= turns <= 3.6 and 0.028 < radius[-1] < 0.05)


def _is_wiped(path: FloatArray, _touched: BoolArray) -> bool:
    low = path[(path[:, 2] < 0.05) & (np.abs(path[:, 0]) < 0.02)]
    return len(count_visits(low[:, 1], 0.015)) == 7


def _is_tapped_twice(path: FloatArray, touched: BoolArray) -> bool:
    contacts = np.flatnonzero(touched)
    if not len(contacts):
        return False
    between = path[contacts[0] : contacts[-1], 2]
    split = count_visits(np.where(between > between.min(initial=0.0) + 0.02, 1.0, -1.0), 0.5)
    return split.count(1) == 1


DRAWINGS = (
    Drawing("eight", VIOLET, 60, _eight(1), _is_eight(1)),
    Drawing("eight twice", VIOLET, 120, _eight(2), _is_eight(2)),
    Drawing("spiral", YELLOW, 130, _spiral, _is_spiral),
    Drawing("wipe", VIOLET, 130, _wipe, _is_wiped),
    Drawing("taps", RED, 0, _spiral, _is_tapped_twice),
)


class DrawingController:
    """Draws a motion. Implements Controller."""

    instruction_index, current_instruction = 0, None

    def __init__(self, drawing: Drawing, hand: Hand, rng: np.random.Generator) -> None:
        self._drawing, self._hand = drawing, hand
        self._scale, self._aim = 1.0 + hand.scale_error * rng.normal(), hand.aim_error * rng.normal(size=3)
        self._waves = [(rng.uniform(3, 8), rng.uniform(0, 2 * np.pi, 3)) for _ in range(3)]
        self._fraction, self._decision = -1.0, 0

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion: to the beginning, then along the drawing; None at its end."""
        if self._fraction >= 1.0:
            return None
        offset = self._drawing.offset(max(self._fraction, 0.0)) * (self._scale, self._scale, 1.0)
        waves = [np.sin(2 * np.pi * rate * self._decision / 25 + phase) for rate, phase in self._waves]
        goal = observation.scene.positions[self._drawing.index] + offset + self._aim
        error = goal - observation.tool_position
        if self._fraction >= 0.0 or float(error @ error) < 0.004**2:
            self._fraction = max(self._fraction, 0.0) + self._hand.speed / self._drawing.decisions
        self._decision += 1
        step = 0.5 * error + self._hand.tremor * np.sum(waves, axis=0)
        return ToolMotion(limit_displacement(step), 0.0, GRIPPER_OPEN_RAD)


def draw(drawing: Drawing, hand: Hand, seed: int, name: str = "001") -> Demonstration:
    """Record a take of a drawing, as one segment, in the scene of ``seed``."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop, recorder = ControlLoop(arm, arm), InMemoryRecorder(drawing.name, arm, name, teaching_method="hand")
    loop.add_sink(recorder.on_tick)
    if drawing.decisions:
        loop.run_inline(DrawingController(drawing, hand, np.random.default_rng([seed, 9])), MAX_DRAWING_TICKS)
    else:
        taps = ProgramController(arm.objects)
        taps.add_instructions(*[Instruction("press", arm.objects[drawing.index].name)] * 2)
        loop.run_inline(taps, MAX_DRAWING_TICKS)
    take = recorder.stop()
    return replace(take, segments=(Segment(0, len(take)),), manually_segmented=True, success=True)


def draw_takes(drawing: Drawing, hand: Hand, count: int, seed: int) -> list[Demonstration]:
    """Return takes that passed the drawing's own test."""
    takes: list[Demonstration] = []
    for scene in np.random.default_rng([seed, drawing.decisions, len(drawing.name)]).integers(2**31, size=20 * count):
        take = draw(drawing, hand, int(scene), f"{len(takes) + 1:03}")
        path = take.tool_positions - take.object_positions[:, drawing.index]
        if drawing.is_drawn(path, take.touched[:, drawing.index]):
            takes.append(take)
        if len(takes) == count:
            break
    return takes


def run_drawing(drawing: Drawing, policy: TaskPolicy, scene: int) -> bool:
    """Run a policy in the scene of a seed; return whether it drew the same."""
    arm = SimulatedArm(scene)
    arm.connect()
    loop, path, touched = ControlLoop(arm, arm), list[np.ndarray](), list[bool]()

    def watch(tick: Tick) -> None:
        state = tick.observation.scene
        path.append(tick.observation.tool_position - state.positions[drawing.index])
        touched.append(bool(state.touched[drawing.index]))

    loop.add_sink(watch)
    outcome = run_rollout(loop, make_rollout_controller(policy, arm.objects))
    return outcome == "done" and drawing.is_drawn(np.array(path), np.array(touched))
