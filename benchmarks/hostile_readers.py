"""All readers of files, each with a sound sample in a folder and the way in which a person uses it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from benchmarks import hostile_stores
from metagui.arms.so101 import calibration
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.arms.so101.stops import load_zeros
from metagui.demonstrations.curation.history import ChangeHistory
from metagui.demonstrations.formats.exchange import ImportOptions, ImportReport
from metagui.demonstrations.formats.registry import import_takes
from metagui.demonstrations.programs.program import load_programs
from metagui.demonstrations.recording.recorder import find_recoverable_takes, recover_take
from metagui.demonstrations.storage.library import Library
from metagui.generators import run_to_end
from metagui.paths import cache_dir, resources_dir
from tests.helpers import lerobot
from tests.helpers.exchange import export, list_all_takes
from tests.helpers.takes import generate_example_takes
from tests.unit.demonstrations.formats.test_foreign_hdf5 import write_isaac_lab, write_robosuite

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[1] / "tests" / "data"
ANSWERS = ImportOptions(unit="degrees", placement=(), rate=30.0)


@dataclass(frozen=True)
class Reader:
    """One reader."""

    make: Callable[[Path], object]
    """Writes the sound sample to a new folder."""
    read: Callable[[Path, Path], str | None]
    """Reads a sample's folder, with another folder to write to; returns a message, or None, or raises."""
    patterns: tuple[str, ...] = ("*",)
    """Files that are changed."""
    names: tuple[str, ...] = ()
    """What a message may name instead of the file."""


def make_samples(root: Path, names: list[str]) -> None:
    """Write the samples of readers to folders of their names."""
    for name in names:
        (root / name).mkdir(parents=True)
        READERS[name].make(root / name)


def _fill_library(root: Path, count: int = 2) -> Library:
    library = Library(root)
    for take in generate_example_takes()["press red"][:count]:
        library.add_take(take)
    return library


def _make_library(root: Path) -> None:
    _fill_library(root)
    shutil.rmtree(root / ".metagui", ignore_errors=True)


def _read_library(root: Path, _scratch: Path) -> str | None:
    """List and read everything as the window and the verbs do; the other take is always read."""
    library, reasons = Library(root), list[str]()
    listed = library.list_all()
    intact = [take for task in listed for take in library.load_intact_takes(task, reasons.append)]
    reasons += [each.description for each in library.list_problems()]
    assert intact, "the sound take is missing"
    return reasons[0] if reasons else None


def _make_journal(root: Path) -> None:
    from benchmarks.library import write_journal

    take = generate_example_takes()["press red"][0]
    path = write_journal(root, replace(take, states=take.joint_positions) if take.states is None else take)
    path.rename(root / ".scratch" / "take.journal")


def _read_journal(root: Path, _scratch: Path) -> str | None:
    found = find_recoverable_takes(root)
    for each in found:
        if not each.error:
            recover_take(each.path)
    return next((each.error for each in found if each.error), None)


def _import(file: str) -> Callable[[Path, Path], str | None]:
    def read(root: Path, scratch: Path) -> str | None:
        shutil.rmtree(scratch, ignore_errors=True)
        library, report = Library(scratch / "library"), ImportReport()
        run_to_end(import_takes(root / file if file else root, library, ANSWERS, report))
        for info in report.added:
            library.load_take(info.task, info.name)
        return next((left.reason for left in report.left_out), None)

    return read


def _make_export(root: Path) -> None:
    library = _fill_library(root / "library")
    export(list_all_takes(library), root / "takes.hdf5")
    shutil.rmtree(root / "library")


def _make_own_lerobot(root: Path) -> None:
    library = _fill_library(root / "library")
    export(list_all_takes(library), root / "set", "lerobot")
    shutil.rmtree(root / "library")


def _make_video_set(root: Path) -> None:
    hostile_stores.make_video_set(root, _fill_library(root / "library", 1))


def _make_act(root: Path) -> None:
    """Write an episode as ACT's recorder does; it is no take that can be imported."""
    with h5py.File(root / "episode_0.hdf5", "w") as file:
        file.attrs["sim"] = True
        file["action"] = file["observations/qpos"] = file["observations/qvel"] = np.zeros((30, 6), np.float32)
        file["observations/images/top"] = np.zeros((30, 24, 32, 3), np.uint8)


def _read_refused(file: str) -> Callable[[Path, Path], str | None]:
    """Read what even sound cannot be imported: the reader must say so."""
    read = _import(file)

    def check(root: Path, scratch: Path) -> str | None:
        from metagui.demonstrations.storage.errors import LibraryError

        try:
            return read(root, scratch)
        except LibraryError as error:
            if not any(each.is_file() and each.stat().st_size for each in root.iterdir()):
                raise
            return None if "imported" in str(error) else f"{file}: it is not said that nothing was imported."

    return check


def _copy(*sources: Path) -> Callable[[Path], object]:
    return lambda root: [shutil.copyfile(source, root / source.name) for source in sources]


def _make_arms(root: Path) -> None:
    shutil.copytree(DATA / "version_0_1" / "config" / "arms", root / "arms")
    (root / "arms" / "trims").mkdir()
    (root / "arms" / "trims" / "left arm.json").write_text(json.dumps({"gripper": 2.5}))


def _read_arms(root: Path, _scratch: Path) -> str | None:
    registry = ArmRegistry(root / "arms", lambda: ())
    for arm in registry.list_arms():
        registry.load_calibration(arm.name)
    load_zeros(root / "arms" / "trims" / "left arm.json")
    return None


def _make_history(root: Path) -> None:
    from metagui.demonstrations.curation.changes import set_fields, trash

    library = _fill_library(root)
    history = ChangeHistory(library)
    history.apply("tags", set_fields("press red", "001", tags=["a"], notes="n", success=True))
    history.apply("trash", trash("press red", "002"))


def _read_history(root: Path, scratch: Path) -> str | None:
    """Undo everything in a copy, or only list it where the history is no file."""
    history = ChangeHistory(Library(root))
    if not (root / ".metagui" / "history.json").is_file():
        assert history.list_undo_texts() == []
        return None
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(root, scratch, symlinks=True)
    history = ChangeHistory(Library(scratch))
    while history.list_undo_texts():
        history.undo()
    return None


def _make_policy(root: Path) -> None:
    shutil.copyfile(
        DATA / "version_0_1" / "library" / "reach red" / "adapted.safetensors", root / "adapted.safetensors"
    )


def _read_policy(root: Path, _scratch: Path) -> str | None:
    from metagui.learning.adaptation.task_policy import TaskPolicy

    TaskPolicy.load(root / "adapted.safetensors")
    return None


def _read_prior(root: Path, _scratch: Path) -> str | None:
    from metagui.learning import prior

    prior.load(root / "prior.safetensors")
    return None


def _read_encoder(root: Path, _scratch: Path) -> str | None:
    from metagui.learning.similarity.cache.encoder_identity import identify_encoder
    from metagui.learning.similarity.encoder_file import load_encoder

    identify_encoder(root / "encoder.safetensors")
    load_encoder(root / "encoder.safetensors")
    return None


def _make_index(root: Path) -> None:
    """Write a library and the stores of its cache, which change in place when they are read."""
    _fill_library(root / "library")
    time.sleep(0.1)
    _read_index(root, root)


def _read_index(root: Path, _scratch: Path) -> str | None:
    """List the library with the changed index, which must give what the files hold."""
    import os

    from metagui.demonstrations.storage.index import library_listing
    from metagui.learning.similarity.cache.library_values import LibraryValues

    library_listing.MIN_SAVED_RECORDS = 1
    copied = root.parent / "index copy"
    shutil.rmtree(copied, ignore_errors=True)
    if (root / "cache").exists():
        shutil.copytree(root / "cache", copied, symlinks=True, ignore=_ignore_pipes)
    os.environ["METAGUI_CACHE"] = str(copied)
    infos = [info for listing in Library(root / "library").list_all().values() for info in listing.takes]
    assert [(info.sample_count > 0, info.error) for info in infos] == [(True, "")] * 2
    paths = run_to_end(LibraryValues(Library(root / "library"), infos, print).load_paths())
    assert all(path is not None and np.isfinite(path).all() for path in paths.values())
    if not (root / "cache").exists():
        shutil.copytree(cache_dir(), root / "cache")
    return None


def _ignore_pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_fifo()]


def _read_calibration(root: Path, _scratch: Path) -> str | None:
    calibration.load(root / "follower-a.json")
    return None


def _read_programs(root: Path, _scratch: Path) -> str | None:
    load_programs(root / "test.json")
    return None


READERS = {
    "take": Reader(_make_library, _read_library, ("press red/001.hdf5",), ("press red",)),
    "journal": Reader(_make_journal, _read_journal, (".scratch/*",)),
    "own export": Reader(_make_export, _import("takes.hdf5")),
    "robosuite": Reader(lambda root: write_robosuite(root / "lift.hdf5"), _import("lift.hdf5")),
    "Isaac Lab Mimic": Reader(
        lambda root: write_isaac_lab(root / "stack.hdf5", {"sim_args": {"dt": 0.01, "decimation": 5}}),
        _import("stack.hdf5"),
    ),
    "ACT": Reader(_make_act, _read_refused("episode_0.hdf5")),
    "LeRobot 3.0": Reader(lambda root: lerobot.write_v30(root / "set"), _import("set"), ("set/**/*",), ("set",)),
    "LeRobot 2.1": Reader(lambda root: lerobot.write_v21(root / "set"), _import("set"), ("set/**/*",), ("set",)),
    "own LeRobot": Reader(_make_own_lerobot, _import("set"), ("set/**/*",), ("set",)),
    "calibration": Reader(_copy(DATA / "calibrations" / "follower-a.json"), _read_calibration),
    "named arms": Reader(_make_arms, _read_arms, ("arms/**/*",), ("left arm",)),
    "programs": Reader(_copy(resources_dir() / "programs" / "test.json"), _read_programs),
    "undo history": Reader(_make_history, _read_history, (".metagui/history.json",), ("press red",)),
    "policy": Reader(_make_policy, _read_policy),
    "prior": Reader(_copy(resources_dir() / "prior" / "prior.safetensors"), _read_prior),
    "encoder": Reader(_copy(resources_dir() / "prior" / "encoder.safetensors"), _read_encoder),
    "training data": Reader(hostile_stores.make_training_data, hostile_stores.read_training_data),
    "checkpoint": Reader(hostile_stores.make_checkpoint, hostile_stores.read_checkpoint),
    "settings": Reader(hostile_stores.make_settings, hostile_stores.read_settings),
    "LeRobot video": Reader(_make_video_set, _import("set"), ("set/videos/**/*",), ("set",)),
    "index": Reader(_make_index, _read_index, ("cache/**/*",)),
}
"""Readers by name."""
