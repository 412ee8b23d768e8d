"""Conversion of a take to the attributes and data sets of its file; ``take_decoding`` is the other direction."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.tables.object_codec import object_to_dict
from metagui.demonstrations.health import HEALTH_TYPES, find_faults
from metagui.demonstrations.json_codec import instruction_to_dict
from metagui.demonstrations.storage import robomimic_layout, take_decoding
from metagui.demonstrations.storage.writing.dataset_writer import DatasetWriter

if TYPE_CHECKING:
    from metagui.demonstrations.demonstration import Demonstration, Segment
    from metagui.demonstrations.timing import TimingSummary

STORED_UNITS = {"time": "s", "length": "m", "angle": "rad"}
"""Units of all stored quantities."""


def write_attributes(file: Any, demonstration: Demonstration, timing: TimingSummary) -> None:
    """Write the attributes of a take's file, with the summary of its timing."""
    file.attrs["format_version"] = take_decoding.TAKE_FORMAT_VERSION
    file.attrs["task"], file.attrs["arm"] = demonstration.task, demonstration.arm
    file.attrs["notes"], file.attrs["led_by"] = demonstration.notes, demonstration.teaching_method
    file.attrs["joint_names"] = list(demonstration.joint_names)
    file.attrs["units"] = json.dumps(STORED_UNITS)
    file.attrs["anchors"] = json.dumps([object_to_dict(each) for each in demonstration.objects])
    file.attrs["rate_asked"], file.attrs["rate_reached"] = timing.rate_requested, timing.rate_reached
    file.attrs["missed_ticks"] = timing.missed
    file.attrs["success"] = take_decoding.SUCCESS_VALUES[demonstration.success]
    file.attrs["samples"], file.attrs["duration"] = len(demonstration), demonstration.duration
    file.attrs["timing"] = json.dumps(timing.to_dict())
    if demonstration.manually_segmented:
        file.attrs["recut"] = True
    if demonstration.health is not None and (faults := find_faults(demonstration.health, demonstration.joint_names)):
        file.attrs["faults"] = json.dumps(faults)
    write_trim(file, demonstration.trim)


def write_demo(demo: Any, demonstration: Demonstration) -> None:
    """Write a take to an empty group ``demo_…``."""
    demo.attrs["num_samples"] = len(demonstration)
    if demonstration.model_xml is not None:
        demo.attrs["model_file"] = demonstration.model_xml
    with DatasetWriter(demo) as writer:
        _write_arrays(writer, demonstration)
    demo["obs/ee_quaternion"].attrs["order"] = "x y z w"
    scale, offset = robomimic_layout.compute_action_scaling(demonstration.joint_names)
    demo["actions"].attrs["scale"], demo["actions"].attrs["offset"] = scale, offset
    write_segments(demo, demonstration.segments)


def _write_arrays(writer: DatasetWriter, demonstration: Demonstration) -> None:
    """Write the data sets with one entry per sample."""
    for key, (current, following) in robomimic_layout.encode_observations(demonstration).items():
        writer.write(f"obs/{key}", current)
        writer.write(f"next_obs/{key}", following)
    writer.write("actions", robomimic_layout.encode_actions(demonstration))
    last = np.arange(len(demonstration)) == len(demonstration) - 1
    writer.write("dones", last.astype(np.int64))
    writer.write("rewards", (last & (demonstration.success is True)).astype(np.float64))
    for name, field in robomimic_layout.COMMAND_FIELDS.items():
        writer.write(name, getattr(demonstration, field))
    for name in ("lateness", "latency", "retries"):
        writer.write(f"timing/{name}", getattr(demonstration.timing, name))
    writer.write("timing/time", demonstration.time)
    if demonstration.health is not None:
        for name, kind in HEALTH_TYPES.items():
            writer.write(f"health/{name}", np.asarray(getattr(demonstration.health, name), dtype=kind))
    if demonstration.states is not None:
        writer.write("states", demonstration.states)


def write_segments(demo: Any, segments: tuple[Segment, ...]) -> None:
    """Write the segments of a take to its group."""
    ranges = np.array([[s.start, s.stop] for s in segments], dtype=np.int64).reshape(-1, 2)
    demo.create_dataset("segments", data=ranges)
    demo["segments"].attrs["clicks"] = json.dumps(
        [s.instruction and instruction_to_dict(s.instruction) for s in segments]
    )


def write_trim(file: Any, trim: tuple[int, int] | None) -> None:
    """Write the trim of a take to the attributes of its file, or remove it."""
    file.attrs.pop("trim", None)
    if trim is not None:
        file.attrs["trim"] = np.array(trim, dtype=np.int64)
