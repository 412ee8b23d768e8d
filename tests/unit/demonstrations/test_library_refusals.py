"""Unusual task names and corrupt files: refused or listed with a reason, without harm to other takes."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given

from metagui.demonstrations.demonstration import Segment
from metagui.demonstrations.storage import task_names
from metagui.demonstrations.storage.errors import (
    CorruptFileError,
    InvalidNameError,
    InvalidTakeError,
    LibraryError,
    NameCollisionError,
    NewerFormatError,
    UnknownTakeError,
    UnknownTaskError,
)
from metagui.demonstrations.storage.library import Library
from tests.helpers.takes import ANY_TEXT, record_fake_take


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "library")


# Names


@given(ANY_TEXT.filter(lambda name: name.strip()))
def test_folder_name_any_name_converts_back(name):
    try:
        folder = task_names.to_folder_name(name)
    except InvalidNameError:
        assert len(name.encode()) > 60 or not name.strip()
        return
    assert not set(folder) & set('<>:"/\\|?*\0')
    assert folder.isprintable()
    assert folder == folder.strip(". ")
    assert len(folder.encode()) <= 240
    assert task_names.from_folder_name(folder) == task_names.normalise_task_name(name)


@pytest.mark.parametrize("name", ["a/b", "CON", "..", "日本 語", "100%", "e\u0301", "x. ", "\u202ereversed", "a\nb"])
def test_add_take_unusual_task_name_is_stored(library, name):
    """Names that a file system cannot hold are task names too."""
    library.add_take(record_fake_take(name))
    (task,) = library.list_tasks()
    assert task == task_names.normalise_task_name(name)
    assert len(library.load_take(name, "001")) == 20
    assert library.load_take(name, "001").task == name


@pytest.mark.parametrize("name", ["", "  ", "\udc80", "x" * 300])
def test_add_take_invalid_task_name_raises(library, name):
    with pytest.raises(InvalidNameError):
        library.add_take(record_fake_take(name))
    assert library.list_tasks() == []


def test_add_take_colliding_task_name_raises(library):
    """The two names are equal on some file systems."""
    library.add_take(record_fake_take("Reach"))
    with pytest.raises(NameCollisionError, match="too similar to the task 'Reach'"):
        library.add_take(record_fake_take("reach"))
    assert library.list_tasks() == ["Reach"]


def test_rename_task_moves_takes_and_refuses_collisions(library):
    library.add_take(record_fake_take("old"))
    library.add_take(record_fake_take("other"))
    library.rename_task("old", "Old")
    assert library.list_tasks() == ["Old", "other"]
    assert library.load_take("Old", "001").task == "Old"
    with pytest.raises(NameCollisionError):
        library.rename_task("Old", "other")
    with pytest.raises(NameCollisionError):
        library.rename_task("Old", "OTHER")
    assert library.list_tasks() == ["Old", "other"]


def test_unknown_name_error_lists_valid_names(library):
    with pytest.raises(UnknownTaskError, match=r"no task 'x'. There are none yet"):
        library.list_takes("x")
    library.add_take(record_fake_take("push blue"))
    with pytest.raises(UnknownTaskError, match=r"There are: push blue\. Did you mean 'push blue'\?"):
        library.load_take("push bleu", "001")
    with pytest.raises(UnknownTakeError, match=r"no take '002'\. There are: 001"):
        library.load_take("push blue", "002")


# Corrupt files


@pytest.fixture
def spoilt(library):
    """Library with one good take and every kind of bad file."""
    folder = library.add_take(record_fake_take()).path.parent
    good = (folder / "001.hdf5").read_bytes()
    (folder / "002.hdf5").write_bytes(b"no HDF5 at all")
    (folder / "003.hdf5").write_bytes(good[: len(good) // 2])
    (folder / "004.hdf5").touch()
    (folder / "005.hdf5").mkdir()
    with h5py.File(folder / "006.hdf5", "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 2))
    (folder / "007.hdf5").write_bytes(good)
    with h5py.File(folder / "007.hdf5", "r+") as file:
        file.attrs["format_version"] = 99
    (folder / "008.hdf5").write_bytes(good)
    with h5py.File(folder / "008.hdf5", "r+") as file:
        del file["data/demo_0/command_sent"]
    (folder / "009.hdf5").write_bytes(good)
    with h5py.File(folder / "009.hdf5", "r+") as file:
        del file["data/demo_0/obs/held"]
        file["data/demo_0/obs/held"] = np.zeros((3, 1))
    (folder / "010.hdf5").write_bytes(good)
    with h5py.File(folder / "010.hdf5", "r+") as file:
        file.attrs["timing"] = "{}"
    (folder / "011.hdf5").symlink_to(folder / "nowhere.hdf5")
    return library


def test_list_takes_bad_files_have_reasons(spoilt):
    errors = {info.name: info.error for info in spoilt.list_takes("reach red")}
    assert errors["001"] == errors["008"] == errors["009"] == ""
    assert "no take of metagui" in errors["006"]
    assert "newer metagui (format 99; this version reads up to 1)" in errors["007"]
    for name in ("002", "003", "004", "005", "010", "011"):
        assert f"{name}.hdf5 cannot be read" in errors[name]
    assert spoilt.list_tasks() == ["reach red"]
    assert spoilt.add_take(record_fake_take()).name == "012"


@pytest.mark.parametrize("name", ["002", "003", "004", "005", "006", "008", "009", "011"])
def test_load_take_bad_file_raises_corrupt_file_error(spoilt, name):
    with pytest.raises(CorruptFileError, match=name):
        spoilt.load_take("reach red", name)


def test_load_take_newer_format_raises(spoilt):
    with pytest.raises(NewerFormatError):
        spoilt.load_take("reach red", "007")
    with pytest.raises(NewerFormatError):
        spoilt.set_success("reach red", "007", True)


def test_remove_take_bad_file_can_be_restored(spoilt):
    spoilt.restore_trashed(spoilt.remove_take("reach red", "002"))
    assert len(spoilt.list_takes("reach red")) == 11


def test_load_take_random_bytes_raise_library_error_only(library):
    """A file with random bytes loads or raises a LibraryError, nothing else."""
    path = library.add_take(record_fake_take()).path
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        spoilt = bytearray(good)
        for place in rng.integers(0, len(good), 8):
            spoilt[place] = rng.integers(256)
        path.write_bytes(spoilt)
        library.list_takes("reach red")
        try:
            library.load_take("reach red", "001")
        except LibraryError:
            continue


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": np.zeros(20)}, "times do not increase"),
        ({"time": np.zeros(0)}, "no samples"),
        ({"held": np.zeros((20, 3), dtype=bool)}, r"held have shape \(20, 3\) where \(20, 2\) is expected"),
        ({"segments": (Segment(5, 40),)}, "A segment from 5 to 40"),
        ({"trim": (4, 4)}, "The trim from 4 to 4"),
        ({"states": np.zeros((3, 2))}, "one row per sample"),
    ],
)
def test_add_take_inconsistent_demonstration_raises(library, change, words):
    with pytest.raises(InvalidTakeError, match=words):
        library.add_take(replace(record_fake_take(), **change))
    assert library.list_tasks() == []
