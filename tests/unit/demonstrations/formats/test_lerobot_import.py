"""Import of LeRobot data sets: what they do not say is asked for, and damaged or foreign ones are named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metagui.demonstrations.formats.exchange import (
    ExchangeError,
    ImportedTake,
    ImportOptions,
    LeftOut,
    MissingAnswerError,
    PlacedObject,
)
from metagui.demonstrations.formats.joint_units import JOINT_NAMES, make_joint_scale
from metagui.demonstrations.formats.registry import read_takes_of
from metagui.demonstrations.recording.replay import ReplayController
from metagui.demonstrations.storage.errors import CorruptFileError, LibraryError, NewerFormatError
from metagui.demonstrations.storage.library import Library
from metagui.learning.policy.features import FeatureError, encode
from tests.helpers.exchange import export, import_into, list_all_takes, read_demonstrations
from tests.helpers.lerobot import make_motion, write_v21, write_v30
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRITERS = [write_v30, write_v21]
ANSWERS: dict[str, Any] = {"unit": "degrees", "placement": ()}


@pytest.mark.parametrize("write", WRITERS)
def test_episodes_become_takes(write: Callable[[Path], Path], tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    report = import_into(library, write(tmp_path / "set"), **ANSWERS)
    assert [(info.task, info.sample_count) for info in report.added] == [
        ("Put the cube away", 30),
        ("Put the cube away", 40),
    ]
    take = library.load_take("Put the cube away", "001")
    expected = make_joint_scale(JOINT_NAMES, "degrees").to_angles(make_motion(30, 0).astype(np.float64))
    np.testing.assert_allclose(take.joint_positions, expected, atol=1e-6)
    np.testing.assert_allclose(take.command_sent[:-1], expected[1:], atol=1e-12)
    np.testing.assert_allclose(take.time, np.arange(30) / 30)
    assert (take.joint_names, take.objects, take.timing.rate_requested) == (JOINT_NAMES, (), 30.0)
    assert np.isfinite(take.tool_positions).all()


def test_features_that_are_left_out_are_named_with_the_reason(tmp_path: Path) -> None:
    root = write_v30(tmp_path / "set")
    info = json.loads((root / "meta/info.json").read_text())
    info["features"] |= {
        "observation.images.front": {"dtype": "video", "shape": [4, 4, 3], "names": None},
        "observation.environment_state": {"dtype": "float32", "shape": [4], "names": None},
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
        "bad\x1b[2Jname": {"dtype": "float32", "shape": [1], "names": None},
        "action": {"dtype": "float32", "shape": [7], "names": None},
    }
    (root / "meta/info.json").write_text(json.dumps(info))
    table = pq.read_table(path := root / "data/chunk-000/file-000.parquet").drop_columns(["action"])
    pq.write_table(table, path)
    notes = import_into(Library(tmp_path / "library"), root, **ANSWERS).notes
    assert "set: left out observation.images.front: pictures are not learned from." in notes
    assert "set: left out observation.environment_state: it does not say which objects it describes." in notes
    assert "set: left out action: its numbers are not targets of the joints." in notes
    assert r"set: left out next.reward, 'bad\x1b[2Jname': metagui has no field for it." in notes


@pytest.mark.parametrize("write", WRITERS)
def test_unit_and_placement_are_asked_for(write: Callable[[Path], Path], tmp_path: Path) -> None:
    library, root = Library(tmp_path / "library"), write(tmp_path / "set")
    with pytest.raises(MissingAnswerError, match=r"which unit.*--unit") as caught:
        import_into(library, root)
    assert caught.value.question == "unit"
    with pytest.raises(MissingAnswerError, match=r"what stands on the table.*--no-objects") as caught:
        import_into(library, root, unit="degrees")
    assert caught.value.question == "placement"
    assert library.list_tasks() == []


def test_implausible_unit_is_refused(tmp_path: Path) -> None:
    root = write_v30(tmp_path / "set")
    with pytest.raises(ExchangeError, match="cannot be radians"):
        import_into(Library(tmp_path / "library"), root, unit="radians", placement=())


def test_objects_are_followed_by_a_twin(tmp_path: Path) -> None:
    library, root = Library(tmp_path / "library"), write_v30(tmp_path / "set")
    placement = (PlacedObject("red cube", 0.2, 0.1, 0.3), PlacedObject("violet zone", 0.15, -0.12))
    import_into(library, root, unit="degrees", placement=placement)
    take = library.load_take("Put the cube away", "001")
    names = [each.name for each in take.objects]
    np.testing.assert_allclose(take.object_positions[0, names.index("red cube"), :2], (0.2, 0.1), atol=1e-3)
    np.testing.assert_allclose(take.object_positions[-1, names.index("violet zone"), :2], (0.15, -0.12), atol=1e-3)
    assert take.states is not None
    with pytest.raises(ExchangeError, match="teapot"):
        import_into(library, root, unit="degrees", placement=(PlacedObject("teapot", 0.2, 0.1),))


def test_import_twice_adds_once_and_continues(tmp_path: Path) -> None:
    library, root = Library(tmp_path / "library"), write_v30(tmp_path / "set")
    import_into(library, root, **ANSWERS)
    library.remove_take("Put the cube away", "002")
    report = import_into(library, root, **ANSWERS)
    assert [info.sample_count for info in report.added] == [40]
    assert "episode 0 is in the library already, as Put the cube away 001" in report.left_out[0].reason


def test_damaged_episode_leaves_the_others(tmp_path: Path) -> None:
    root = write_v21(tmp_path / "set", (30, 40, 50))
    path = root / "data/chunk-000/episode_000001.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    report = import_into(Library(tmp_path / "library"), root, **ANSWERS)
    assert [info.sample_count for info in report.added] == [30, 50]
    assert [left.reason for left in report.left_out] == [
        "set, episode 1: data/chunk-000/episode_000001.parquet: it is damaged or cut off."
    ]


def _edit_info(**changes: Any) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        path = root / "meta/info.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def _replace(name: str, content: bytes) -> Callable[[Path], None]:
    def replace_file(root: Path) -> None:
        (root / name).write_bytes(content)

    return replace_file


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 100\n"
DATA = "data/chunk-000/file-000.parquet"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (_edit_info(codebase_version="v3.1"), "format v3.1; this version of metagui reads v2.0, v2.1, v3.0"),
        (_edit_info(codebase_version="v4.0"), "format v4.0"),
        (_edit_info(codebase_version="v1.6"), "convert it to v3.0"),
        (_edit_info(codebase_version=7), "does not describe a LeRobot data set"),
        (_edit_info(fps=0), "fps is 0"),
        (_edit_info(fps="30"), "fps is"),
        (_edit_info(features={}), "no joint angles"),
        (_edit_info(features=[]), "has no features"),
        (_edit_info(features={"observation.state": {"shape": [6000000000]}}), "no joint angles"),
        (_edit_info(features={"observation.state": {"dtype": "float32", "shape": [7]}}), "has 6 numbers where"),
        (_replace("meta/info.json", b"{"), "meta/info.json: it is damaged"),
        (_replace("meta/info.json", LFS), "it is a Git LFS pointer"),
        (_replace("meta/info.json", b""), "it is empty"),
        (_replace(DATA, LFS), "it is a Git LFS pointer"),
        (_replace(DATA, b"PAR1PAR1"), "it is damaged or cut off"),
        (lambda root: (root / DATA).unlink(), "it does not exist"),
        (_replace("meta/episodes/chunk-000/file-000.parquet", LFS), "it is a Git LFS pointer"),
        (lambda root: shutil.rmtree(root / "meta/episodes"), "meta/episodes has no episodes"),
    ],
)
def test_damaged_or_newer_data_set_is_named(edit: Callable[[Path], None], reason: str, tmp_path: Path) -> None:
    library, root = Library(tmp_path / "library"), write_v30(tmp_path / "set")
    edit(root)
    with pytest.raises(LibraryError) as caught:
        import_into(library, root, **ANSWERS)
    assert reason in str(caught.value)
    assert "Nothing was imported" in str(caught.value)
    assert library.list_tasks() == []


def test_newer_formats_have_their_own_error(tmp_path: Path) -> None:
    root = write_v30(tmp_path / "set", codebase_version="v3.1")
    with pytest.raises(NewerFormatError):
        read_demonstrations(root, **ANSWERS)
    library = Library(tmp_path / "library")
    library.add_take(generate_example_takes()["above red"][0])
    export(list_all_takes(library), tmp_path / "own", "lerobot")
    path = tmp_path / "own/meta/metagui.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}))
    with pytest.raises(NewerFormatError, match="newer metagui"):
        read_demonstrations(tmp_path / "own")


def test_absurd_column_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A column that packs many numbers into a few kilobytes costs no memory."""
    root = write_v30(tmp_path / "set")
    rows = 20_000_000
    zeros = pa.array(np.zeros(rows, np.int8))
    index, state = (pa.DictionaryArray.from_arrays(zeros, pa.array([value])) for value in (0, 0.5))
    pq.write_table(pa.table({"episode_index": index, "observation.state": state}), root / DATA)
    assert (root / DATA).stat().st_size < 1 << 20
    with pytest.raises(LibraryError, match="needs 152 MiB of memory"):
        import_into(Library(tmp_path / "library"), root, **ANSWERS)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.hdf5", LFS, "it is a Git LFS pointer"),
        ("a.parquet", b"PAR1xxxx", "it is a Parquet file; choose the folder"),
        ("a.mcap", b"\x89MCAP0\r\n", "it is an MCAP file"),
        ("a.zip", b"PK\x03\x04", "it is a zip archive"),
        ("a.pkl", b"\x80\x04\x95", "it is a Python pickle"),
        ("a.json", b"{}", "it is a JSON file"),
        ("a.txt", b"hello", "neither an HDF5 file nor a LeRobot data set"),
        ("a", b"", "it is empty"),
    ],
)
def test_other_files_are_named(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorruptFileError) as caught:
        import_into(Library(tmp_path / "library"), tmp_path / name)
    assert reason in str(caught.value)


def test_folders_and_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CorruptFileError, match=r"folder without meta/info\.json"):
        import_into(Library(tmp_path / "library"), tmp_path / "folder")
    with pytest.raises(CorruptFileError, match="does not exist"):
        import_into(Library(tmp_path / "library"), tmp_path / "nowhere")


def test_a_file_of_a_data_set_stands_for_it(tmp_path: Path) -> None:
    root = write_v30(tmp_path / "set")
    assert len(read_demonstrations(root / DATA, **ANSWERS)) == 2
    assert len(read_demonstrations(root / "meta/info.json", **ANSWERS)) == 2


def test_changed_export_comes_back_with_its_objects(tmp_path: Path) -> None:
    """Another program edited the frames: they count, not what metagui stored beside them; units need no answer."""
    library = Library(tmp_path / "library")
    library.add_take(generate_example_takes()["lift blue"][0])
    export(list_all_takes(library), tmp_path / "set", "lerobot", unit="normalized")
    (tmp_path / "set/meta/metagui-takes.hdf5").unlink()
    there, (back,) = library.load_take("lift blue", "001"), read_demonstrations(tmp_path / "set")
    assert back.objects == there.objects
    np.testing.assert_allclose(back.joint_positions, there.joint_positions, atol=1e-5)
    np.testing.assert_allclose(back.object_positions, there.object_positions, atol=1e-6)
    np.testing.assert_array_equal(back.held[:, :5], there.held[:, :5])
    np.testing.assert_array_equal(back.time, there.time - there.time[0])


def test_joints_of_other_arms_come_in_radians(tmp_path: Path) -> None:
    names = [f"joint{i}" for i in range(6)]
    vector = {"dtype": "float32", "shape": [6], "names": {"motors": names}}
    root = write_v30(tmp_path / "set", robot_type="koch")
    info = json.loads((root / "meta/info.json").read_text())
    info["features"] |= {"observation.state": vector, "action": vector}
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(ExchangeError, match="use the unit radians"):
        read_demonstrations(root, unit="degrees", placement=())
    table = pq.read_table(root / DATA)
    values = [(np.array(v) / 100).tolist() for v in table["observation.state"].to_pylist()]
    small = pa.array(values, pa.list_(pa.float32(), 6))
    pq.write_table(table.set_column(1, "observation.state", small).set_column(0, "action", small), root / DATA)
    take = read_demonstrations(root, unit="radians", placement=())[0]
    assert take.joint_names == tuple(names)
    assert np.isnan(take.tool_positions).all()


def test_numbers_that_are_not_finite_are_named(tmp_path: Path) -> None:
    root = write_v30(tmp_path / "set")
    table = pq.read_table(root / DATA)
    values = table["observation.state"].to_pylist()
    values[35][2] = float("nan")
    column = pa.array(values, pa.list_(pa.float32(), 6))
    pq.write_table(table.set_column(1, "observation.state", column), root / DATA)
    found = list(read_takes_of(root, ImportOptions(**ANSWERS)))
    assert [type(each) for each in found] == [ImportedTake, LeftOut]
    assert "joint angles contain numbers that are not finite" in found[1].reason


def test_long_names_of_tasks_are_refused_with_reason(tmp_path: Path) -> None:
    root = write_v30(tmp_path / "set")
    report = import_into(Library(tmp_path / "library"), root, **(ANSWERS | {"task": "short"}))
    assert {info.task for info in report.added} == {"short"}


def test_take_without_objects_is_not_adapted_but_replayed(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    import_into(library, write_v30(tmp_path / "set"), **ANSWERS)
    take = library.load_take("Put the cube away", "001")
    with pytest.raises(FeatureError, match="has no objects"):
        encode(take)
    with pytest.raises(FeatureError, match="recorded with the joints a, b"):
        encode(replace(generate_example_takes()["above red"][0], joint_names=tuple("abcdef")))
    assert ReplayController(take).approaching
