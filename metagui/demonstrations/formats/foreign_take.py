"""Takes from files of other programs: joint angles become a demonstration, with the objects that a person names.

What such a file does not hold is computed, where that is possible (velocities, the tool's pose, the objects' poses by a
digital twin), or stays empty: a take without objects can be replayed and compared by its motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.arm import CONTROL_RATE_HZ, read_only_bool_copy, read_only_copy
from metagui.arms.kinematics import JOINTS, compute_tool_pose
from metagui.demonstrations.demonstration import Demonstration, Timing
from metagui.demonstrations.formats.exchange import ExchangeError, MissingAnswerError
from metagui.demonstrations.formats.joint_units import JOINT_NAMES

if TYPE_CHECKING:
    from metagui.arms.arm import BoolArray, FloatArray, SceneObject
    from metagui.demonstrations.formats.exchange import PlacedObject

MAX_JOINTS = 64
"""Maximum number of joints of an imported take."""
NOT_RECORDED_NOTE = "No joint targets are stored, so the joint angles of the next sample take their place."
PLACEMENT_QUESTION = (
    "{name} does not say what stands on the table. Nothing was imported; place the objects "
    "(--object 'red cube=0.20,0.05'), or say that there are none (--no-objects): such takes can be replayed and "
    "compared by their motion, but not adapted to other scenes."
)


@dataclass(frozen=True)
class ForeignMotion:
    """Motion of an arm as another program stored it, N samples of J joints."""

    arm: str
    """Name of the arm."""
    joint_names: tuple[str, ...]
    time: FloatArray
    """(N,) s."""
    rate: float
    """Hz."""
    positions: FloatArray
    """(N, J) rad."""
    targets: FloatArray | None = None
    """(N, J) joint targets, rad; None if none are stored."""
    tool_positions: FloatArray | None = None
    """(N, 3) m; None if they are not stored."""
    tool_yaws: FloatArray | None = None
    """(N,) rad; None if they are not stored."""


@dataclass(frozen=True)
class ObjectMotion:
    """Motion of A objects during a take."""

    objects: tuple[SceneObject, ...]
    positions: FloatArray
    """(N, A, 3) m."""
    yaws: FloatArray
    """(N, A) rad."""
    held: BoolArray
    """(N, A) True if held."""
    touched: BoolArray
    """(N, A) True if touched."""
    states: FloatArray | None = None
    """(N, D) state of the twin."""
    model_xml: str | None = None
    """Its scene as MJCF text."""


def make_foreign_take(
    task: str, name: str, motion: ForeignMotion, objects: ObjectMotion | None, notes: str = ""
) -> Demonstration:
    """Return a demonstration of a motion; ``objects`` None stands for an empty table. Raises ExchangeError."""
    count = len(motion.time)
    if count < 2:
        raise ExchangeError(f"{name} has {count} samples; a take has at least two. It was not imported.")
    tool_positions, yaws = _compute_tool_poses(motion)
    targets = (
        np.concatenate([motion.positions[1:], motion.positions[-1:]]) if motion.targets is None else motion.targets
    )
    scene = objects or make_empty_table(count)
    nothing = read_only_copy(np.zeros(count))
    return Demonstration(
        task=task,
        name=name,
        arm=motion.arm,
        joint_names=motion.joint_names,
        objects=scene.objects,
        time=read_only_copy(motion.time),
        joint_positions=read_only_copy(motion.positions),
        joint_velocities=read_only_copy(np.gradient(motion.positions, motion.time, axis=0)),
        tool_positions=read_only_copy(tool_positions),
        tool_yaws=read_only_copy(yaws),
        object_positions=read_only_copy(scene.positions),
        object_yaws=read_only_copy(scene.yaws),
        held=read_only_bool_copy(scene.held),
        touched=read_only_bool_copy(scene.touched),
        command_requested=read_only_copy(targets),
        command_sent=read_only_copy(targets),
        segments=(),
        timing=Timing(nothing, nothing, nothing, motion.rate, 0),
        states=None if scene.states is None else read_only_copy(scene.states),
        model_xml=scene.model_xml,
        notes=notes,
        teaching_method="hand" if motion.targets is None else "leader",
    )


def make_empty_table(count: int) -> ObjectMotion:
    """Return the motion of no objects during ``count`` samples."""
    flags = np.zeros((count, 0), dtype=np.bool_)
    return ObjectMotion((), np.zeros((count, 0, 3)), np.zeros((count, 0)), flags, flags)


def track_objects(name: str, motion: ForeignMotion, placement: tuple[PlacedObject, ...] | None) -> ObjectMotion | None:
    """Return the motion of placed objects, by a digital twin; None for an empty table.

    Raises MissingAnswerError if ``placement`` is None, ExchangeError for another arm, PlacementError.
    """
    from metagui.arms.simulation.digital_twin import DigitalTwin

    if placement is None:
        raise MissingAnswerError(PLACEMENT_QUESTION.format(name=name), "placement")
    if not placement:
        return None
    if motion.joint_names != JOINT_NAMES:
        raise ExchangeError(
            f"{name} was recorded with {len(motion.joint_names)} joints that are not an SO-101's, so objects cannot be "
            "followed. Nothing was imported; import it without objects (--no-objects)."
        )
    twin = DigitalTwin()
    twin.follow(motion.positions[0])
    for placed in placement:
        twin.place_object(placed.name, placed.x, placed.y, placed.yaw)
    periods = np.diff(np.rint((motion.time - motion.time[0]) * CONTROL_RATE_HZ).astype(int), prepend=-1)
    scenes, states = [], []
    for positions, ticks in zip(motion.positions, periods, strict=True):
        if ticks > 0:
            twin.follow(positions, int(ticks))
        scenes.append(twin.observe_scene())
        states.append(twin.get_state())
    return ObjectMotion(
        tuple(twin.objects),
        np.stack([scene.positions for scene in scenes]),
        np.stack([scene.yaws for scene in scenes]),
        np.stack([scene.held for scene in scenes]),
        np.stack([scene.touched for scene in scenes]),
        np.stack(states),
        twin.model_xml,
    )


def _compute_tool_poses(motion: ForeignMotion) -> tuple[FloatArray, FloatArray]:
    """Return stored poses of the tool, else those of the SO-101's kinematics, else NaN."""
    if motion.tool_positions is not None and motion.tool_yaws is not None:
        return motion.tool_positions, motion.tool_yaws
    count = len(motion.time)
    if motion.joint_names != JOINT_NAMES or motion.positions.shape[1] != len(JOINTS):
        return np.full((count, 3), np.nan), np.full(count, np.nan)
    poses = [compute_tool_pose(positions) for positions in motion.positions]
    return np.array([position for position, _ in poses]), np.unwrap([yaw for _, yaw in poses])
