"""Conversion of a take's checked file contents to a demonstration; data that no field needs are left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from metagui.arms.arm import make_read_only_floats
from metagui.arms.tables.object_codec import object_from_dict
from metagui.demonstrations.demonstration import Demonstration, Segment, TeachingMethod, Timing
from metagui.demonstrations.health import HEALTH_TYPES, ServoHealth
from metagui.demonstrations.json_codec import instruction_from_dict
from metagui.demonstrations.storage import robomimic_layout
from metagui.demonstrations.storage.errors import ContentError, InvalidTakeError, NewerFormatError
from metagui.demonstrations.storage.validation import validate_demonstration, validate_range
from metagui.demonstrations.timing import TimingSummary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import SceneObject
    from metagui.demonstrations.storage.checked_file import CheckedGroup

TAKE_FORMAT_VERSION = 1
"""Format version of take files; increased when older versions of metagui can no longer read them."""
SUCCESS_VALUES = {True: "yes", False: "no", None: "not said"}
"""Value of the attribute ``success`` by the field of a Demonstration."""
_TIMING_FIELDS = ("lateness", "latency", "retries")
_MAX_JOINTS = 64
_MAX_TIME = 1e11
"""Later times, in the year 5138, are no dates, s since 1970."""
_MAX_OBJECTS = 1000


def is_take(attributes: CheckedGroup) -> bool:
    """Whether the attributes of a file are those of a take; other programs have a format version, too (Isaac Lab)."""
    return attributes.has_attribute("format_version") and any(map(attributes.has_attribute, ("task", "joint_names")))


def check_format_version(attributes: CheckedGroup, label: str) -> None:
    """Raise NewerFormatError if a take, called ``label`` in the message, was written by a newer metagui."""
    version = attributes.read_integer("format_version")
    if version > TAKE_FORMAT_VERSION:
        raise NewerFormatError(
            f"{label} was written by a newer metagui (format {version}; this version reads up to "
            f"{TAKE_FORMAT_VERSION}). It is left as it is; update metagui to open it."
        )


def decode_take(demo: CheckedGroup, attributes: CheckedGroup, name: str) -> Demonstration:
    """Return the take in a group ``demo_…``, given the group with the attributes of its file. Raises ContentError."""
    samples, joints = demo.read_integer("num_samples"), attributes.read_texts("joint_names")
    objects = _decode_objects(attributes)
    if len(joints) > _MAX_JOINTS or len(objects) > _MAX_OBJECTS:
        raise ContentError(f"it has {len(joints)} joints and {len(objects)} objects")
    arrays = _decode_arrays(demo, samples, len(joints), len(objects))
    timing = Timing(
        **{key: arrays.pop(key) for key in _TIMING_FIELDS},
        rate_requested=attributes.read_number("rate_asked"),
        missed=attributes.read_integer("missed_ticks"),
    )
    demonstration = Demonstration(
        task=attributes.read_text("task"),
        name=name,
        arm=attributes.read_text("arm"),
        joint_names=joints,
        objects=objects,
        segments=_decode_segments(demo),
        timing=timing,
        health=_decode_health(demo, (samples, len(joints))),
        states=make_read_only_floats(demo.read_array("states", (samples, None))) if "states" in demo else None,
        model_xml=demo.read_text("model_file") if demo.has_attribute("model_file") else None,
        success=decode_success(attributes),
        notes=attributes.read_text("notes"),
        manually_segmented=attributes.has_attribute("recut") and bool(attributes.read_number("recut")),
        trim=decode_trim(attributes, samples),
        teaching_method=decode_teaching_method(attributes),
        **arrays,
    )
    try:
        validate_demonstration(demonstration)
    except InvalidTakeError as error:
        raise ContentError(f"it contradicts itself ({str(error).rstrip('.')})") from error
    return demonstration


def _decode_arrays(demo: CheckedGroup, samples: int, joints: int, objects: int) -> dict[str, Any]:
    """Return the arrays that every take has, by field of a Demonstration or its timing."""
    shapes = robomimic_layout.compute_observation_shapes(samples, joints, objects)
    arrays = robomimic_layout.decode_observations(
        {key: demo.read_array(f"obs/{key}", shape) for key, shape in shapes.items()}
    )
    for key, field in robomimic_layout.COMMAND_FIELDS.items():
        arrays[field] = make_read_only_floats(demo.read_array(key, (samples, joints)))
    for key in ("time", *_TIMING_FIELDS):
        arrays[key] = make_read_only_floats(demo.read_array(f"timing/{key}", (samples,)))
    return arrays


def _decode_health(demo: CheckedGroup, shape: tuple[int, int]) -> ServoHealth | None:
    """Return the health of the servos; None for a simulated arm, and in takes of version 0.1."""
    if "health" not in demo:
        return None
    return ServoHealth(
        **{name: make_read_only_floats(demo.read_array(f"health/{name}", shape)) for name in HEALTH_TYPES}
    )


def decode_success(attributes: CheckedGroup) -> bool | None:
    """Return whether the take is marked as successful. Raises ContentError."""
    found = attributes.read_text("success")
    for value, text in SUCCESS_VALUES.items():
        if text == found:
            return value
    raise ContentError(f"its attribute 'success' is {found[:40]!r}, not one of {', '.join(SUCCESS_VALUES.values())}")


def decode_trim(attributes: CheckedGroup, samples: int) -> tuple[int, int] | None:
    """Return the samples [start, stop) to use; None for all. Raises ContentError."""
    if not attributes.has_attribute("trim"):
        return None
    start, stop = map(int, attributes.read_numbers("trim", 2))
    try:
        validate_range((start, stop), samples, "The trim")
    except InvalidTakeError as error:
        raise ContentError(f"it contradicts itself ({str(error).rstrip('.')})") from error
    return start, stop


def decode_faults(attributes: CheckedGroup) -> str:
    """Return the faults as a text; an attribute that does not list any is left out."""
    try:
        return describe_faults(json.loads(attributes.read_text("faults"))) if attributes.has_attribute("faults") else ""
    except (TypeError, ValueError, AttributeError, RecursionError):
        return ""


def describe_faults(faults: Mapping[str, Sequence[str]]) -> str:
    """Return faults and the joints that have them as a text, such as ``overload of gripper``."""
    return ", ".join(f"{fault} of {' and '.join(map(str, names))}" for fault, names in faults.items())


def decode_timing(attributes: CheckedGroup) -> TimingSummary:
    """Return the summary of a take's timing. Raises ContentError."""
    try:
        return TimingSummary.from_dict(json.loads(attributes.read_text("timing")))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ContentError("its attribute 'timing' is damaged") from error


def _decode_objects(attributes: CheckedGroup) -> tuple[SceneObject, ...]:
    try:
        return tuple(object_from_dict(values) for values in attributes.read_json("anchors"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContentError("its attribute 'anchors' does not describe objects") from error


def _decode_segments(demo: CheckedGroup) -> tuple[Segment, ...]:
    ranges, instructions = demo.read_array("segments", (None, 2)), demo.read_json("clicks", at="segments")
    try:
        return tuple(
            Segment(int(start), int(stop), None if values is None else instruction_from_dict(values))
            for (start, stop), values in zip(ranges, instructions, strict=True)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ContentError("the instructions of its segments are damaged") from error


def decode_teaching_method(attributes: CheckedGroup) -> TeachingMethod:
    """Return the teaching method; 'clicks' for older files without one, and for unknown methods of newer versions."""
    found: Any = attributes.read_text("led_by") if attributes.has_attribute("led_by") else None
    return found if found in get_args(TeachingMethod) else "clicks"


def decode_recorded(attributes: CheckedGroup, modified: float) -> float:
    """Return the time of the recording, s since 1970; ``modified``, that of the file, for takes that do not say."""
    found = attributes.read_number("recorded") if attributes.has_attribute("recorded") else modified
    return found if 0.0 < found < _MAX_TIME else modified
