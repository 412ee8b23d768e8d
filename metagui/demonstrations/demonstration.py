"""Data model of demonstrations: instructions, segments and takes as frozen records of numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metagui.arms.arm import BoolArray, FloatArray, SceneObject
    from metagui.demonstrations.health import ServoHealth

TeachingMethod = Literal["clicks", "hand", "leader", "velocity"]
"""Input with which a take was recorded: instructions, hand guiding, a leader arm, or keyboard or gamepad."""

ACTION_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "reach": ("offset",),
    "grasp": ("height",),
    "place": ("offset",),
    "slide": ("offset",),
    "release": (),
    "push": ("offset",),
    "press": (),
    "trace": ("shape", "radius", "ratio", "plane", "direction", "offset", "angle", "length", "width"),
    "move": ("offset",),
    "home": ("offset",),
}
"""Names of the parameters of every action; offsets and lengths in m, angles in rad."""

TRACE_SHAPES = ("circle", "ellipse", "line", "corner", "zigzag")
"""Values of the parameter ``shape``."""
TRACE_PLANES = ("horizontal", "vertical")
"""Values of the parameter ``plane``."""


class TakeKey(NamedTuple):
    """Key of one take: the names of its task and of the take."""

    task: str
    take: str


@dataclass(frozen=True)
class Instruction:
    """One command to the arm: an action, the object it refers to, and its parameters."""

    action: str
    object_name: str
    target_name: str | None = None
    """Name of a second object, such as the one that a cube is pushed to."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values of the action's own parameters; ``ACTION_PARAMETERS`` lists them."""


@dataclass(frozen=True)
class Segment:
    """Samples ``[start, stop)`` of a take that belong together."""

    start: int
    stop: int
    instruction: Instruction | None = None
    """Instruction that was carried out; None if the take was recorded without instructions."""


@dataclass(frozen=True)
class Timing:
    """Timing of the control loop during a take, one entry per sample."""

    lateness: FloatArray
    """(N,) delay of the tick behind its deadline, s."""
    latency: FloatArray
    """(N,) time spent on the bus, s."""
    retries: FloatArray
    """(N,) number of repeated bus requests."""
    rate_requested: float
    """Control rate requested from the loop, Hz."""
    missed: int
    """Number of deadlines that passed without a tick."""


@dataclass(frozen=True)
class Demonstration:
    """One take: N samples at the control rate of an arm with J joints, the last the gripper, among A objects."""

    task: str
    name: str
    """Name of the take, unique within its task."""
    arm: str
    """Name of the arm."""
    joint_names: tuple[str, ...]
    objects: tuple[SceneObject, ...]
    time: FloatArray
    """(N,) monotonic time, s."""
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
    """(N, A) True if the gripper holds the object."""
    touched: BoolArray
    """(N, A) True if the gripper touches the object."""
    command_requested: FloatArray
    """(N, J) rad, before the safety gate; with hand guiding the next positions, the gripper fully open or closed."""
    command_sent: FloatArray
    """(N, J) rad, after the safety gate; with hand guiding the positions of the next sample."""
    segments: tuple[Segment, ...]
    timing: Timing
    health: ServoHealth | None = None
    """Status, load, current, voltage and temperature of a real arm's servos."""
    states: FloatArray | None = None
    """(N, D) full state of the simulator, from which a take replays exactly."""
    model_xml: str | None = None
    """MJCF text of the simulated arm."""
    success: bool | None = None
    """True if the user marked the take as successful; None if not marked."""
    notes: str = ""
    teaching_method: TeachingMethod = "clicks"
    manually_segmented: bool = False
    """True if the user has set the segment boundaries, which are then never changed automatically."""
    trim: tuple[int, int] | None = None
    """Samples to use, [start, stop); the samples outside remain stored."""

    def __len__(self) -> int:
        return len(self.time)

    @property
    def duration(self) -> float:
        """Seconds from the first sample to the last."""
        return float(self.time[-1] - self.time[0]) if len(self) else 0.0
