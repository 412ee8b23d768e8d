"""Conversion of ticks to a take: rows in preallocated blocks, split into segments at the instructions.

Used by the recorder with a journal, by the recorder in memory, and by crash recovery.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import CONTROL_RATE_HZ, FloatArray, read_only_copy
from metagui.arms.gripper import find_closing
from metagui.arms.kinematics import GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD
from metagui.arms.tables.object_codec import object_from_dict, object_to_dict
from metagui.demonstrations.demonstration import Demonstration, Instruction, Segment, Timing
from metagui.demonstrations.health import HEALTH_TYPES, ServoHealth
from metagui.demonstrations.recording.take_columns import collect_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import Arm, Scene, SceneObject
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import TeachingMethod
    from metagui.demonstrations.recording.take_columns import TakeColumns

MAX_STATE_SIZE = 1 << 20
"""Maximum length of a simulator's state that is read back."""
_BLOCK_ROWS = 256
"""Number of rows allocated at a time: five seconds."""


class RecordingError(Exception):
    """A take cannot be recorded; the message gives the cause, what is safe, and what to do."""


_JOURNAL_KEYS = {
    "objects": "anchors",
    "rate_requested": "rate",
    "model_xml": "model",
    "teaching_method": "led_by",
    "measures_health": "health",
}
"""Key in a journal's header by field name, where the two differ."""


@dataclass(frozen=True)
class TakeHeader:
    """Properties that are constant during a take."""

    task: str
    arm: str
    joint_names: tuple[str, ...]
    objects: tuple[SceneObject, ...]
    rate_requested: float = CONTROL_RATE_HZ
    """Control rate requested from the loop, Hz."""
    state_size: int = 0
    """Length of the simulator's state; 0 for an arm without one."""
    model_xml: str | None = None
    """MJCF text of the simulated arm."""
    teaching_method: TeachingMethod = "clicks"
    measures_health: bool = False
    """True if the arm's servos report their status."""

    @classmethod
    def from_arm(
        cls,
        task: str,
        arm: Arm,
        scene: Scene,
        rate_requested: float = CONTROL_RATE_HZ,
        teaching_method: TeachingMethod = "clicks",
    ) -> TakeHeader:
        """Return the header of a take of ``arm`` among the objects of ``scene``."""
        get_state = getattr(arm, "get_state", None)
        return cls(
            task=task,
            arm=arm.name,
            joint_names=tuple(joint.name for joint in arm.joints),
            objects=tuple(scene.objects),
            rate_requested=rate_requested,
            state_size=len(get_state()) if callable(get_state) else 0,
            model_xml=getattr(arm, "model_xml", None),
            teaching_method=teaching_method,
            measures_health=bool(getattr(arm, "measures_health", False)),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values under the journal's keys."""
        values: dict[str, Any] = asdict(self)
        values["objects"] = [object_to_dict(each) for each in self.objects]
        return {_JOURNAL_KEYS.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TakeHeader:
        """Invert ``to_dict``; keys of newer versions are ignored. Raises KeyError, TypeError, ValueError."""
        stored = {
            field.name: values[key]
            for field in fields(cls)
            if (key := _JOURNAL_KEYS.get(field.name, field.name)) in values
        }
        stored["objects"] = tuple(object_from_dict(each) for each in stored["objects"])
        stored["joint_names"] = tuple(stored["joint_names"])
        header = cls(**stored)
        texts = (header.task, header.arm, *header.joint_names, header.model_xml or "")
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a name in the header is not text")
        if not 0 < header.rate_requested < np.inf or not 0 <= header.state_size <= MAX_STATE_SIZE:
            raise ValueError("a number in the header is out of its range")
        return header

    def row_dtype(self) -> np.dtype[np.void]:
        """Return the data type of one sample's row, with the field names of version 0.1."""
        joints, objects = (len(self.joint_names),), len(self.objects)
        state = [("state", "f8", (self.state_size,))] if self.state_size else []
        health = [(name, kind, joints) for name, kind in HEALTH_TYPES.items()] if self.measures_health else []
        return np.dtype(
            [
                ("time", "f8"),
                ("lateness", "f8"),
                ("latency", "f8"),
                ("retries", "f8"),
                ("missed", "i8"),
                ("click", "i8"),
                ("joint_positions", "f8", joints),
                ("joint_velocities", "f8", joints),
                ("tool_position", "f8", (3,)),
                ("tool_yaw", "f8"),
                ("anchor_positions", "f8", (objects, 3)),
                ("anchor_yaws", "f8", (objects,)),
                ("held", "u1", (objects,)),
                ("touched", "u1", (objects,)),
                ("asked", "f8", joints),
                ("sent", "f8", joints),
                *health,
                *state,
            ]
        )


class TakeBuilder:
    """Collects the ticks of one take, starting with the first decision of a controller."""

    def __init__(self, header: TakeHeader) -> None:
        self.header = header
        self.instructions: list[Instruction] = []
        """Instructions started so far; the field ``click`` of a row is an index into them, or -1."""
        self._row_dtype = header.row_dtype()
        self._blocks: list[NDArray[np.void]] = []
        self._count = 0
        self._last_instruction: tuple[object, int] | None = None

    def __len__(self) -> int:
        return self._count

    def append(self, tick: Tick) -> bool:
        """Add one tick; return False for a tick before the first decision, or of a move to the start: it is skipped."""
        if self._count == 0 and (tick.joint_move is not None or not tick.is_decision):
            return False
        if self._count == len(self._blocks) * _BLOCK_ROWS:
            self._blocks.append(np.zeros(_BLOCK_ROWS, self._row_dtype))
        self._blocks[-1][self._count % _BLOCK_ROWS] = self._make_row(tick)
        self._count += 1
        return True

    def rows(self, start: int = 0) -> NDArray[np.void]:
        """Return the rows from ``start`` to the end, (N - start,)."""
        first, offset = divmod(start, _BLOCK_ROWS)
        blocks = self._blocks[first:] or [np.zeros(0, self._row_dtype)]
        joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return joined[offset : offset + self._count - start]

    def build(self, name: str = "") -> Demonstration:
        """Return the take. Raises RecordingError if it has no samples."""
        samples = collect_columns(self._blocks, self._row_dtype, self._count)
        return build_take(self.header, samples, self.instructions, name)

    def _make_row(self, tick: Tick) -> tuple[Any, ...]:
        """Return one sample in the order of ``TakeHeader.row_dtype``; assigning whole rows is the fastest in numpy."""
        observation, joints, scene = tick.observation, tick.observation.joints, tick.observation.scene
        requested = tick.requested.positions
        row: tuple[Any, ...] = (
            tick.time, tick.lateness, joints.latency, joints.retries, tick.missed_deadlines,
            self._find_instruction_index(tick), joints.positions, joints.velocities,
            observation.tool_position, observation.tool_yaw,
            scene.positions, scene.yaws, scene.held, scene.touched,
            requested if requested.shape == (len(self.header.joint_names),) else np.nan, tick.sent.positions,
        )  # fmt: skip
        if self.header.measures_health:
            row = (*row, joints.statuses, joints.loads, joints.currents, joints.voltages, joints.temperatures)
        if tick.state is not None:
            return *row, tick.state
        return (*row, 0.0) if self.header.state_size else row

    def _find_instruction_index(self, tick: Tick) -> int:
        """Return the index of the tick's instruction, the same if it starts a second time; -1 for none."""
        if not isinstance(tick.instruction, Instruction):
            return -1
        last = self._last_instruction
        if last is None or last[0] is not tick.instruction or last[1] != tick.instruction_index:
            self._last_instruction = (tick.instruction, tick.instruction_index)
            self.instructions.append(tick.instruction)
        return len(self.instructions) - 1


class InMemoryRecorder:
    """Sink that records one take in memory, for demonstrations faster than real time."""

    def __init__(
        self,
        task: str,
        arm: Arm,
        name: str = "",
        scene: Scene | None = None,
        teaching_method: TeachingMethod = "clicks",
    ) -> None:
        """Record from ``arm``; without a ``scene`` the arm must be one, as the simulated arm is."""
        self._name = name
        header = TakeHeader.from_arm(task, arm, scene or arm, teaching_method=teaching_method)  # type: ignore[arg-type]
        self._builder = TakeBuilder(header)

    def on_tick(self, tick: Tick) -> None:
        """Add one tick."""
        self._builder.append(tick)

    def stop(self) -> Demonstration:
        """Return the take. Raises RecordingError if nothing was recorded."""
        return self._builder.build(self._name)


def build_take(
    header: TakeHeader, samples: TakeColumns, instructions: Sequence[Instruction], name: str = ""
) -> Demonstration:
    """Return the take with the N ``samples``. Raises RecordingError if there are none."""
    if not len(samples):
        raise RecordingError("Nothing was recorded: the take ended before its first sample. Record it again.")
    columns = samples.finish()
    timing = Timing(
        **{key: columns[key] for key in ("lateness", "latency", "retries")},
        rate_requested=header.rate_requested,
        missed=int(columns["missed"][-1] - columns["missed"][0]),
    )
    if header.teaching_method == "hand":
        columns |= _derive_hand_guiding_commands(columns["joint_positions"])
    return Demonstration(
        task=header.task,
        name=name,
        arm=header.arm,
        joint_names=header.joint_names,
        objects=header.objects,
        time=columns["time"],
        joint_positions=columns["joint_positions"],
        joint_velocities=columns["joint_velocities"],
        tool_positions=columns["tool_position"],
        tool_yaws=columns["tool_yaw"],
        object_positions=columns["anchor_positions"],
        object_yaws=columns["anchor_yaws"],
        held=columns["held"],
        touched=columns["touched"],
        command_requested=columns["asked"],
        command_sent=columns["sent"],
        segments=split_by_instruction(columns["click"], instructions),
        timing=timing,
        health=ServoHealth(**{key: columns[key] for key in HEALTH_TYPES}) if header.measures_health else None,
        states=columns["state"] if header.state_size else None,
        model_xml=header.model_xml,
        teaching_method=header.teaching_method,
    )


def _derive_hand_guiding_commands(positions: FloatArray) -> dict[str, FloatArray]:
    """Return the commands of a hand-guided take: the next ``positions`` (N, J), the gripper fully open or closed.

    If a cube stopped the fingers, only the direction of their last motion shows that they were closing.
    """
    following = np.concatenate([positions[1:], positions[-1:]])
    requested = following.copy()
    requested[:, -1] = np.where(find_closing(following[:, -1]), GRIPPER_CLOSED_RAD, GRIPPER_OPEN_RAD)
    return {"asked": read_only_copy(requested), "sent": read_only_copy(following)}


def split_by_instruction(
    instruction_indices: NDArray[np.int64], instructions: Sequence[Instruction]
) -> tuple[Segment, ...]:
    """Return the last run of each index in ``instruction_indices`` (N,) as a segment, except for -1, which is none."""
    edges = np.flatnonzero(np.diff(instruction_indices)) + 1
    bounds = [0, *edges.tolist(), len(instruction_indices)]
    segments: dict[int, Segment] = {}
    for start, stop in itertools.pairwise(bounds):
        if start < stop and (index := int(instruction_indices[start])) >= 0:
            segments.pop(index, None)
            segments[index] = Segment(start, stop, instructions[index] if index < len(instructions) else None)
    return tuple(segments.values())
