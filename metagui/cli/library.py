"""Open the library, the prior and the takes that a command's options name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.cli.output import CommandError, print_note

if TYPE_CHECKING:
    from pathlib import Path

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.demonstrations.storage.hdf5 import TakeInfo
    from metagui.demonstrations.storage.library import Library
    from metagui.learning.prior import Prior
    from metagui.learning.similarity.encoder_file import CalibratedEncoder

ADAPTED_POLICY_FILE = "adapted.safetensors"
"""Name of the file of adapted policies in a task's folder."""


def open_library(folder: Path | None) -> Library:
    """Open the library in a folder, or the window's own library including the shipped examples.

    Print what cannot be used as notes. Raises StorageError.
    """
    from metagui.demonstrations.storage.library import Library
    from metagui.paths import examples_dir, recordings_dir

    library = Library(folder) if folder else Library(recordings_dir(), examples_dir())
    for problem in library.list_folder_problems():
        print_note(f"Left out: {problem.description}")
    return library


def load_prior(path: Path | None, library: Library | None = None) -> Prior:
    """Load the prior at ``path``, else the library's own, else the shipped one. Raises PriorError."""
    from metagui.learning.prior import load, load_for_library, load_shipped

    if path is not None:
        return load(path)
    found = load_shipped() if library is None else load_for_library(library.root)
    if problem := found.metadata.get("problem"):
        print_note(problem)
    return found


def load_encoder(path: Path | None, library: Library) -> CalibratedEncoder:
    """Load the encoder at ``path``, else the library's own, else the shipped one. Raises EncoderFileError."""
    from metagui.learning.similarity import encoder_file

    if path is not None:
        return encoder_file.load_encoder(path)
    found = encoder_file.load_encoder_for_library(library.root)
    if problem := found.about.get("problem"):
        print_note(problem)
    return found


def is_usable(take: TakeInfo) -> bool:
    """Return whether a take can be read and is not marked as failed."""
    return not take.error and take.success is not False


def load_takes(library: Library, task: str, names: list[str] | None = None) -> list[Demonstration]:
    """Load the named takes of a task, by default all usable ones; print which of those are damaged.

    Raises LibraryError, CommandError.
    """
    if names:
        return [library.load_take(task, name) for name in names]
    usable = [take.name for take in library.list_takes(task) if take.success is not False]
    takes = load_intact_takes(library, task, usable)
    if not takes:
        raise CommandError(f"{task!r} has no take that can be used. Record one, or name a take with --take.")
    return takes


def load_intact_takes(library: Library, task: str, names: list[str] | None = None) -> list[Demonstration]:
    """Load the takes of a task, or those with ``names``, from which a policy can learn; print why others are left out.

    A take without objects, such as an imported one, can only be replayed and compared by its motion.
    """
    takes = library.load_intact_takes(task, lambda reason: print_note(f"Left out: {reason}"), names)
    if without := [take.name for take in takes if not take.objects]:
        print_note(describe_takes_without_objects(task, without))
    return [take for take in takes if take.objects]


def describe_takes_without_objects(task: str, takes: list[str]) -> str:
    """Return why takes without objects are left out."""
    return f"Left out: Task {task!r}, take {', '.join(takes)}: without objects, only the motion can be compared."


def adapted_policy_path(library: Library, task: str) -> Path:
    """Return the path of a task's adapted policies, whether or not the file exists."""
    return library.get_task_folder(task) / ADAPTED_POLICY_FILE
