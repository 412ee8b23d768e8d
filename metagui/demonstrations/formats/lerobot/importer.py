"""Import of LeRobot data sets: episodes become takes, in radians, and metagui's own exports come back unchanged."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from metagui.arms.arm import ArmError
from metagui.demonstrations.formats.exchange import (
    ExchangeError,
    ImportedTake,
    JointUnit,
    LeftOut,
    MissingAnswerError,
    make_sentence,
)
from metagui.demonstrations.formats.foreign_take import (
    MAX_JOINTS,
    NOT_RECORDED_NOTE,
    ForeignMotion,
    make_foreign_take,
    track_objects,
)
from metagui.demonstrations.formats.joint_units import (
    JOINT_NAMES,
    JointScale,
    check_plausible,
    is_so101,
    make_joint_scale,
    suggest_unit,
    to_joint_names,
)
from metagui.demonstrations.formats.lerobot import layout
from metagui.demonstrations.formats.lerobot.data_set import LeRobotDataSet
from metagui.demonstrations.formats.lerobot.environment import decode_environment
from metagui.demonstrations.formats.robomimic.importer import read_own_takes
from metagui.demonstrations.formats.unused_fields import (
    NO_FIELD,
    NO_TARGETS,
    PICTURES,
    UNKNOWN_OBJECTS,
    describe_unused,
)
from metagui.demonstrations.storage.errors import ContentError, LibraryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from metagui.demonstrations.formats.exchange import ImportOptions
    from metagui.demonstrations.formats.foreign_take import ObjectMotion
    from metagui.demonstrations.formats.lerobot.data_set import EpisodePlace

_COLUMNS = (layout.STATE, layout.ACTION, layout.ENVIRONMENT, layout.TRUE_TIME, "timestamp", "frame_index")


@dataclass(frozen=True)
class _Context:
    """What is the same for all episodes of a data set."""

    data: LeRobotDataSet
    joint_names: tuple[str, ...]
    own_info: dict[str, Any] | None
    options: ImportOptions


def read_lerobot(root: Path, options: ImportOptions) -> Iterator[ImportedTake | LeftOut]:
    """Yield the take of every episode, or why an episode cannot be imported.

    Raises MissingAnswerError, ExchangeError, NewerFormatError, ContentError; then nothing was yielded.
    """
    data = LeRobotDataSet(root)
    context = _Context(data, _find_joint_names(data), data.read_own_info(), options)
    episodes = data.list_episodes()
    own_takes = _read_own_takes(root)
    scale: JointScale | None = None
    for episode in episodes:
        name = f"episode {episode.index}"
        try:
            frames = data.read_frames(episode, _COLUMNS)
            if layout.STATE not in frames:
                raise ContentError(f"its column {layout.STATE!r} is missing")
            stored = own_takes.get(_make_key(frames))
            if stored is not None:
                yield stored
                continue
            scale = scale or _choose_scale(context, frames[layout.STATE])
            yield _make_take(context, episode, frames, scale)
        except MissingAnswerError:
            raise
        except (ContentError, LibraryError, ArmError) as error:
            if scale is None and isinstance(error, ExchangeError):
                raise  # the chosen unit suits no episode
            yield LeftOut(name, make_sentence(f"{root.name}, {name}: {error}"))


def _find_joint_names(data: LeRobotDataSet) -> tuple[str, ...]:
    """Return the names of the joints. Raises ContentError."""
    feature = data.info.features.get(layout.STATE)
    if feature is None or len(feature.shape) != 1 or not 2 <= feature.shape[0] <= MAX_JOINTS:
        raise ContentError(f"it has no joint angles ({layout.STATE})")
    (count,) = feature.shape
    names = to_joint_names(feature.names or ())
    if len(names) == count:
        return names
    if count == len(JOINT_NAMES) and is_so101(data.info.robot_type):
        return JOINT_NAMES
    return tuple(f"joint_{index + 1}" for index in range(count))


def _choose_scale(context: _Context, states: NDArray[Any]) -> JointScale:
    """Return the relation of stored values and angles. Raises MissingAnswerError, ExchangeError."""
    options, own = context.options, context.own_info
    if own is not None and options.unit is None:
        return _parse_scale(own, len(context.joint_names))
    values = np.asarray(states, dtype=np.float64)
    if options.unit is None:
        raise MissingAnswerError(
            f"{context.data.root.name} does not say in which unit its joint angles are ({suggest_unit(values)}). "
            f"Nothing was imported; choose {', '.join(get_args(JointUnit))} (--unit), and the arm's calibration if you "
            "have it.",
            "unit",
        )
    check_plausible(values, options.unit)
    return make_joint_scale(context.joint_names, options.unit, options.calibration)


def _parse_scale(own: dict[str, Any], joints: int) -> JointScale:
    try:
        values = own["joints"]
        arrays = [np.array(values[name], dtype=np.float64) for name in ("offset", "scale", "zero")]
        unit = values["unit"]
    except (KeyError, TypeError, ValueError) as error:
        raise ContentError(f"{layout.OWN_INFO_PATH} is damaged") from error
    if any(array.shape != (joints,) or not np.isfinite(array).all() for array in arrays) or not arrays[1].all():
        raise ContentError(f"{layout.OWN_INFO_PATH} is damaged")
    return JointScale(unit, *arrays)


def _make_take(
    context: _Context, episode: EpisodePlace, frames: dict[str, NDArray[Any]], scale: JointScale
) -> ImportedTake:
    """Return the take of an episode. Raises ContentError, ExchangeError, MissingAnswerError, PlacementError."""
    name = f"episode {episode.index}"
    motion = _make_motion(context, frames, scale)
    objects: ObjectMotion | None = None
    if context.own_info is not None and layout.ENVIRONMENT in frames:
        names = context.data.info.features[layout.ENVIRONMENT].names
        objects = decode_environment(context.own_info.get("objects"), names, frames[layout.ENVIRONMENT])
    if objects is None:
        objects = track_objects(context.data.root.name, motion, context.options.placement)
    task = context.options.task or episode.task or context.data.root.name
    source = f"Imported from the LeRobot data set {context.data.root.name}, {name}."
    notes: tuple[str, ...] = () if motion.targets is not None else (NOT_RECORDED_NOTE,)
    notes += describe_unused(context.data.root.name, _find_unused(context, motion))
    return ImportedTake(make_foreign_take(task, name, motion, objects, source), name, notes=notes)


def _find_unused(context: _Context, motion: ForeignMotion) -> dict[str, str]:
    """Return why a feature is not imported, for every one that is not."""
    reasons: dict[str, str] = {}
    for name, feature in context.data.info.features.items():
        if feature.dtype in ("video", "image"):
            reasons[name] = PICTURES
        elif name == layout.ENVIRONMENT and context.own_info is None:
            reasons[name] = UNKNOWN_OBJECTS
        elif name == layout.ACTION and motion.targets is None:
            reasons[name] = NO_TARGETS
        elif name not in (*_COLUMNS, *layout.DEFAULT_FEATURES):
            reasons[name] = NO_FIELD
    return reasons


def _make_motion(context: _Context, frames: dict[str, NDArray[Any]], scale: JointScale) -> ForeignMotion:
    info, joints = context.data.info, len(context.joint_names)
    states = np.asarray(frames[layout.STATE], dtype=np.float64).reshape(-1, joints)
    actions = frames.get(layout.ACTION)
    action_feature = info.features.get(layout.ACTION)
    is_target = action_feature is not None and action_feature.shape == (joints,)
    targets = None if actions is None or not is_target else np.asarray(actions, np.float64).reshape(-1, joints)
    for what, values in (("joint angles", states), ("actions", targets)):
        if values is not None and not np.isfinite(values).all():
            raise ContentError(f"its {what} contain numbers that are not finite")
    time = np.arange(len(states)) / info.fps
    if layout.TRUE_TIME in frames:
        true = np.asarray(frames[layout.TRUE_TIME], dtype=np.float64).reshape(-1)
        time = true if np.isfinite(true).all() and (np.diff(true) > 0).all() else time
    return ForeignMotion(
        info.robot_type,
        context.joint_names,
        time,
        info.fps,
        scale.to_angles(states),
        None if targets is None else scale.to_angles(targets),
    )


def _read_own_takes(root: Path) -> dict[bytes, ImportedTake]:
    """Return the takes as metagui stored them beside the data set, by the frames that they were exported as."""
    path = root / layout.OWN_TAKES_PATH
    found: dict[bytes, ImportedTake] = {}
    if not path.exists():
        return found
    with contextlib.suppress(ContentError):
        own = LeRobotDataSet(root).read_own_info() or {}
        for each in read_own_takes(path):
            if isinstance(each, ImportedTake):
                take = each.demonstration
                scale = _parse_scale(own, len(take.joint_names))
                found[_make_key(layout.encode_frames(take, scale))] = each
    return found


def _make_key(frames: dict[str, NDArray[Any]]) -> bytes:
    """Return a key that two episodes share only if they have the same joint angles and actions."""
    arrays = [frames[name] for name in (layout.STATE, layout.ACTION) if name in frames]
    return b"".join(np.ascontiguousarray(array, dtype=np.float32).tobytes() for array in arrays)
