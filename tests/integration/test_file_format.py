"""The specification of the file format holds: its tables fit files written now and those of version 0.1."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from safetensors import safe_open
from typer.testing import CliRunner

from metagui.arms.arm import CONTROL_PERIOD_S
from metagui.arms.feetech.protocol import ServoStatus
from metagui.arms.so101.stops import Zeros, zeros_to_json
from metagui.cli import app
from metagui.demonstrations.health import HEALTH_TYPES
from metagui.demonstrations.recording.recorder import Recorder
from metagui.demonstrations.storage.library import Library
from tests.helpers.emulated_table import record_overload
from tests.helpers.markdown import DOCS, find_tables, match_shape, read_keys, read_table, split_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
OLD = ROOT / "tests" / "data" / "version_0_1"
REACH = {"verb": "reach", "anchor": "red cube", "offset": [0.0, 0.0, 0.06]}
PROGRAMS = {"format": 1, "programs": [{"name": "hover", "family": "reach", "clicks": [REACH]}]}
JOURNAL_HEADING = "## Journal of a take being recorded"
FILE_FORMAT, POLICY = "file-format.md", "policy.md"

# Takes


@pytest.fixture(scope="module")
def fresh_take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a take that was written now, trimmed and with a success."""
    folder = tmp_path_factory.mktemp("fresh")
    (folder / "hover.json").write_text(json.dumps(PROGRAMS), encoding="utf-8")
    words = ["generate", "--programs", folder / "hover.json", "--takes", "1", "--out", folder / "library"]
    result = CliRunner().invoke(app, [*map(str, words), "--workers", "1"])
    assert result.exit_code == 0, result.output
    return folder / "library" / "hover" / "001.hdf5"


def find_stored_takes() -> list[Path]:
    """Return takes of version 0.1, also trashed ones, and the examples."""
    return [*sorted((OLD / "library").glob("**/*.hdf5")), *sorted((ROOT / "recordings").glob("*/001.hdf5"))]


def check_take(path: Path) -> None:
    """Compare a file with the specification, in both directions."""
    sizes: dict[str, int] = {}
    data: dict[Any, Any] = {row["Path"]: row for row in read_table(FILE_FORMAT, "### Groups and data sets")}
    rows = read_table(FILE_FORMAT, "### Attributes")
    attributes: dict[Any, Any] = {(row["Path"], row["Attribute"]): row for row in rows}
    seen: dict[Any, Any] = {}

    def look(name: str, item: Any) -> None:
        seen[name] = item
        seen.update({(name, key): (item.attrs[key], item.attrs.get_id(key)) for key in item.attrs})

    with h5py.File(path) as file:
        look("/", file)
        file.visititems(look)
        del seen["/"]
        assert set(seen) - set(data) - set(attributes) == set(), f"the specification does not mention parts of {path}"
        required = {key for key, row in (data | attributes).items() if row["Present"] == "always"}
        assert required - set(seen) == set(), f"{path} is missing what is always present"
        for name in data.keys() & seen.keys():
            _check_dataset(seen[name], data[name], sizes)
        for key in attributes.keys() & seen.keys():
            value, stored = seen[key]
            _check_attribute(value, stored, attributes[key], sizes)
        _check_documents(file)


def _check_dataset(item: Any, row: dict[str, str], sizes: dict[str, int]) -> None:
    if row["Type"] == "group":
        assert isinstance(item, h5py.Group), row
        return
    assert item.dtype == np.dtype(row["Type"]), row
    assert match_shape(row["Shape"], item.shape, sizes), (row, item.shape, sizes)


def _check_attribute(value: Any, stored: Any, row: dict[str, str], sizes: dict[str, int]) -> None:
    text = h5py.check_string_dtype(stored.dtype)
    assert (text is not None) == (row["Type"] == "string"), row
    assert text is not None or stored.dtype == np.dtype(row["Type"]), row
    assert match_shape(row["Shape"], np.shape(value), sizes), (row, np.shape(value), sizes)


def _check_documents(file: Any) -> None:
    """Check the keys of the JSON in a take's attributes."""
    for scene_object in json.loads(file.attrs["anchors"]):
        keys = read_keys(FILE_FORMAT, "#### Scene object")
        assert keys - {"dimensions", "tag"} <= set(scene_object) <= keys
    for instruction in json.loads(file["data/demo_0/segments"].attrs["clicks"]):
        assert instruction is None or set(instruction) == read_keys(FILE_FORMAT, "#### Instruction")
    assert set(json.loads(file.attrs["timing"])) == read_keys(FILE_FORMAT, "#### Timing summary")


def test_file_format_fits_a_fresh_take(fresh_take: Path) -> None:
    check_take(fresh_take)
    with h5py.File(fresh_take) as file:
        assert "states" in file["data/demo_0"]


def test_file_format_names_every_number_of_a_state(fresh_take: Path) -> None:
    """The parts of the table, one after the other, are the whole state, and hold what the observations hold."""
    with h5py.File(fresh_take) as file:
        objects, demo = json.loads(file.attrs["anchors"]), file["data/demo_0"]
        kinds = [each["kind"] for each in objects]
        sizes = {"J": len(file.attrs["joint_names"]), "C": kinds.count("cube"), "Z": kinds.count("zone")}
        states, observed = demo["states"][()], {key: demo[f"obs/{key}"][()] for key in demo["obs"]}
    parts, start = {}, 0
    for row in read_table(FILE_FORMAT, "#### Simulator state"):
        number, _, letter = row["Numbers"].rpartition(" ")
        count = int(letter) if letter.isdecimal() else int(number or 1) * sizes[letter]
        parts[row["Part"]], start = states[:, start : start + count], start + count
    assert start == states.shape[1]
    cubes, zones = ([i for i, kind in enumerate(kinds) if kind == wanted] for wanted in ("cube", "zone"))
    assert np.all(np.diff(parts["time"][:, 0]) > 0)
    np.testing.assert_allclose(parts["joint angles"], observed["joint_positions"], atol=0.02)
    poses = parts["cube poses"].reshape(len(states), -1, 7)
    np.testing.assert_allclose(poses[..., :3], observed["object_positions"][:, cubes], atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(poses[..., 3:], axis=-1), 1.0, atol=1e-6)
    places = parts["zone positions"].reshape(len(states), -1, 3)
    np.testing.assert_allclose(places[..., :2], observed["object_positions"][:, zones, :2], atol=2e-3)
    turns = parts["zone orientations"].reshape(len(states), -1, 4)
    np.testing.assert_allclose(np.linalg.norm(turns, axis=-1), 1.0, atol=1e-6)


def test_file_format_fits_a_take_of_a_real_arm(tmp_path: Path) -> None:
    library = Library(tmp_path)
    path = library.add_take(record_overload(Recorder(tmp_path))).path
    check_take(path)
    with h5py.File(path) as file:
        assert set(json.loads(file.attrs["faults"])) <= read_keys(FILE_FORMAT, "#### Faults")
        assert "health" in file["data/demo_0"]
    assert {str(fault.name).lower() for fault in ServoStatus} == read_keys(FILE_FORMAT, "#### Faults")


@pytest.mark.parametrize("path", find_stored_takes(), ids=lambda path: f"{path.parent.name} {path.stem}")
def test_file_format_fits_stored_takes(path: Path) -> None:
    check_take(path)


def test_file_format_fits_the_values(fresh_take: Path) -> None:
    """What the meanings promise: actions, dones, rewards, next observations, times."""
    with h5py.File(fresh_take) as file:
        demo = file["data/demo_0"]
        scale, offset = demo["actions"].attrs["scale"], demo["actions"].attrs["offset"]
        np.testing.assert_allclose(demo["actions"][()] * scale + offset, demo["command_sent"][()], atol=1e-5)
        assert demo["dones"][()].tolist() == [0] * (len(demo["dones"]) - 1) + [1]
        assert demo["rewards"][-1] == (file.attrs["success"] == "yes")
        for key in demo["obs"]:
            np.testing.assert_array_equal(demo["next_obs"][key][:-1], demo["obs"][key][1:])
        assert (np.diff(demo["timing/time"][()]) > 0).all()
        assert file.attrs["samples"] == demo.attrs["num_samples"] == file["data"].attrs["total"] == len(demo["actions"])
        np.testing.assert_allclose(np.linalg.norm(demo["obs/ee_quaternion"][()], axis=1), 1.0, atol=1e-5)


def check_velocities(path: Path) -> None:
    """Compare the velocities in a take of the simulated arm with the mean ones since the sample before."""
    with h5py.File(path) as file:
        observed = file["data/demo_0/obs"]
        means = np.diff(observed["joint_positions"][()].astype(np.float64), axis=0) / CONTROL_PERIOD_S
        np.testing.assert_allclose(observed["joint_velocities"][1:], means, atol=1e-4)


def read_arrays(path: Path) -> dict[str, Any]:
    """Return all data sets of a take by their paths."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize("task", sorted(path.name for path in (ROOT / "recordings").iterdir() if path.is_dir()))
def test_velocities_of_the_examples_are_true(task: str) -> None:
    for path in sorted((ROOT / "recordings" / task).glob("*.hdf5")):
        check_velocities(path)


def test_velocities_of_a_fresh_take_are_true(fresh_take: Path) -> None:
    check_velocities(fresh_take)


def test_correct_velocities_changes_nothing_else(tmp_path: Path) -> None:
    old = next(path for path in sorted((OLD / "library").glob("*/*.hdf5")) if "data/demo_0/states" in read_arrays(path))
    path = tmp_path / "001.hdf5"
    shutil.copy(old, path)
    with pytest.raises(AssertionError):
        check_velocities(path)
    subprocess.run([sys.executable, ROOT / "scripts" / "correct_velocities.py", tmp_path], check=True, cwd=ROOT)
    check_velocities(path)
    before, after = read_arrays(old), read_arrays(path)
    changed = {name for name in before | after if not np.array_equal(before[name], after[name])}
    assert changed == {"data/demo_0/next_obs/joint_velocities", "data/demo_0/obs/joint_velocities"}


# Journals


def test_file_format_fits_a_journal() -> None:
    """A reader written from the specification alone finds the samples."""
    (path,) = (OLD / "library" / ".scratch").glob("*.journal")
    header, instructions, samples = read_journal_as_specified(path)
    assert set(header) == read_keys(FILE_FORMAT, JOURNAL_HEADING) - {"health"}
    expected = json.loads((OLD / "expected.json").read_text(encoding="utf-8"))["journal"]
    assert len(samples) == expected["samples"]
    assert samples["time"][-1] - samples["time"][0] == pytest.approx(expected["duration"])
    assert set(samples["instruction"].tolist()) <= set(range(-1, len(instructions)))


def test_file_format_fits_a_journal_of_a_real_arm(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    take = record_overload(recorder)
    assert recorder.journal_path is not None
    header, _, samples = read_journal_as_specified(recorder.journal_path)
    assert set(header) == read_keys(FILE_FORMAT, JOURNAL_HEADING)
    np.testing.assert_array_equal(samples["joint positions"], take.joint_positions)
    assert take.health is not None
    np.testing.assert_array_equal(samples["statuses"], take.health.statuses)
    np.testing.assert_array_equal(samples["state"], take.states)


def read_journal_as_specified(path: Path) -> tuple[dict[str, Any], list[Any], Any]:
    """Return header, instructions and rows of a journal, read by the tables of the specification."""
    first, _, data = path.read_bytes().partition(b"\n")
    header = json.loads(first.partition(b"\t")[0])
    sizes = {"J": len(header["joint_names"]), "K": len(header["anchors"]), "D": header["state_size"]}
    row = np.dtype(list(_make_row_fields(sizes, header.get("health", False))))
    instructions, rows = [], []
    for kind, payload in _read_frames(data):
        if kind == b"C":
            instructions.append(json.loads(payload))
            assert set(instructions[-1]) == read_keys(FILE_FORMAT, "#### Instruction")
        else:
            rows.append(np.frombuffer(payload, row))
    return header, instructions, np.concatenate(rows)


def _make_row_fields(sizes: dict[str, int], has_health: bool) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    text = (DOCS / FILE_FORMAT).read_text(encoding="utf-8")
    (table,) = [table for table in find_tables(text) if {"Field", "Shape"} <= set(table[0])]
    for row in table:
        is_present = has_health if row["Field"] in HEALTH_TYPES else row["Field"] != "state" or sizes["D"]
        if is_present:
            names = split_shape(row["Shape"])
            shape = tuple(int(name) if name.isdecimal() else sizes[name] for name in names)
            yield row["Field"], np.dtype(row["Type"]).str, shape


def _read_frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    frame = struct.Struct("<cII")
    while len(data) >= frame.size:
        kind, length, checksum = frame.unpack_from(data)
        payload, data = data[frame.size : frame.size + length], data[frame.size + length :]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield kind, payload


# Tensors, arms


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    with safe_open(path, framework="np") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dictionary


@pytest.mark.parametrize(
    "path",
    [ROOT / "resources" / "prior" / "prior.safetensors", OLD / "library" / ".metagui" / "prior.safetensors"],
    ids=["shipped", "0.1"],
)
def test_file_format_fits_priors(path: Path) -> None:
    metadata, tensors = read_tensors(path)
    assert set(metadata) == {"prior"}
    assert set(json.loads(metadata["prior"])) | {"encoder"} == read_keys(FILE_FORMAT, "## Priors: `prior.safetensors`")
    assert {name.split("/")[0] for name in tensors} - {"encoder"} == {"params", "rates", "rival"}
    named = {row["Tensor"] for row in read_table(POLICY, "## Tensors of the prior")}
    assert {name.removeprefix("params/") for name in tensors if name.startswith("params/")} == named


def test_policy_tensors_are_those_of_the_shipped_prior() -> None:
    _, tensors = read_tensors(ROOT / "resources" / "prior" / "prior.safetensors")
    for row in read_table(POLICY, "## Tensors of the prior"):
        assert match_shape(row["Shape"], tensors[f"params/{row['Tensor']}"].shape, {}), row


def test_policy_tensors_are_those_of_a_policy(fresh_take: Path) -> None:
    """The shapes with a policy that was adapted now, the names with one of version 0.1."""
    library = fresh_take.parents[1]
    result = CliRunner().invoke(app, ["adapt", "hover", "--library", str(library)])
    assert result.exit_code == 0, result.output
    metadata, tensors = read_tensors(fresh_take.parent / "adapted.safetensors")
    header = json.loads(metadata["adapted"])
    optional = {"replay"}  # of the takes that can be replayed relative to objects
    assert set(header) | optional == read_keys(FILE_FORMAT, "## Task policies: `adapted.safetensors`")
    assert set(header["clicks"][0]) == read_keys(FILE_FORMAT, "An entry of `clicks`:")
    rows = {row["Tensor"]: row for row in read_table(POLICY, "## Tensors of a skill policy")}
    sizes = {"A": len(header["anchors"]) + 1}
    assert {name.split("/", 1)[1] for name in tensors} == set(rows)
    for name, row in rows.items():
        assert match_shape(row["Shape"], tensors[f"0/{name}"].shape, sizes), (row, tensors[f"0/{name}"].shape)
    rates = set(json.loads(read_tensors(ROOT / "resources" / "prior" / "prior.safetensors")[0]["prior"])["rates"])
    assert {name for name, row in rows.items() if row["Adapted"] == "yes"} == rates
    _, old = read_tensors(OLD / "library" / "reach red" / "adapted.safetensors")
    assert {name.split("/", 1)[1] for name in old} == set(rows)


def test_file_format_fits_arms_and_calibrations() -> None:
    arms = json.loads((OLD / "config" / "arms" / "arms.json").read_text(encoding="utf-8"))
    for arm in arms:
        assert set(arm) == read_keys(FILE_FORMAT, "## Named arms and calibrations")
    calibration = json.loads((OLD / "config" / "arms" / "left arm.json").read_text(encoding="utf-8"))
    keys = read_keys(FILE_FORMAT, "each joint's name to:")
    assert all(set(joint) == keys for joint in calibration.values())
    zeros = json.loads(zeros_to_json(Zeros()))
    assert set(zeros) == read_keys(FILE_FORMAT, "until the arm is connected:")
