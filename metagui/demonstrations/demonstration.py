"""What was shown: clicks, segments and whole demonstrations, as frozen numpy records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.arms.arm import BoolArray, FloatArray, SceneObject

TeachingMethod = Literal["clicks", "hand", "leader", "velocity"]
"""How a person showed a take: clicked, led the arm by hand or with a second arm, or drove it."""


class TakeKey(NamedTuple):
    """Key of one take: the names of its task and of the take."""

    task: str
    take: str


@dataclass(frozen=True)
class Instruction:
    """One thing the teacher asked for: a verb, the anchor it is about, and how exactly.

    ``parameters`` holds the verb's own numbers and words (offset, radius, height, speed ...); see
    ``programs.VERBS`` for which verb takes what.
    """

    action: str
    object_name: str
    target_name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Segment:
    """The samples ``[start, stop)`` in which one click was carried out; ``click`` is None if cut otherwise."""

    start: int
    stop: int
    instruction: Instruction | None = None


@dataclass(frozen=True)
class Timing:
    """How well the loop kept its rate, one entry a sample."""

    lateness: FloatArray
    """(N,) how late the tick began, s."""
    latency: FloatArray
    """(N,) time on the bus, s."""
    retries: FloatArray
    """(N,)"""
    rate_requested: float
    missed: int
    """Deadlines that passed without a tick."""


@dataclass(frozen=True)
class Demonstration:
    """One take: N samples at the control rate of one arm (J joints, the last the gripper) among A anchors."""

    task: str
    name: str
    """The take's name, unique within its task."""
    arm: str
    joint_names: tuple[str, ...]
    objects: tuple[SceneObject, ...]
    time: FloatArray
    """(N,) monotonic, s."""
    joint_positions: FloatArray
    """(N, J) rad."""
    joint_velocities: FloatArray
    """(N, J) rad/s."""
    tool_positions: FloatArray
    """(N, 3) m, base frame."""
    tool_yaws: FloatArray
    """(N,) rad."""
    object_positions: FloatArray
    """(N, A, 3) m."""
    object_yaws: FloatArray
    """(N, A) rad."""
    held: BoolArray
    """(N, A)"""
    touched: BoolArray
    """(N, A)"""
    command_requested: FloatArray
    """(N, J) rad, before the safety gate; led by hand, the next sample's positions, the gripper open or closed."""
    command_sent: FloatArray
    """(N, J) rad, after the safety gate; led by hand, the next sample's positions."""
    segments: tuple[Segment, ...]
    timing: Timing
    states: FloatArray | None = None
    """(N, D) the simulator's full state, so that a take replays exactly."""
    model_xml: str | None = None
    """The simulated arm's MJCF text."""
    success: bool | None = None
    notes: str = ""
    teaching_method: TeachingMethod = "clicks"
    recut: bool = False
    """Whether a person moved the cuts; they stay where they are then."""
    trim: tuple[int, int] | None = None
    """Samples to keep, [start, stop); nothing outside is ever destroyed."""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the last."""
        return float(self.time[-1] - self.time[0]) if len(self) else 0.0
