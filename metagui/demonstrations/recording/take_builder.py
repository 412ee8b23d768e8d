"""From ticks to a take: rows in preallocated blocks, cut into segments where the teacher clicked.

Shared by the recorder that writes files, the one that does not, and the recovery of what a crash left behind.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import CONTROL_RATE, FloatArray, frozen, frozen_flags
from metagui.arms.gripper import Grip
from metagui.arms.kinematics import GRIPPER_CLOSED, GRIPPER_OPEN
from metagui.demonstrations.demonstration import Click, Demonstration, Segment, Timing
from metagui.demonstrations.json_codec import anchor_from_dict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from metagui.arms.arm import Anchor, Arm, Scene
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Leading

_BLOCK = 256
"""Rows allocated at a time: five seconds."""


class RecordingError(Exception):
    """A take cannot be recorded; the message says what happened, what is safe, what to do."""


@dataclass(frozen=True)
class TakeHeader:
    """What stays the same during a take."""

    task: str
    arm: str
    joint_names: tuple[str, ...]
    anchors: tuple[Anchor, ...]
    rate: float = CONTROL_RATE
    """Hz asked of the loop."""
    state_size: int = 0
    """Numbers in the simulator's state, 0 for an arm without one."""
    model: str | None = None
    """The simulated arm's MJCF text."""
    led_by: Leading = "clicks"

    @classmethod
    def of(
        cls, task: str, arm: Arm, scene: Scene, rate: float = CONTROL_RATE, led_by: Leading = "clicks"
    ) -> TakeHeader:
        """Describe what is about to be recorded from ``arm`` among the anchors of ``scene``."""
        state = getattr(arm, "state", None)
        return cls(
            task=task,
            arm=arm.name,
            joint_names=tuple(joint.name for joint in arm.joints),
            anchors=tuple(scene.anchors),
            rate=rate,
            state_size=len(state()) if callable(state) else 0,
            model=getattr(arm, "model_xml", None),
            led_by=led_by,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TakeHeader:
        """Undo ``to_dict``."""
        anchors = tuple(anchor_from_dict(anchor) for anchor in values["anchors"])
        return cls(**values | {"joint_names": tuple(values["joint_names"]), "anchors": anchors})

    def row_type(self) -> np.dtype[np.void]:
        """Return the type of one sample's row."""
        joints, anchors = (len(self.joint_names),), len(self.anchors)
        state = [("state", "f8", (self.state_size,))] if self.state_size else []
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
                ("anchor_positions", "f8", (anchors, 3)),
                ("anchor_yaws", "f8", (anchors,)),
                ("held", "u1", (anchors,)),
                ("touched", "u1", (anchors,)),
                ("asked", "f8", joints),
                ("sent", "f8", joints),
                *state,
            ]
        )


class TakeBuilder:
    """Collects the ticks of one take, from the first tick in which a controller decides."""

    def __init__(self, header: TakeHeader) -> None:
        self.header = header
        self.clicks: list[Click] = []
        """The clicks begun so far; a row's ``click`` is an index into them, or -1."""
        self._row_type = header.row_type()
        self._blocks: list[NDArray[np.void]] = []
        self._count = 0
        self._mark: tuple[object | None, int] = (None, -1)

    def __len__(self) -> int:
        return self._count

    def append(self, tick: Tick) -> bool:
        """Keep one tick; return False for those before the first decision, which are left out."""
        if self._count == 0 and not tick.decision:
            return False
        if self._count == len(self._blocks) * _BLOCK:
            self._blocks.append(np.zeros(_BLOCK, self._row_type))
        self._blocks[-1][self._count % _BLOCK] = self._row(tick)
        self._count += 1
        return True

    def rows(self, start: int = 0) -> NDArray[np.void]:
        """Return the rows from ``start`` on, (N - start,)."""
        first, offset = divmod(start, _BLOCK)
        blocks = self._blocks[first:]
        if not blocks:
            return np.zeros(0, self._row_type)
        joined = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return joined[offset : offset + self._count - start]

    def build(self, name: str = "") -> Demonstration:
        """Return the take. Raises RecordingError if there is none."""
        return build(self.header, self.rows(), self.clicks, name)

    def _row(self, tick: Tick) -> tuple[Any, ...]:
        """Return one sample in the order of ``TakeHeader.row_type``: numpy takes a whole row at once the fastest."""
        observation, joints, scene = tick.observation, tick.observation.joints, tick.observation.scene
        asked = tick.asked.positions
        row = (
            tick.time, tick.lateness, joints.latency, joints.retries, tick.missed, self._click(tick),
            joints.positions, joints.velocities, observation.tool_position, observation.tool_yaw,
            scene.positions, scene.yaws, scene.held, scene.touched,
            asked if asked.shape == (len(self.header.joint_names),) else np.nan, tick.sent.positions,
        )  # fmt: skip
        if tick.state is not None:
            return *row, tick.state
        return (*row, 0.0) if self.header.state_size else row

    def _click(self, tick: Tick) -> int:
        """Return the index of the click being carried out, a new one where it has changed; -1 for none."""
        mark = (tick.click, tick.click_index)
        if not isinstance(tick.click, Click):
            self._mark = (None, -1)
            return -1
        if self._mark[0] is not mark[0] or self._mark[1] != mark[1]:
            self._mark = mark
            self.clicks.append(tick.click)
        return len(self.clicks) - 1


class MemoryRecorder:
    """A sink that records one take without any file, for demonstrations made faster than real time."""

    def __init__(
        self, task: str, arm: Arm, name: str = "", scene: Scene | None = None, led_by: Leading = "clicks"
    ) -> None:
        """Record from ``arm``, which is its own scene where none is given, as the simulated one."""
        self._name = name
        header = TakeHeader.of(task, arm, scene or arm, led_by=led_by)  # type: ignore[arg-type]
        self._builder = TakeBuilder(header)

    def on_tick(self, tick: Tick) -> None:
        """Keep one tick."""
        self._builder.append(tick)

    def stop(self) -> Demonstration:
        """Return the take. Raises RecordingError if nothing was recorded."""
        return self._builder.build(self._name)


def build(header: TakeHeader, rows: NDArray[np.void], clicks: Sequence[Click], name: str = "") -> Demonstration:
    """Return the take whose samples are ``rows`` (N,). Raises RecordingError if there is none."""
    if not len(rows):
        raise RecordingError("Nothing was recorded: the take ended before its first sample. Record it again.")
    columns = {key: frozen(rows[key]) for key in rows.dtype.names or ()}
    timing = Timing(
        lateness=columns["lateness"],
        latency=columns["latency"],
        retries=columns["retries"],
        rate_asked=header.rate,
        missed=int(rows["missed"][-1] - rows["missed"][0]),
    )
    if header.led_by == "hand":
        columns |= _of_a_hand(columns["joint_positions"])
    return Demonstration(
        task=header.task,
        name=name,
        arm=header.arm,
        joint_names=header.joint_names,
        anchors=header.anchors,
        time=columns["time"],
        joint_positions=columns["joint_positions"],
        joint_velocities=columns["joint_velocities"],
        tool_positions=columns["tool_position"],
        tool_yaws=columns["tool_yaw"],
        anchor_positions=columns["anchor_positions"],
        anchor_yaws=columns["anchor_yaws"],
        held=frozen_flags(rows["held"]),
        touched=frozen_flags(rows["touched"]),
        command_asked=columns["asked"],
        command_sent=columns["sent"],
        segments=cut(rows["click"], clicks),
        timing=timing,
        states=columns["state"] if header.state_size else None,
        model=header.model,
        led_by=header.led_by,
    )


def _of_a_hand(positions: FloatArray) -> dict[str, FloatArray]:
    """Return what a hand asked and sent: to go to the next ``positions`` (N, J), and to open or to close the gripper.

    Where a cube stopped the fingers, only the direction they came from tells that they were to close.
    """
    following = np.concatenate([positions[1:], positions[-1:]])
    asked, grip = following.copy(), Grip(float(positions[0, -1]))
    asked[:, -1] = [GRIPPER_CLOSED if grip.closing(float(p)) > 0.5 else GRIPPER_OPEN for p in following[:, -1]]
    return {"asked": frozen(asked), "sent": frozen(following)}


def cut(column: NDArray[np.int64], clicks: Sequence[Click]) -> tuple[Segment, ...]:
    """Return one segment for every unbroken run of one click in ``column`` (N,), -1 meaning none."""
    edges = np.flatnonzero(np.diff(column)) + 1
    bounds = [0, *edges.tolist(), len(column)]
    return tuple(
        Segment(start, stop, clicks[column[start]] if column[start] < len(clicks) else None)
        for start, stop in itertools.pairwise(bounds)
        if start < stop and column[start] >= 0
    )
