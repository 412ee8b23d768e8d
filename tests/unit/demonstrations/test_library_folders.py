"""Folders and files of a library that cannot be used: listed with a reason, and everything else keeps working."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from metagui.demonstrations.storage import folder_scan
from metagui.demonstrations.storage.errors import StorageError
from metagui.demonstrations.storage.library import Library
from tests.helpers.takes import record_fake_take

if TYPE_CHECKING:
    from pathlib import Path

needs_posix_names = pytest.mark.skipif(sys.platform != "linux", reason="the file system allows no such name")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    library = Library(tmp_path / "library")
    library.add_take(record_fake_take("sound"))
    return library


def assert_one_problem(library: Library, name: str | bytes, *words: str) -> None:
    """Assert that one problem is listed, with these words, and that the other task can be read and changed."""
    (problem,) = library.list_problems()
    assert problem.path.name == os.fsdecode(name)
    assert all(part in problem.description for part in words), problem.description
    problem.description.encode()
    assert "sound" in library.list_tasks()
    assert len(library.load_take("sound", "001")) == 20
    assert library.add_take(record_fake_take("sound")).name == "002"
    assert library.set_success("sound", "002", True).success is True
    library.remove_take("sound", "002")


@needs_posix_names
def test_folder_with_outer_blank_is_the_task_without(library: Library) -> None:
    folder = library.get_task_folder("sound")
    folder.rename(library.root / " lead ")
    assert library.list_tasks() == ["lead"]
    assert len(library.load_take("lead", "001")) == 20
    assert library.add_take(record_fake_take("lead")).path.parent.name == " lead "
    assert library.add_take(record_fake_take("lead")).name == "003"
    library.restore_trashed(library.remove_take("lead", "001"))
    library.rename_task("lead", "other")
    assert library.list_tasks() == ["other"]
    assert library.list_problems() == []


@needs_posix_names
@pytest.mark.parametrize("name", [" ", "\u3000", b"caf\xe9", "%20", "x" * 250])
def test_folder_whose_name_is_no_task_name_is_a_problem(library: Library, name: str | bytes) -> None:
    os.mkdir(os.path.join(os.fsencode(library.root), os.fsencode(name)))
    assert_one_problem(library, name, "is not a task: its name cannot be the name of a task", "Rename the folder")


@needs_posix_names
def test_two_folders_of_one_name_are_not_mixed(library: Library) -> None:
    """The folder with the usual name is the task; takes with equal names in the other hide nothing."""
    (library.root / "sound ").mkdir()
    (library.root / "sound " / "001.hdf5").write_text("other")
    assert_one_problem(library, "sound ", "'sound ' is not shown", "the same task as 'sound'", "another name")


@needs_posix_names
def test_take_whose_name_is_no_text_is_a_problem(library: Library) -> None:
    (library.root / "sound" / os.fsdecode(b"\xff.hdf5")).touch()
    assert_one_problem(library, b"\xff.hdf5", r"'\xff.hdf5' is not shown", "Rename the file")


@pytest.mark.skipif(sys.platform == "win32", reason="links need permission")
def test_link_to_no_folder_is_a_problem(library: Library) -> None:
    (library.root / "gone").symlink_to(library.root / "nowhere")
    assert_one_problem(library, "gone", "'gone' is not a task: it is a link to a folder that does not exist")


def test_take_outside_any_task_is_a_problem(library: Library) -> None:
    (library.root / "lost.hdf5").touch()
    (library.root / "notes.txt").touch()
    assert_one_problem(library, "lost.hdf5", "a take needs a folder")


def test_unreadable_folder_is_a_problem(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    (library.root / "secret").mkdir()
    real = os.scandir

    def refuse(path: object) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", refuse)
    assert_one_problem(library, "secret", "it cannot be read (Permission denied)", "Change its permissions")


def test_folder_that_becomes_unreadable_raises_storage_error(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> list[str]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(StorageError, match="cannot be read: Permission denied"):
        folder_scan.list_take_files(library.root / "sound")


@needs_posix_names
def test_tasks_that_differ_in_case_both_take_takes(library: Library) -> None:
    """Two such folders, made by hand, are two tasks; only new ones are refused."""
    (library.root / "Sound").mkdir()
    assert library.list_tasks() == ["Sound", "sound"]
    for task in ("sound", "Sound"):
        library.add_take(record_fake_take(task))
    assert [len(library.list_takes(task)) for task in library.list_tasks()] == [1, 2]


def test_stale_temporary_files_are_deleted(library: Library) -> None:
    """Only those of metagui that are old and whose process has ended."""
    folder, old = library.get_task_folder("sound"), time.time() - 2 * folder_scan.STALE_AGE_S
    ended = 2**22 + 1  # above the largest process number
    paths = {
        "stale": folder / f".001.hdf5.{ended}.tmp",
        "in root": library.root / f".x.{ended}.tmp",
        "running": folder / f".002.hdf5.{os.getpid()}.tmp",
        "new": folder / f".003.hdf5.{ended}.tmp",
        "foreign": folder / ".other.tmp",
        "take": folder / "001.hdf5",
    }
    for key, path in paths.items():
        path.touch()
        if key != "new":
            os.utime(path, (old, old))
    Library(library.root)
    assert {key for key, path in paths.items() if not path.exists()} == {"stale", "in root"}
