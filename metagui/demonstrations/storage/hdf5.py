"""HDF5 file of one take in the layout of robomimic, so that its data loaders open the file as it is."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import h5py
import numpy as np

from metagui.arms.arm import read_only_copy
from metagui.atomic_write import write_atomically
from metagui.demonstrations.demonstration import Demonstration, Segment, TeachingMethod, Timing
from metagui.demonstrations.json_codec import (
    instruction_from_dict,
    instruction_to_dict,
    object_from_dict,
    object_to_dict,
)
from metagui.demonstrations.storage import robomimic_layout
from metagui.demonstrations.storage.errors import CorruptFileError, InvalidTakeError, NewerFormatError
from metagui.demonstrations.storage.validation import validate_demonstration
from metagui.demonstrations.timing import TimingSummary, summarise_timing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAKE_FORMAT_VERSION = 1
"""Format version of take files; increased when older versions of metagui can no longer read them."""
STORED_UNITS = {"time": "s", "length": "m", "angle": "rad"}
"""Units of all stored quantities."""
HDF5_READ_ERRORS = (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, AttributeError, MemoryError)
"""Exceptions that h5py and numpy raise for a corrupt file, depending on what is corrupt."""
_SUCCESS_VALUES = {True: "yes", False: "no", None: "not said"}
_ROBOMIMIC_GYM_TYPE = 2
"""The most similar environment type of robomimic."""


@dataclass(frozen=True)
class TakeInfo:
    """Listing of a take, read from the attributes of its file only."""

    task: str
    name: str
    path: Path
    read_only: bool = False
    """True for an example that ships with metagui."""
    sample_count: int = 0
    duration: float = 0.0
    """s."""
    arm: str = ""
    success: bool | None = None
    notes: str = ""
    trim: tuple[int, int] | None = None
    timing: TimingSummary | None = None
    error: str = ""
    """Why the file cannot be read; empty if it can."""

    @property
    def problem(self) -> str:
        """Description of what is wrong with the take; empty if nothing is."""
        if self.error:
            return self.error
        is_rate_missed = self.timing is not None and self.timing.is_rate_missed
        return f"Rate missed by more than 1 %: {self.timing}" if is_rate_missed else ""


def write_take(path: Path, demonstration: Demonstration) -> None:
    """Write a take to a new file, atomically. Raises InvalidTakeError, FileExistsError, OSError."""
    validate_demonstration(demonstration)
    write_atomically(path, _encode_take(demonstration))


def read_take(path: Path) -> Demonstration:
    """Read a take. Raises CorruptFileError, NewerFormatError."""
    with open_take(path) as file:
        demonstration = read_demo(file["data/demo_0"], dict(file.attrs), path.stem)
    try:
        validate_demonstration(demonstration)
    except InvalidTakeError as error:
        raise CorruptFileError(
            f"{path.name} contradicts itself: {error} It is left as it is; restore it from a copy, or remove it."
        ) from error
    return demonstration


def read_take_info(path: Path, task: str, read_only: bool = False) -> TakeInfo:
    """Return the listing of a take; a file that cannot be read has an ``error``."""
    try:
        with open_take(path) as file:
            attributes = dict(file.attrs)
            return TakeInfo(
                task=task,
                name=path.stem,
                path=path,
                read_only=read_only,
                sample_count=int(attributes["samples"]),
                duration=float(attributes["duration"]),
                arm=str(attributes["arm"]),
                success=_read_success(attributes),
                notes=str(attributes["notes"]),
                trim=_read_trim(attributes),
                timing=TimingSummary.from_dict(json.loads(attributes["timing"])),
            )
    except (CorruptFileError, NewerFormatError) as error:
        return TakeInfo(task, path.stem, path, read_only, error=str(error))


def update_take(path: Path, **changes: Any) -> None:
    """Change attributes or segments of a stored take, never its samples.

    Changes are ``success``, ``trim``, ``notes``, ``segments`` and ``manually_segmented``. Raises CorruptFileError,
    NewerFormatError, OSError.
    """
    with open_take(path):
        image = path.read_bytes()
    with h5py.File(io.BytesIO(image), "r+") as file:
        if "success" in changes:
            file.attrs["success"] = _SUCCESS_VALUES[changes["success"]]
        if "notes" in changes:
            file.attrs["notes"] = changes["notes"]
        if "manually_segmented" in changes:
            file.attrs["recut"] = changes["manually_segmented"]
        if "trim" in changes:
            _write_trim(file, changes["trim"])
        if "segments" in changes:
            del file["data/demo_0/segments"]
            _write_segments(file["data/demo_0"], changes["segments"])
        image = get_file_image(file)
    write_atomically(path, image, replace=True)


@contextlib.contextmanager
def open_take(path: Path) -> Iterator[Any]:
    """Open a take of a known format for reading. Raises CorruptFileError, NewerFormatError."""
    try:
        with h5py.File(path, "r") as file:
            version = file.attrs.get("format_version")
            if version is None:
                raise CorruptFileError(
                    f"{path.name} is an HDF5 file but no take of metagui. It is left as it is; import it to use it."
                )
            if int(version) > TAKE_FORMAT_VERSION:
                raise NewerFormatError(
                    f"{path.name} was written by a newer metagui (format {version}; this version reads up to "
                    f"{TAKE_FORMAT_VERSION}). It is left as it is; update metagui to open it."
                )
            yield file
    except HDF5_READ_ERRORS as error:
        raise CorruptFileError(
            f"{path.name} cannot be read as a take: {error}. It is left as it is; restore it from a copy, or remove it."
        ) from error


def _encode_take(demonstration: Demonstration) -> bytes:
    """Return the bytes of the file, which is made in memory: HDF5 may crash the process if a disk is full."""
    with h5py.File("take", "w", libver="v110", driver="core", backing_store=False) as file:
        _write_attributes(file, demonstration)
        data = file.create_group("data")
        data.attrs["total"] = len(demonstration)
        environment = {"env_name": demonstration.arm, "type": _ROBOMIMIC_GYM_TYPE, "env_kwargs": {}}
        data.attrs["env_args"] = json.dumps(environment)
        _write_demo(data.create_group("demo_0"), demonstration)
        return get_file_image(file)


def get_file_image(file: Any) -> bytes:
    """Return the bytes of an HDF5 file in memory."""
    file.flush()
    return bytes(file.id.get_file_image())


def _write_attributes(file: Any, demonstration: Demonstration) -> None:
    timing = summarise_timing(demonstration)
    file.attrs["format_version"] = TAKE_FORMAT_VERSION
    file.attrs["task"], file.attrs["arm"] = demonstration.task, demonstration.arm
    file.attrs["notes"], file.attrs["led_by"] = demonstration.notes, demonstration.teaching_method
    file.attrs["joint_names"] = list(demonstration.joint_names)
    file.attrs["units"] = json.dumps(STORED_UNITS)
    file.attrs["anchors"] = json.dumps([object_to_dict(each) for each in demonstration.objects])
    file.attrs["rate_asked"], file.attrs["rate_reached"] = timing.rate_requested, timing.rate_reached
    file.attrs["missed_ticks"] = timing.missed
    file.attrs["success"] = _SUCCESS_VALUES[demonstration.success]
    file.attrs["samples"], file.attrs["duration"] = len(demonstration), demonstration.duration
    file.attrs["timing"] = json.dumps(timing.to_dict())
    if demonstration.manually_segmented:
        file.attrs["recut"] = True
    _write_trim(file, demonstration.trim)


def _write_demo(demo: Any, demonstration: Demonstration) -> None:
    demo.attrs["num_samples"] = len(demonstration)
    if demonstration.model_xml is not None:
        demo.attrs["model_file"] = demonstration.model_xml
    for key, values in robomimic_layout.encode_observations(demonstration).items():
        _write_dataset(demo, f"obs/{key}", values)
        _write_dataset(demo, f"next_obs/{key}", robomimic_layout.shift_to_next(values))
    demo["obs/ee_quaternion"].attrs["order"] = "x y z w"
    _write_dataset(demo, "actions", robomimic_layout.encode_actions(demonstration))
    scale, offset = robomimic_layout.compute_action_scaling(demonstration.joint_names)
    demo["actions"].attrs["scale"], demo["actions"].attrs["offset"] = scale, offset
    last = np.arange(len(demonstration)) == len(demonstration) - 1
    _write_dataset(demo, "dones", last.astype(np.int64))
    _write_dataset(demo, "rewards", (last & (demonstration.success is True)).astype(np.float64))
    for name, field in robomimic_layout.COMMAND_FIELDS.items():
        _write_dataset(demo, name, getattr(demonstration, field))
    for name in ("lateness", "latency", "retries"):
        _write_dataset(demo, f"timing/{name}", getattr(demonstration.timing, name))
    _write_dataset(demo, "timing/time", demonstration.time)
    if demonstration.states is not None:
        _write_dataset(demo, "states", demonstration.states)
    _write_segments(demo, demonstration.segments)


def _write_dataset(group: Any, name: str, values: Any) -> None:
    large = values.nbytes > 4096
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if large else {}
    group.create_dataset(name, data=values, **options)


def _write_segments(demo: Any, segments: tuple[Segment, ...]) -> None:
    ranges = np.array([[s.start, s.stop] for s in segments], dtype=np.int64).reshape(-1, 2)
    demo.create_dataset("segments", data=ranges)
    demo["segments"].attrs["clicks"] = json.dumps(
        [s.instruction and instruction_to_dict(s.instruction) for s in segments]
    )


def _write_trim(file: Any, trim: tuple[int, int] | None) -> None:
    file.attrs.pop("trim", None)
    if trim is not None:
        file.attrs["trim"] = np.array(trim, dtype=np.int64)


def read_demo(demo: Any, attributes: dict[str, Any], name: str) -> Demonstration:
    """Read the take in a group ``demo_…``, given the attributes of its file. Raises ``HDF5_READ_ERRORS``."""
    commands: dict[str, Any] = {
        field: read_only_copy(demo[name]) for name, field in robomimic_layout.COMMAND_FIELDS.items()
    }
    timing = {name: read_only_copy(demo["timing"][name]) for name in ("lateness", "latency", "retries")}
    return Demonstration(
        task=str(attributes["task"]),
        name=name,
        arm=str(attributes["arm"]),
        joint_names=tuple(str(name) for name in attributes["joint_names"]),
        objects=tuple(object_from_dict(values) for values in json.loads(attributes["anchors"])),
        time=read_only_copy(demo["timing/time"]),
        segments=_read_segments(demo["segments"]),
        timing=Timing(**timing, rate_requested=float(attributes["rate_asked"]), missed=int(attributes["missed_ticks"])),
        states=read_only_copy(demo["states"]) if "states" in demo else None,
        model_xml=str(demo.attrs["model_file"]) if "model_file" in demo.attrs else None,
        success=_read_success(attributes),
        notes=str(attributes["notes"]),
        manually_segmented=bool(attributes.get("recut", False)),
        trim=_read_trim(attributes),
        teaching_method=_read_teaching_method(attributes),
        **commands,
        **robomimic_layout.decode_observations({key: values[()] for key, values in demo["obs"].items()}),
    )


def _read_segments(dataset: Any) -> tuple[Segment, ...]:
    instructions = json.loads(dataset.attrs["clicks"])
    return tuple(
        Segment(int(start), int(stop), None if values is None else instruction_from_dict(values))
        for (start, stop), values in zip(dataset[()], instructions, strict=True)
    )


def _read_success(attributes: dict[str, Any]) -> bool | None:
    return {text: value for value, text in _SUCCESS_VALUES.items()}[str(attributes["success"])]


def _read_teaching_method(attributes: dict[str, Any]) -> TeachingMethod:
    """Return the teaching method; 'clicks' for older files without one, and for unknown methods of newer versions."""
    found: Any = attributes.get("led_by")
    return found if found in get_args(TeachingMethod) else "clicks"


def _read_trim(attributes: dict[str, Any]) -> tuple[int, int] | None:
    trim = attributes.get("trim")
    return None if trim is None else (int(trim[0]), int(trim[1]))
