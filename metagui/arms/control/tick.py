"""Interfaces and records of the control loop: controllers, ticks and failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from metagui.arms.arm import ArmError
from metagui.arms.kinematics import HOME_ANGLES_RAD

if TYPE_CHECKING:
    from metagui.arms.arm import Command, FloatArray, Observation
    from metagui.arms.kinematics import ToolMotion

TICKS_PER_DECISION = 2
"""Ticks per decision of a controller; its motion is split over them."""


PEAK_SPEED_RAD_S = 1.2
"""Highest speed of the fastest joint in a planned move, unless it asks for another, rad/s."""


class ControllerError(Exception):
    """The controller failed; the arm holds and the loop continues without it."""


class SinkError(Exception):
    """A sink of the loop failed; it was removed, the arm holds, the loop continues."""


class LoopStuckError(ArmError):
    """The control thread did not end in time."""


@dataclass(frozen=True)
class JointMove:
    """Decision of a controller to move all joints to a pose, on a planned path, before it is asked again."""

    goal: FloatArray
    """(J,) joint angles, the gripper last, rad; a gripper that holds an object keeps it."""
    reason: str
    """Why, as a sentence for the user."""
    peak_speed: float = PEAK_SPEED_RAD_S
    """Highest speed of the fastest joint, rad/s."""
    is_required: bool = True
    """False if the controller goes on from the present pose when there is no free path, instead of an error."""


GO_HOME_FIRST = JointMove(
    HOME_ANGLES_RAD,
    "The gripper cannot start from this pose, so the arm goes home first, around everything that it knows of.",
)
"""Decision of a controller that cannot move the tool from the present pose."""


class Controller(Protocol):
    """Decides how the arm moves: by instructions, a script, a person or a policy.

    It may have ``current_instruction`` (any object, None between instructions) and ``instruction_index`` (grows by one
    when an instruction starts, and stays when it starts again); the loop copies both into every tick, so that a
    recording can be segmented.
    """

    def decide(self, observation: Observation) -> ToolMotion | Command | JointMove | None:
        """Return what to do until the next decision; None holds, a Command sets joint targets directly.

        After a JointMove the controller is asked again when the arm has arrived.
        """


@runtime_checkable
class StatefulArm(Protocol):
    """An arm whose complete state can be stored, such as the simulated arm."""

    def get_state(self) -> FloatArray:
        """Return a copy of the state (D,)."""


@dataclass(frozen=True)
class Tick:
    """One tick of the loop, as passed to sinks and to other threads."""

    index: int
    """Number of ticks before this one."""
    time: float
    """Start of the tick, s: ``perf_counter``, or the loop's own clock when it runs without a thread."""
    lateness: float
    """Time between the deadline and the start of the tick, s."""
    missed_deadlines: int
    """Number of deadlines that passed without a tick since the loop was made."""
    observation: Observation
    """Joints, tool and scene at the start of the tick."""
    requested: Command
    """Joint targets before the safety gate; the last targets if there was no request."""
    sent: Command
    """Joint targets that were sent, as returned by the arm."""
    state: FloatArray | None
    """(D,) state of the simulator at the observation."""
    instruction: object | None
    """The instruction being executed, None if there is none."""
    instruction_index: int
    """Index of the instruction, -1 before the first."""
    alarm: str | None
    """Reason why the arm holds or gave way, for the user."""
    joint_move: JointMove | None = None
    """The planned move that is being carried out, None if there is none."""

    @property
    def is_decision(self) -> bool:
        """Return whether a controller decided in this tick."""
        return self.index % TICKS_PER_DECISION == 0

    @property
    def latency(self) -> float:
        """Return the duration of the reading on the bus, s."""
        return self.observation.joints.latency

    @property
    def retries(self) -> int:
        """Return the number of repeated requests on the bus."""
        return self.observation.joints.retries


@dataclass(frozen=True)
class LoopFailure:
    """A failure of the loop."""

    message: str
    """Text for the user: what happened, what is safe, what to do."""
    fatal: bool
    """True if the loop has ended."""
    connection_lost: bool = False
    """True if the connection to the arm was lost and may come back."""
