"""Export of takes to MCAP files for Foxglove and other viewers: the only module that uses mcap."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from metagui.atomic_write import open_atomically
from metagui.demonstrations.formats.exchange import ExchangeError, ExchangeProgress, ExportReport
from metagui.demonstrations.formats.selection import read_takes
from metagui.demonstrations.json_codec import instruction_to_dict
from metagui.demonstrations.storage.robomimic_layout import compute_tool_quaternions

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.formats.exchange import ExportOptions
    from metagui.demonstrations.storage.hdf5 import TakeInfo

_NUMBERS = {"type": "array", "items": {"type": "number"}}
_TIME = {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}
_VECTOR = {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyz"}}
_QUATERNION = {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyzw"}}
_POSE = {"type": "object", "properties": {"position": _VECTOR, "orientation": _QUATERNION}}
SCHEMAS: dict[str, tuple[str, dict[str, Any]]] = {
    "/joint_states": (
        "metagui.JointStates",
        {"timestamp": _TIME, "name": {"type": "array", "items": {"type": "string"}}, "position": _NUMBERS,
         "velocity": _NUMBERS},
    ),
    "/command": (
        "metagui.JointTargets",
        {"timestamp": _TIME, "name": {"type": "array", "items": {"type": "string"}}, "position": _NUMBERS},
    ),
    "/tool": (
        "foxglove.PoseInFrame", {"timestamp": _TIME, "frame_id": {"type": "string"}, "pose": _POSE},
    ),
    "/objects": ("foxglove.SceneUpdate", {"entities": {"type": "array", "items": {"type": "object"}}}),
    "/instruction": ("metagui.Instruction", {"verb": {"type": "string"}, "anchor": {"type": "string"}}),
}  # fmt: skip
"""Name and properties of the JSON schema of every topic; angles in rad, lengths in m."""
_FRAME = "base"


def export_mcap(
    takes: Sequence[TakeInfo], path: Path, _options: ExportOptions
) -> Generator[ExchangeProgress, None, ExportReport]:
    """Write one take to a new MCAP file. Raises ExchangeError, FileExistsError, OSError."""
    try:
        from mcap.writer import Writer
    except ImportError as error:
        raise ExchangeError(
            "MCAP files need the package mcap, which is not installed. Nothing was written; install it: "
            "pip install 'metagui[formats]'"
        ) from error
    report = ExportReport(files=[path])
    yield ExchangeProgress(0, 1, f"{takes[0].task} {takes[0].name}")
    (take,) = read_takes(takes[:1], report.left_out)
    if take is None:
        raise ExchangeError(f"Nothing was written: {report.left_out[0].reason}")
    with open_atomically(path) as temporary, temporary.open("wb") as stream:
        writer = Writer(stream)
        writer.start(profile="", library="metagui")
        _write_take(writer, take.demonstration)
        writer.finish()
    report.samples, report.takes[take.info.task] = len(take.demonstration), 1
    return report


def _write_take(writer: Any, take: Demonstration) -> None:
    writer.add_metadata("take", {"task": take.task, "take": take.name, "arm": take.arm, "notes": take.notes})
    channels = {topic: _register(writer, topic) for topic in SCHEMAS}
    quaternions = compute_tool_quaternions(take.joint_positions, take.tool_yaws)
    starts = {segment.start: segment.instruction for segment in take.segments if segment.instruction is not None}
    for index, time in enumerate((take.time - take.time[0]).tolist()):
        nanoseconds = round(time * 1e9)
        stamp = {"sec": nanoseconds // 10**9, "nsec": nanoseconds % 10**9}
        names = {"timestamp": stamp, "name": list(take.joint_names)}
        positions, velocities = take.joint_positions[index].tolist(), take.joint_velocities[index].tolist()
        tool = _make_pose(take.tool_positions[index].tolist(), quaternions[index].tolist())
        messages = {
            "/joint_states": names | {"position": positions, "velocity": velocities},
            "/command": names | {"position": take.command_sent[index].tolist()},
            "/tool": {"timestamp": stamp, "frame_id": _FRAME, "pose": tool},
            "/objects": {"entities": [_make_entity(take, each, index, stamp) for each in range(len(take.objects))]},
        }
        if index in starts and (instruction := starts[index]) is not None:
            messages["/instruction"] = instruction_to_dict(instruction)
        for topic, message in messages.items():
            data = json.dumps(message).encode()
            writer.add_message(
                channels[topic], log_time=nanoseconds, data=data, publish_time=nanoseconds, sequence=index
            )


def _register(writer: Any, topic: str) -> int:
    name, properties = SCHEMAS[topic]
    schema = json.dumps({"type": "object", "properties": properties}).encode()
    schema_id = writer.register_schema(name=name, encoding="jsonschema", data=schema)
    return int(writer.register_channel(topic=topic, message_encoding="json", schema_id=schema_id))


def _make_pose(position: list[float], quaternion: list[float]) -> dict[str, Any]:
    return {
        "position": dict(zip("xyz", position, strict=True)),
        "orientation": dict(zip("xyzw", quaternion, strict=True)),
    }


def _make_entity(take: Demonstration, number: int, index: int, stamp: dict[str, int]) -> dict[str, Any]:
    """Return an object as an entity of Foxglove's 3-D view."""
    import math

    each, yaw = take.objects[number], float(take.object_yaws[index, number])
    pose = _make_pose(take.object_positions[index, number].tolist(), [0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)])
    height = each.size[2] or 0.001
    colour = dict(zip("rgba", (*each.colour, 1.0), strict=True))
    cube = {"pose": pose, "size": {"x": each.size[0], "y": each.size[1], "z": height}, "color": colour}
    return {"timestamp": stamp, "frame_id": _FRAME, "id": each.name, "cubes": [cube]}
