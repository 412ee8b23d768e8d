"""What passes between the control loop and everybody else: who decides, what a tick was, what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from metagui.arms.arm import ArmError

if TYPE_CHECKING:
    from metagui.arms.arm import Command, FloatArray, Observation
    from metagui.arms.kinematics import ToolMotion

TICKS_PER_DECISION = 2
"""A controller decides at every second tick; the motion is split over the ticks between."""


class ControllerError(Exception):
    """The controller failed; the arm holds and the loop goes on without it."""


class SinkError(Exception):
    """Something that listens to the loop failed; it was removed, the arm holds, the loop goes on."""


class LoopStuckError(ArmError):
    """The control thread did not end in time."""


class Controller(Protocol):
    """Whoever moves the arm: a person's clicks, a script, a policy.

    It may carry ``current_click`` (any object, None between clicks) and ``click_index`` (grows by one when a
    click starts); the loop copies both into every tick, so that a recording can be cut at the clicks.
    """

    def decide(self, observation: Observation) -> ToolMotion | Command | None:
        """Return what to do until the next decision; None holds, a Command names joint targets directly."""


@runtime_checkable
class StatefulArm(Protocol):
    """An arm whose whole state can be stored, as the simulated one's."""

    def get_state(self) -> FloatArray:
        """Return a copy of the state (D,)."""


@dataclass(frozen=True)
class Tick:
    """One turn of the loop, as it is handed to sinks and to other threads."""

    index: int
    time: float
    """When the tick began, s: ``perf_counter``, or the loop's own clock when it runs without a thread."""
    lateness: float
    """How long after its deadline that was, s."""
    missed_deadlines: int
    """Deadlines that passed without a tick since the loop was made."""
    observation: Observation
    requested: Command
    """Before the safety gate; where nobody asked, the last target."""
    sent: Command
    """What the arm says it was sent."""
    state: FloatArray | None
    """(D,) the simulator's state at the observation."""
    instruction: object | None
    instruction_index: int
    alarm: str | None
    """Why the arm holds or gave way, in words."""

    @property
    def is_decision(self) -> bool:
        """Whether a controller decided in this tick."""
        return self.index % TICKS_PER_DECISION == 0

    @property
    def latency(self) -> float:
        """How long the reading took on the bus, s."""
        return self.observation.joints.latency

    @property
    def retries(self) -> int:
        """How many times the bus had to be asked again."""
        return self.observation.joints.retries


@dataclass(frozen=True)
class LoopFailure:
    """What went wrong in the loop, in words; ``fatal`` if the loop has ended, ``lost`` if the arm may come back."""

    message: str
    fatal: bool
    connection_lost: bool = False
