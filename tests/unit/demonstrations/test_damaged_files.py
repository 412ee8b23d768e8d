"""Damaged, hostile and foreign files: one clear sentence each, no other file touched, little memory and time."""

from __future__ import annotations

import io
import os
import shutil
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from metagui.demonstrations.storage import checked_file
from metagui.demonstrations.storage.errors import CorruptFileError, LibraryError, NewerFormatError
from metagui.demonstrations.storage.library import Library
from metagui.demonstrations.storage.writing import dataset_writer
from tests.helpers.exchange import export, read_demonstrations
from tests.helpers.takes import record_fake_take

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[2] / "data" / "damaged"
FOREIGN_WORDS = ("Unable to", "errno", "Errno", "object", "NoneType", "h5py", "Traceback", "b'", "invalid literal")
"""Parts of messages of Python, numpy and HDF5, which no message for a person may quote."""
SAMPLES = 61
"""Length of the sound take."""
MAX_SECONDS, MAX_BYTES = 2.0, 300 << 20


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Library with the sound task 'u' and an empty folder for the damaged take of task 't'."""
    for task in "tu":
        (tmp_path / "library" / task).mkdir(parents=True)
    shutil.copy(DATA / "sound.hdf5", tmp_path / "library" / "u" / "001.hdf5")
    return Library(tmp_path / "library")


@pytest.fixture
def take_path(library: Library) -> Path:
    return library.root / "t" / "001.hdf5"


def assert_refused(library: Library) -> str:
    """Assert that the damaged take is refused in one clear sentence, and all else works; return the sentence."""
    path = library.root / "t" / "001.hdf5"
    before = path.read_bytes() if path.is_file() else None
    started = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(CorruptFileError) as caught:
        library.load_take("t", "001")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (time.perf_counter() - started, peak) < (MAX_SECONDS, MAX_BYTES)
    message = str(caught.value)
    assert "Task 't', take 001: 001.hdf5 cannot be read as a take: " in message
    assert message.endswith(" It is left as it is; restore it from a copy, or remove it.")
    assert not [words for words in FOREIGN_WORDS if words in message.replace("object_", "").replace("objects", "")]
    left_out: list[str] = []
    assert library.load_intact_takes("t", left_out.append) == []
    assert left_out == [message]
    assert len(library.load_intact_takes("u", left_out.append)) == 1
    assert library.list_tasks() == ["t", "u"]
    if before is not None:
        assert path.read_bytes() == before
    return message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad_gzip", "'command_sent' is damaged"),
        ("time_scalar", "'timing/time' has the shape a single value where 29 is expected"),
        ("no_num_samples", "its attribute 'num_samples' is missing"),
    ],
)
def test_damaged_take_is_named_and_others_are_read(library: Library, take_path: Path, name: str, reason: str) -> None:
    shutil.copy(DATA / f"{name}.hdf5", take_path)
    assert reason in assert_refused(library)
    out = library.root.parent / "all.hdf5"
    takes = [*library.list_takes("t"), *library.list_takes("u")]
    report = export(takes, out)
    assert report.samples == len(library.load_take("u", "001"))
    assert [(left.name, reason in left.reason) for left in report.left_out] == [("t 001", True)]
    with pytest.raises(CorruptFileError, match=reason):
        read_demonstrations(take_path)


# Files that are no take, and data that belong to other files or have absurd sizes


def make_pipe(path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("Windows has no named pipes")
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_pipe, "it is a pipe or a device"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.symlink_to(path.with_name("nowhere")), "it is a link to a file that does not exist"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links|it is a link"),
        (lambda path: path.touch(), "it is empty"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "Git LFS pointer"),
        (lambda path: path.write_bytes(b"PAR1" + bytes(99)), "Parquet file"),
        (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)), "zip archive"),
        (lambda path: path.write_bytes(b"text"), "it is no HDF5 file, or damaged"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_file_of_another_kind_is_named(
    library: Library, take_path: Path, make: Callable[[Path], Any], reason: str
) -> None:
    make(take_path)
    message = assert_refused(library)
    assert any(words in message for words in reason.split("|"))
    (problem,) = library.list_problems()
    assert (problem.path, problem.description) == (take_path, message)
    assert library.list_takes("t")[0].error == message
    if take_path.is_file():
        with pytest.raises(CorruptFileError, match="Nothing was imported"):
            read_demonstrations(take_path)


def test_list_of_texts_without_end_is_refused(library: Library, take_path: Path) -> None:
    """HDF5 2.0 never returns from reading a text of such a file."""
    content = bytearray((DATA / "sound.hdf5").read_bytes())
    heap = content.rindex(b"GCOL\x01")
    content[heap + 16 : heap + 32] = bytes(16)
    take_path.write_bytes(content)
    assert "its texts are damaged" in assert_refused(library)
    with pytest.raises(CorruptFileError, match="its texts are damaged"):
        library.set_notes("t", "001", "x")


def spoil(path: Path, change: Callable[[Any], None]) -> None:
    shutil.copy(DATA / "sound.hdf5", path)
    with h5py.File(path, "r+") as file:
        change(file)


def replace_data(name: str, **options: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[f"data/demo_0/{name}"]
        file["data/demo_0"].create_dataset(name, **options)

    return change


def replace_by_link(link: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file["data/demo_0/obs/held"]
        file["data/demo_0/obs/held"] = link

    return change


def replace_by_virtual_data(file: Any) -> None:
    layout = h5py.VirtualLayout((SAMPLES, 6), "f4")
    layout[:] = h5py.VirtualSource(str(DATA / "sound.hdf5"), "data/demo_0/obs/held", (SAMPLES, 6))
    del file["data/demo_0/obs/held"]
    file["data/demo_0/obs"].create_virtual_dataset("held", layout)


def set_attribute(key: str, value: Any, at: str = "/") -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file[at].attrs[key] = value

    return change


def replace_by_bomb(file: Any) -> None:
    """Store a chunk that unpacks to far more than it declares."""
    del file["data/demo_0/command_sent"]
    options = {"shape": (SAMPLES, 6), "dtype": "f8", "chunks": (SAMPLES, 6), "compression": "gzip"}
    dataset = file["data/demo_0"].create_dataset("command_sent", **options)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(4)) + packer.flush()
    dataset.id.write_direct_chunk((0, 0), packed)


ABSURD = {"shape": (1 << 40, 6), "dtype": "f8", "chunks": (1 << 12, 6), "compression": "gzip"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replace_data("command_sent", **ABSURD), "has the shape"),
        (replace_data("states", **(ABSURD | {"shape": (SAMPLES, 1 << 40), "chunks": (1, 1 << 12)})), "MiB of memory"),
        (replace_data("states", shape=(SAMPLES, 6), maxshape=(None, 6), chunks=(1 << 25, 6), dtype="f8"), "chunks of"),
        (replace_data("states", shape=(SAMPLES, 6), chunks=(SAMPLES, 6), dtype="f8"), "'states' is incomplete"),
        (replace_data("states", shape=(SAMPLES, 6), dtype="f8"), "'states' was never written"),
        (replace_data("states", shape=(SAMPLES, 6), dtype="f8", external=[("raw", 0, 9999)]), "refers to other files"),
        (replace_data("states", data=np.zeros((SAMPLES, 6)), compression="lzf"), "packed by a method other than gzip"),
        (replace_data("states", data=np.full((SAMPLES, 6), b"text")), "does not hold numbers"),
        (replace_data("timing/time", data=np.zeros(SAMPLES)), "times do not increase"),
        (replace_data("timing/time", data=np.full(SAMPLES, np.nan)), "times do not increase"),
        (replace_by_bomb, "'command_sent' is damaged"),
        (replace_by_virtual_data, "refers to other files"),
        (replace_by_link(h5py.ExternalLink("sound.hdf5", "data/demo_0/obs/held")), "'obs/held' is a link"),
        (replace_by_link(h5py.SoftLink("/data/demo_0/obs/touched")), "'obs/held' is a link"),
        (set_attribute("joint_names", 3), "not a list of texts"),
        (set_attribute("task", h5py.Empty("S10")), "not a text"),
        (set_attribute("arm", np.bytes_(b"\xff")), "not valid Unicode"),
        (set_attribute("rate_asked", np.nan), "is not finite"),
        (set_attribute("rate_asked", -5.0), "must be above 0"),
        (set_attribute("missed_ticks", 0.5), "not a whole number"),
        (set_attribute("anchors", '[{"name": "x", "kind": "cube", "size": NaN, "colour": [0, 0, 0]}]'), "holds NaN"),
        (set_attribute("anchors", "[" * 100_000), "'anchors' is damaged"),
        (set_attribute("anchors", "[1]"), "does not describe objects"),
        (set_attribute("success", "maybe"), "'success' is 'maybe'"),
        (set_attribute("trim", np.array([5, 99])), "The trim from 5 to 99"),
        (set_attribute("num_samples", 1 << 50, "data/demo_0"), "has the shape"),
        (set_attribute("clicks", '[{"verb": 1}]', "data/demo_0/segments"), "instructions of its segments"),
    ],
)
def test_contents_that_no_take_has_are_refused(
    library: Library, take_path: Path, change: Callable[[Any], None], reason: str
) -> None:
    spoil(take_path, change)
    assert reason in assert_refused(library)


def test_unknown_data_and_attributes_are_kept(library: Library, take_path: Path) -> None:
    """Keys of a newer version or another program are not read, and stay when the take is changed."""

    def change(file: Any) -> None:
        file.attrs["camera"] = "wide"
        file.attrs["strange"] = np.zeros(3, [("a", "f4"), ("b", "S3")])
        file["data/demo_0/obs/image"] = np.zeros((SAMPLES, 8, 8, 3), np.uint8)
        file["data/demo_0/obs/elsewhere"] = h5py.ExternalLink("gone.hdf5", "x")
        file.attrs["anchors"] = file.attrs["anchors"].replace('"kind"', '"weight": 0.1, "kind"')
        file.attrs["timing"] = file.attrs["timing"].replace("{", '{"jitter": 1, ', 1)

    spoil(take_path, change)
    assert library.set_notes("t", "001", "kept").error == ""
    assert len(library.load_take("t", "001")) == SAMPLES
    with h5py.File(take_path) as file:
        assert file.attrs["camera"] == "wide"
        assert file["data/demo_0/obs/image"].shape == (SAMPLES, 8, 8, 3)


def test_very_long_take_is_read_back(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """What compression would make look like a bomb is stored as it is."""
    monkeypatch.setattr(dataset_writer, "MAX_TAKE_BYTES", 1 << 12)
    monkeypatch.setattr(checked_file, "MAX_TAKE_BYTES", 1 << 12)
    library.add_take(record_fake_take("long", 1000))
    assert len(library.load_take("long", "001")) == 1000


def test_numbers_that_are_not_finite_are_named(library: Library, take_path: Path) -> None:
    def change(file: Any) -> None:
        file["data/demo_0/obs/object_yaws"][7, 1] = np.nan

    spoil(take_path, change)
    left_out: list[str] = []
    assert library.load_intact_takes("t", left_out.append) == []
    assert left_out == ["Task 't', take 001 contains numbers that are not finite (object_yaws, sample 7)."]
    library.set_trim("t", "001", (8, 20))
    assert len(library.load_intact_takes("t", left_out.append)) == 1


def test_change_of_damaged_take_is_refused(library: Library, take_path: Path) -> None:
    """Also where only the change finds the damage; the file stays as it is."""
    spoil(take_path, lambda file: file.attrs.__delitem__("format_version"))
    with pytest.raises(CorruptFileError, match="no take of metagui"):
        library.set_success("t", "001", True)


# Exchange


def test_export_of_newer_format_is_not_imported() -> None:
    with pytest.raises(NewerFormatError, match=r"newer_format.hdf5, demo_0 was written by a newer metagui"):
        read_demonstrations(DATA / "newer_format.hdf5")


def test_takes_with_other_objects_are_not_exported_together(library: Library, tmp_path: Path) -> None:
    for take in read_demonstrations(DATA / "mixed_objects.hdf5"):
        library.add_take(take)
    report = export(library.list_takes("t"), tmp_path / "all.hdf5")
    assert [path.name for path in report.files] == ["all.hdf5", "all-2.hdf5"]
    assert [len(read_demonstrations(path)) for path in report.files] == [1, 1]
    assert [len(read_demonstrations(path)[0].objects) for path in report.files] == [6, 2]


def test_export_masks_suit_any_task_name(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    for task in ("train", "valid", "a/b", "a_b", "."):
        library.add_take(record_fake_take(task))
    takes = [info for task in library.list_tasks() for info in library.list_takes(task)]
    export(takes, tmp_path / "all.hdf5")
    with h5py.File(tmp_path / "all.hdf5") as file:
        masks = {key: [name.decode() for name in names[()]] for key, names in file["mask"].items()}
    assert masks.pop("train") == [f"demo_{i}" for i in range(5)]
    assert masks == {
        ". (2)": ["demo_0"],
        "a_b": ["demo_1"],
        "a_b (2)": ["demo_2"],
        "train (2)": ["demo_3"],
        "valid (2)": ["demo_4"],
    }


# Random damage


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes of a file with random damage: bytes changed, cut off, zeroed, moved, or contents edited."""
    data, kind = bytearray(content), rng.integers(7)
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 600))
    if kind == 0:
        data[start:] = b""
    elif kind == 1:
        data[start : start + length] = bytes(len(data[start : start + length]))
    elif kind == 2:
        data[start:start] = data[:length]
    elif kind == 3:
        return edit_contents(content, rng)
    else:  # most structure is at the start of the file, and in blocks between the data
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data) if kind == 4 else 4000))] = int(rng.integers(256))
    return bytes(data)


def edit_contents(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes of a valid file in which an attribute or a data set is removed or another one."""
    values = (np.nan, -1, 1 << 62, "", "text", "[]", "{}", b"\xff", np.zeros(3), np.zeros((0, 2)), h5py.Empty("f8"))
    value = values[rng.integers(len(values))]
    with h5py.File(io.BytesIO(content), "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        holder = file[names[rng.integers(len(names))]]
        if rng.integers(2) and len(holder.attrs):
            keys = sorted(holder.attrs)
        else:
            keys, holder = sorted(file.attrs) or ["task"], file
        if rng.integers(3):
            holder.attrs[keys[rng.integers(len(keys))]] = value
        else:
            name = names[rng.integers(len(names))]
            del file[name]
            if rng.integers(2):
                file[name] = value
        file.flush()
        return bytes(file.id.get_file_image())


def test_random_damage_ends_in_success_or_library_error(library: Library, take_path: Path) -> None:
    good, rng = (library.root / "u" / "001.hdf5").read_bytes(), np.random.default_rng(3)
    messages = []
    for _ in range(500):
        damaged = mutate(good, rng)
        take_path.write_bytes(damaged)
        started = time.perf_counter()
        messages.append(library.get_take_info("t", "001").error)
        try:
            library.load_take("t", "001")
        except LibraryError as error:
            messages.append(str(error))
        assert time.perf_counter() - started < MAX_SECONDS
        assert take_path.read_bytes() == damaged
    messages = [message for message in messages if message]
    assert len(messages) > 200
    assert all(message.startswith("Task 't', take 001: 001.hdf5 ") for message in messages)
    assert not [message for message in messages if any(words in message for words in ("Errno", "Unable", "Error"))]
