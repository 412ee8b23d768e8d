"""HDF5 file of one take in the layout of robomimic, so that its data loaders open the file as it is."""

from __future__ import annotations

import contextlib
import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import h5py

from metagui.atomic_write import DeferredErrorFile, open_atomically, write_atomically
from metagui.demonstrations.health import find_faults
from metagui.demonstrations.storage import take_decoding
from metagui.demonstrations.storage.checked_file import READ_ERRORS, open_checked
from metagui.demonstrations.storage.errors import ContentError, CorruptFileError, NewerFormatError
from metagui.demonstrations.storage.extra_data import write_extra_data
from metagui.demonstrations.storage.index.equal_takes import compute_digest
from metagui.demonstrations.storage.validation import validate_demonstration
from metagui.demonstrations.storage.writing.take_encoding import (
    write_attributes,
    write_demo,
    write_segments,
    write_trim,
)
from metagui.demonstrations.timing import summarise_timing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration, TeachingMethod
    from metagui.demonstrations.storage.checked_file import CheckedGroup
    from metagui.demonstrations.storage.extra_data import ExtraData
    from metagui.demonstrations.timing import TimingSummary

MAX_EDITED_FILE_BYTES = 512 << 20
"""Maximum size of a file that is changed, which happens in memory."""
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
    tags: tuple[str, ...] = ()
    """Words by which the user finds the take again, sorted."""
    trim: tuple[int, int] | None = None
    faults: str = ""
    """Faults that the arm's motors reported during the take; empty if there were none."""
    timing: TimingSummary | None = None
    teaching_method: TeachingMethod = "clicks"
    recorded: float = 0.0
    """Time of the recording, s since 1970; of the last change of the file for takes that do not say."""
    digest: str = ""
    """Digest of the samples, by which equal takes are found; empty in files of version 0.1."""
    error: str = ""
    """Why the file cannot be read; empty if it can."""

    @property
    def problem(self) -> str:
        """Description of what is wrong with the take; empty if nothing is."""
        if self.error:
            return self.error
        is_rate_missed = self.timing is not None and self.timing.is_rate_missed
        problems = [f"Rate missed by more than 1 %: {self.timing}"] if is_rate_missed else []
        return "; ".join([*problems, f"Faults of the motors: {self.faults}"] if self.faults else problems)


def write_take(path: Path, demonstration: Demonstration, extra: ExtraData | None = None) -> TakeInfo:
    """Write a take to a new file, atomically; return its listing. Raises InvalidTakeError, FileExistsError, OSError."""
    validate_demonstration(demonstration)
    health = demonstration.health
    info = TakeInfo(
        task=demonstration.task,
        name=path.stem,
        path=path,
        sample_count=len(demonstration),
        duration=demonstration.duration,
        arm=demonstration.arm,
        success=demonstration.success,
        notes=demonstration.notes,
        trim=demonstration.trim,
        faults=take_decoding.describe_faults(find_faults(health, demonstration.joint_names) if health else {}),
        timing=summarise_timing(demonstration),
        teaching_method=demonstration.teaching_method,
        recorded=(extra and extra.recorded) or time.time(),
        tags=extra.tags if extra is not None else (),
        digest=compute_digest(demonstration),
    )
    with open_atomically(path) as temporary:
        _write_file(temporary, demonstration, info, extra)
    return info


def read_take(path: Path, task: str | None = None) -> Demonstration:
    """Read a take; ``task`` is its task's name for messages. Raises CorruptFileError, NewerFormatError."""
    with open_take(path, task) as file:
        return take_decoding.decode_take(file.open_group("data/demo_0"), file, path.stem)


def read_take_info(path: Path, task: str, read_only: bool = False) -> TakeInfo:
    """Return the listing of a take; a file that cannot be read has an ``error``."""
    try:
        with open_take(path, task) as file:
            samples = file.read_integer("samples")
            return TakeInfo(
                task=task,
                name=path.stem,
                path=path,
                read_only=read_only,
                sample_count=samples,
                duration=file.read_number("duration"),
                arm=file.read_text("arm"),
                success=take_decoding.decode_success(file),
                notes=file.read_text("notes"),
                tags=file.read_texts("tags") if file.has_attribute("tags") else (),
                trim=take_decoding.decode_trim(file, samples),
                faults=take_decoding.decode_faults(file),
                timing=take_decoding.decode_timing(file),
                teaching_method=take_decoding.decode_teaching_method(file),
                recorded=take_decoding.decode_recorded(file, path.stat().st_mtime),
                digest=file.read_text("digest") if file.has_attribute("digest") else "",
            )
    except (CorruptFileError, NewerFormatError) as error:
        return TakeInfo(task, path.stem, path, read_only, error=str(error))


def update_take(path: Path, **changes: Any) -> None:
    """Change attributes or segments of a stored take, never its samples.

    Changes are ``success``, ``trim``, ``notes``, ``tags``, ``segments`` and ``manually_segmented``.
    Raises CorruptFileError, NewerFormatError, OSError.
    """
    with open_take(path):
        status = path.stat()
        if status.st_size > MAX_EDITED_FILE_BYTES:
            raise ContentError(f"it is larger than {MAX_EDITED_FILE_BYTES >> 20} MiB")
        image = _edit_image(path.read_bytes(), changes, status.st_mtime)
    write_atomically(path, image, replace=True)


def _edit_image(image: bytes, changes: dict[str, Any], modified: float) -> bytes:
    """Return the bytes of a take's file with changed attributes and segments; all else stays, also unknown data.

    ``modified`` is the time of the last change, which an older take keeps as that of its recording.
    """
    with h5py.File(io.BytesIO(image), "r+") as file:
        if "recorded" not in file.attrs:
            file.attrs["recorded"] = modified
        if "success" in changes:
            file.attrs["success"] = take_decoding.SUCCESS_VALUES[changes["success"]]
        if "notes" in changes:
            file.attrs["notes"] = changes["notes"]
        if "tags" in changes:
            file.attrs.pop("tags", None)
            if changes["tags"]:
                file.attrs["tags"] = list(changes["tags"])
        if "manually_segmented" in changes:
            file.attrs["recut"] = changes["manually_segmented"]
        if "trim" in changes:
            write_trim(file, changes["trim"])
        if "segments" in changes:
            del file["data/demo_0/segments"]
            write_segments(file["data/demo_0"], changes["segments"])
        return get_file_image(file)


@contextlib.contextmanager
def open_take(path: Path, task: str | None = None) -> Iterator[CheckedGroup]:
    """Open a take of a known format for reading; ``task`` is its task's name for messages.

    Raises CorruptFileError, NewerFormatError; the former also in the block, for contents that are not as expected.
    """
    label = f"{path.name}" if task is None else f"Task {task!r}, take {path.stem}: {path.name}"
    try:
        with open_checked(path) as file:
            if not take_decoding.is_take(file):
                raise CorruptFileError(
                    f"{label} is an HDF5 file but no take of metagui. It is left as it is; import it to use it."
                )
            take_decoding.check_format_version(file, label)
            yield file
    except (ContentError, *READ_ERRORS) as error:
        reason = error if isinstance(error, ContentError) else "its structure is damaged"
        raise CorruptFileError(
            f"{label} cannot be read as a take: {reason}. It is left as it is; restore it from a copy, or remove it."
        ) from error


def _write_file(path: Path, demonstration: Demonstration, info: TakeInfo, extra: ExtraData | None) -> None:
    """Write the file of a take, which is not on the disk before it is flushed. Raises OSError."""
    with DeferredErrorFile(path) as target:
        with h5py.File(target, "w", libver="v110") as file:
            assert info.timing is not None
            write_attributes(file, demonstration, info.timing)
            file.attrs["digest"], file.attrs["recorded"] = info.digest, info.recorded
            data = file.create_group("data")
            data.attrs["total"] = len(demonstration)
            environment = {"env_name": demonstration.arm, "type": _ROBOMIMIC_GYM_TYPE, "env_kwargs": {}}
            data.attrs["env_args"] = json.dumps(environment)
            demo = data.create_group("demo_0")
            write_demo(demo, demonstration)
            if extra is not None:
                write_extra_data(demo, file.attrs, extra)
        target.raise_deferred()


def get_file_image(file: Any) -> bytes:
    """Return the bytes of an HDF5 file in memory."""
    file.flush()
    return bytes(file.id.get_file_image())
