"""Human-like demonstrators: hands that lead the simulated arm, each with habits of its own.

They share nothing with the laws of motion that the script follows. A person strokes from place to place with minimum
jerk (Flash and Hogan, 1985), misses by millimetres and corrects what can be seen, aligns before a contact, pauses,
hesitates, trembles, and now and then grasps again. Who learns from the script alone has never seen any of that.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import Command, UnreachableError, read_only_copy
from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD, inverse_kinematics
from metagui.arms.simulation.scene import CUBE_SIZE_M
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.primitives.primitive import FINGERTIP_OFFSET_M, wrap_quarter_turn
from metagui.demonstrations.recording.take_builder import InMemoryRecorder

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from metagui.arms.arm import FloatArray, Observation
    from metagui.demonstrations.demonstration import Demonstration, Instruction

    Moves = Generator[None, None, None]

RATE = 25.0
"""Decisions a second."""
LONGEST = 4500
"""Ticks (90 s) after which a take is given up."""
ABOVE = 0.028
"""Height above the place of a contact at which a hand aligns, m."""
SEEN = 0.003
"""Errors smaller than this are not seen, and not corrected, m."""
WITHDRAW = 0.007
"""How far the fixed finger is brought off a cube while letting go, m."""


@dataclass(frozen=True)
class Person:
    """The habits of one demonstrator."""

    name: str
    speed: float
    """Mean speed of a stroke, m/s; the script's top speed is 0.25."""
    uneven: float = 0.2
    """How much that speed changes from stroke to stroke, as a share."""
    aim: float = 0.003
    """Standard deviation of where a stroke ends, m."""
    align: tuple[float, float] = (0.4, 1.2)
    """Shortest and longest time spent above a contact, s."""
    pauses: float = 0.4
    """Probability of a pause between two steps."""
    pause: tuple[float, float] = (0.3, 1.2)
    """Its length, s."""
    hesitates: float = 0.15
    """Probability of stopping in the middle of a stroke."""
    tremor: float = 0.0010
    """Amplitude, m."""
    regrasps: float = 0.1
    """Probability that a grasp is made anew."""
    height: float = 0.075
    """How high above what it goes to a hand travels, m."""
    bulge: float = 0.08
    """How far aside of the straight line strokes go, as a share of their length."""
    opening: float = GRIPPER_OPEN_RAD
    """How wide the hand opens the gripper, rad."""


PEOPLE = (
    Person("brisk", 0.20, align=(0.2, 0.6), pauses=0.2, hesitates=0.05, regrasps=0.0, aim=0.003),
    Person("careful", 0.10, align=(1.0, 2.2), pauses=0.5, aim=0.002, tremor=0.0008, height=0.06),
    Person("trembling", 0.13, uneven=0.35, tremor=0.0020, aim=0.004, bulge=0.15, regrasps=0.2),
)
"""Whom thresholds and choices may be tuned on."""
HELD_OUT = (
    Person("hesitant", 0.09, uneven=0.4, hesitates=0.5, pauses=0.7, align=(0.6, 2.0), tremor=0.0012, regrasps=0.15),
    Person("clumsy", 0.16, aim=0.005, regrasps=0.5, height=0.09, bulge=0.2, opening=0.55, tremor=0.0015),
)
"""Whom nothing may be tuned on: for reports."""


class Hand:
    """One person leading the arm through some clicks. Implements Controller: joint targets, without any click.

    ``finished`` once the hand has let go.
    """

    def __init__(
        self, person: Person, arm: SimulatedArm, clicks: Sequence[Instruction], rng: np.random.Generator
    ) -> None:
        self._person, self._rng = person, rng
        self._names = [anchor.name for anchor in arm.objects]
        self._now = arm.observe_all()
        self._at = self._now.tool_position.copy()
        self._yaw, self._gripper = self._now.tool_yaw, float(self._now.gripper)
        self._waves = [(rng.uniform(3, 8), rng.uniform(0, 2 * np.pi, 3), rng.normal(size=3)) for _ in range(4)]
        self._ticks = 0
        self._joints = self._now.joints.positions[:-1]
        self._moves = self._all(clicks)
        self.finished = False

    def decide(self, observation: Observation) -> Command | None:
        """Return where the hand takes the joints next, None once it has let go; out of reach the arm stays."""
        self._now = observation
        try:
            next(self._moves)
        except StopIteration:
            self.finished = True
            return None
        self._ticks += 1
        with contextlib.suppress(UnreachableError):
            self._joints = inverse_kinematics(self._at + self._tremble(), self._yaw)
        return Command(read_only_copy(np.append(self._joints, self._gripper)))

    def _tremble(self) -> FloatArray:
        """Return how far off the hand trembles now, (3,) m."""
        time = self._ticks / RATE
        waves = [size * np.sin(2 * np.pi * rate * time + phase) for rate, phase, size in self._waves]
        return np.asarray(self._person.tremor * np.sum(waves, axis=0) / math.sqrt(2 * len(waves)))

    def _all(self, clicks: Sequence[Instruction]) -> Moves:
        yield from self._wait(self._rng.uniform(0.2, 1.0))
        for index, click in enumerate(clicks):
            if index and self._rng.random() < self._person.pauses:
                yield from self._wait(self._rng.uniform(*self._person.pause))
            yield from getattr(self, f"_{click.action}")(click)
        yield from self._wait(self._rng.uniform(0.3, 1.0))

    # What can be done

    def _reach(self, click: Instruction) -> Moves:
        """Go to a place beside or above something."""
        yield from self._stroke(self._goal(click), 0.0)
        yield from self._correct(lambda: self._goal(click))

    def _press(self, click: Instruction) -> Moves:
        """Close the hand, come down on a cube until it is touched, rise."""
        yield from self._grip(GRIPPER_CLOSED_RAD)
        cube = self._index(click.object_name)

        def above() -> FloatArray:
            return self._where(cube) - FINGERTIP_OFFSET_M * self._jaw() + (0.0, 0.0, ABOVE)

        yield from self._align(above, 0.0)
        for _ in range(60):
            self._at = self._at - (0.0, 0.0, self._person.speed / RATE / 4)
            yield
            if self._now.scene.touched[cube]:
                break
        yield from self._rise()

    def _grasp(self, click: Instruction) -> Moves:
        """Open, align, go down, close, lift; perhaps close anew before."""
        yield from self._grip(self._person.opening)
        cube = self._index(click.object_name)
        again = self._rng.random() < self._person.regrasps
        for _ in range(2 if again else 1):
            yaw = self._yaw + wrap_quarter_turn(float(self._now.scene.yaws[cube]) - self._yaw)

            def above() -> FloatArray:
                return self._where(cube) - 0.005 * self._jaw() + (0.0, 0.0, ABOVE)

            if self._now.scene.held[cube]:
                yield from self._grip(self._person.opening)
                yield from self._stroke(above(), yaw)
            yield from self._align(above, yaw + self._rng.normal(0.0, 0.04))
            yield from self._stroke(self._at - (0.0, 0.0, ABOVE), self._yaw, miss=False)
            yield from self._grip(GRIPPER_CLOSED_RAD)
        yield from self._rise()

    def _place(self, click: Instruction) -> Moves:
        """Carry what is held above its goal, align, go down, let go beside the fixed finger, rise."""
        held = np.flatnonzero(self._now.scene.held)
        if not len(held):
            return
        cube = int(held[0])
        target = self._index(click.object_name)

        def above() -> FloatArray:
            goal = self._goal(click)
            goal[2] = self._where(target)[2] + CUBE_SIZE_M if self._where(target)[2] > 0.005 else CUBE_SIZE_M / 2
            return goal + (self._now.tool_position - self._where(cube)) + (0.0, 0.0, ABOVE)

        yield from self._align(above, self._yaw)
        for _ in range(80):
            if above()[2] - ABOVE > self._now.tool_position[2] - 0.001:
                break
            self._at = self._at - (0.0, 0.0, self._person.speed / RATE / 4)
            yield
        yield from self._grip(self._person.opening)
        yield from self._stroke(self._at - WITHDRAW * self._jaw(), self._yaw, miss=False)
        yield from self._rise()

    # What it is made of

    def _stroke(self, to: FloatArray, yaw: float, miss: bool = True) -> Moves:
        """Go there with minimum jerk, a little aside, perhaps stopping on the way."""
        person, rng, start, turn = self._person, self._rng, self._at.copy(), self._yaw
        end = to + (rng.normal(0.0, person.aim, 3) if miss else 0.0)
        length = float(np.linalg.norm(end - start))
        speed = person.speed * math.exp(rng.normal(0.0, person.uneven))
        count = max(round(RATE * max(length / speed, 0.25)), 1)
        aside = np.array([start[1] - end[1], end[0] - start[0], 0.0]) * rng.normal(0.0, person.bulge)
        stop = int(rng.uniform(0.3, 0.7) * count) if length > 0.04 and rng.random() < person.hesitates else -1
        for step in range(1, count + 1):
            share = step / count
            share = share**3 * (10 - 15 * share + 6 * share * share)
            self._at = start + share * (end - start) + math.sin(math.pi * share) * aside
            self._yaw = turn + share * (yaw - turn)
            yield
            if step == stop:
                yield from self._wait(rng.uniform(*person.pause))

    def _align(self, above: Callable[[], FloatArray], yaw: float) -> Moves:
        """Travel high, come down above a contact and stay there until it looks right."""
        over = above()
        if np.linalg.norm((over - self._at)[:2]) > 0.03:
            high = max(self._at[2], over[2]) + max(self._person.height - ABOVE, 0.0) * self._rng.uniform(0.5, 1.0)
            half = (self._at + over) / 2
            yield from self._stroke(np.array([half[0], half[1], min(high, 0.14)]), (self._yaw + yaw) / 2)
        yield from self._stroke(over, yaw)
        yield from self._wait(self._rng.uniform(*self._person.align) / 2)
        yield from self._correct(above)
        yield from self._wait(self._rng.uniform(*self._person.align) / 2)

    def _correct(self, goal: Callable[[], FloatArray]) -> Moves:
        """Go the rest of the way as it is seen now, twice at most."""
        for _ in range(2):
            way = goal() - self._now.tool_position
            if np.linalg.norm(way) < SEEN:
                return
            yield from self._wait(0.2)
            aim = replace(self._person, aim=min(0.3 * float(np.linalg.norm(way)), 0.0015))
            before, self._person = self._person, aim
            yield from self._stroke(self._at + way, self._yaw)
            self._person = before

    def _rise(self) -> Moves:
        yield from self._stroke(self._at + (0.0, 0.0, self._rng.uniform(0.045, 0.06)), self._yaw)

    def _grip(self, gripper: float) -> Moves:
        """Open or close the gripper in half a second or so."""
        start, count = self._gripper, max(round(RATE * self._rng.uniform(0.3, 0.7)), 1)
        for step in range(1, count + 1):
            self._gripper = start + (gripper - start) * step / count
            yield

    def _wait(self, seconds: float) -> Moves:
        for _ in range(round(RATE * seconds)):
            yield

    def _index(self, name: str | None) -> int:
        return self._names.index(str(name))

    def _where(self, anchor: int) -> FloatArray:
        return np.array(self._now.scene.positions[anchor])

    def _goal(self, click: Instruction) -> FloatArray:
        offset: FloatArray = np.asarray(click.parameters.get("offset", (0.0, 0.0, 0.0)))
        return self._where(self._index(click.object_name)) + offset

    def _jaw(self) -> FloatArray:
        return np.array([math.cos(self._yaw), math.sin(self._yaw), 0.0])


def led(task: str, clicks: Sequence[Instruction], person: Person, seed: int, name: str = "001") -> Demonstration | None:
    """Record a take, without cuts, of a person leading the arm in the scene of a seed; None where it takes too long."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop = ControlLoop(arm, arm)
    recorder = InMemoryRecorder(task, arm, name, teaching_method="hand")
    loop.add_sink(recorder.on_tick)
    hand = Hand(person, arm, clicks, np.random.default_rng([seed, 7]))
    loop.run_inline(hand, LONGEST)
    return recorder.stop() if hand.finished else None
