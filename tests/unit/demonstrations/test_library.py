"""Takes on disk: never overwritten or deleted, and listed whatever the files contain."""

import json
import random
import signal
import subprocess
import sys
import threading
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from metagui.arms.arm import SceneObject
from metagui.arms.kinematics import JOINTS
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Demonstration, Instruction, Segment, Timing
from metagui.demonstrations.recording.take_builder import TakeHeader
from metagui.demonstrations.storage import hdf5
from metagui.demonstrations.storage.errors import InvalidTakeError, NameCollisionError, ReadOnlyError, StorageError
from metagui.demonstrations.storage.library import Library
from tests.helpers.clocks import sleep
from tests.helpers.takes import ANY_TEXT, record_fake_take

FLOAT32_FIELDS = (
    "joint_positions",
    "joint_velocities",
    "tool_positions",
    "tool_yaws",
    "object_positions",
    "object_yaws",
)
"""Fields stored in float32, as robomimic's observations are; the others are stored exactly."""


def assert_same(one, other, ignore=()):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ignore:
            continue
        if isinstance(a, np.ndarray):
            expected = a.astype(np.float32).astype(np.float64) if field.name in FLOAT32_FIELDS else a
            np.testing.assert_array_equal(expected, b, err_msg=field.name)
            assert b.dtype == a.dtype
            assert not b.flags.writeable
        elif isinstance(a, Timing):
            assert_same(a, b)
        else:
            assert a == b, field.name


@pytest.fixture
def library(tmp_path):
    return Library(tmp_path / "library")


# Storing and loading

number = st.one_of(st.floats(-1e3, 1e3, width=32), st.just(float("nan")))


def rows(draw, *shape, dtype=np.float64, elements=number):
    return draw(arrays.arrays(dtype, shape, elements=elements))


@st.composite
def demonstrations(draw):
    n, joints, objects = draw(st.integers(1, 40)), draw(st.integers(1, 7)), draw(st.integers(0, 4))
    flags = {"dtype": np.bool_, "elements": st.booleans()}
    parameters = st.dictionaries(
        ANY_TEXT, st.one_of(number.filter(np.isfinite), ANY_TEXT, st.tuples(st.integers(0, 9)))
    )
    instructions = st.none() | st.builds(Instruction, ANY_TEXT, ANY_TEXT, st.none() | ANY_TEXT, parameters)
    start = draw(st.integers(0, n - 1))
    span = (start, draw(st.integers(start + 1, n)))
    segments = st.lists(st.builds(Segment, st.just(span[0]), st.just(span[1]), instructions), max_size=3).map(tuple)
    return Demonstration(
        task="any",
        name="",
        arm=draw(ANY_TEXT),
        joint_names=tuple(joint.name for joint in JOINTS[:joints]) + ("rail",) * (joints - len(JOINTS)),
        objects=tuple(SceneObject(draw(ANY_TEXT), "block", (0.02,) * 3, (0.1, 0.2, 0.3)) for _ in range(objects)),
        time=np.cumsum(rows(draw, n, elements=st.floats(1e-4, 1.0))),
        joint_positions=rows(draw, n, joints),
        joint_velocities=rows(draw, n, joints),
        tool_positions=rows(draw, n, 3),
        tool_yaws=rows(draw, n),
        object_positions=rows(draw, n, objects, 3),
        object_yaws=rows(draw, n, objects),
        held=rows(draw, n, objects, **flags),
        touched=rows(draw, n, objects, **flags),
        command_requested=rows(draw, n, joints, elements=st.floats()),
        command_sent=rows(draw, n, joints, elements=st.floats(-10, 10)),
        segments=draw(segments),
        timing=Timing(rows(draw, n), rows(draw, n), rows(draw, n), draw(st.floats(1, 500)), draw(st.integers(0, 99))),
        states=draw(st.none() | st.just(np.random.default_rng(n).normal(size=(n, 5)))),
        model_xml=draw(st.none() | ANY_TEXT),
        success=draw(st.sampled_from([None, True, False])),
        notes=draw(ANY_TEXT),
        trim=draw(st.sampled_from([None, span])),
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(demonstrations())
def test_library_any_demonstration_loads_unchanged(tmp_path_factory, demonstration):
    library = Library(tmp_path_factory.mktemp("library"))
    info = library.add_take(demonstration)
    assert (info.sample_count, info.success, info.trim, info.error) == (
        len(demonstration), demonstration.success, demonstration.trim, "",
    )  # fmt: skip
    assert info == library.get_take_info("any", info.name)  # as the file is listed
    assert_same(demonstration, library.load_take("any", "001"), ignore=("name",))


def test_library_simulated_take_loads_and_replays(library):
    arm = SimulatedArm(4)
    arm.connect()
    shown = record_fake_take("sweep", 60, arm)
    library.add_take(shown)
    back = library.load_take("sweep", "001")
    assert_same(shown, back, ignore=("name",))
    arm.set_state(back.states[30])
    np.testing.assert_allclose(arm.observe().positions, back.joint_positions[30], atol=1e-7)


def test_library_large_model_is_stored(library):
    """HDF5 limits ordinary attributes to 64 KiB; the MJCF text may be longer."""
    library.add_take(replace(record_fake_take(), model_xml="<mujoco/>" * 30_000))
    assert len(library.load_take("reach red", "001").model_xml) == 270_000


def test_take_file_has_robomimic_layout(library):
    arm = SimulatedArm(4)
    arm.connect()
    shown = record_fake_take("sweep", 30, arm)
    with h5py.File(library.add_take(replace(shown, success=True)).path) as file:
        data, demo = file["data"], file["data/demo_0"]
        assert data.attrs["total"] == demo.attrs["num_samples"] == 30
        assert set(json.loads(data.attrs["env_args"])) == {"env_name", "type", "env_kwargs"}
        assert demo.attrs["model_file"] == arm.model_xml
        actions = demo["actions"]
        assert (actions.shape, actions.dtype) == ((30, 6), np.float32)
        assert np.abs(actions[:]).max() <= 1.0
        targets = actions[:] * actions.attrs["scale"] + actions.attrs["offset"]
        np.testing.assert_allclose(targets, shown.command_sent, atol=1e-6)
        assert set(demo["obs"]) == set(demo["next_obs"]) == {
            "joint_positions", "joint_velocities", "gripper", "ee_position", "ee_quaternion", "ee_yaw",
            "object_positions", "object_yaws", "held", "touched",
        }  # fmt: skip
        for key, values in demo["obs"].items():
            assert values.dtype == np.float32
            assert len(values) == 30
            np.testing.assert_array_equal(demo["next_obs"][key][:-1], values[1:])
        np.testing.assert_allclose(np.linalg.norm(demo["obs/ee_quaternion"][:], axis=1), 1.0, rtol=1e-6)
        assert demo["dones"][:].tolist() == [0] * 29 + [1]
        assert demo["rewards"][:].tolist() == [0.0] * 29 + [1.0]
        assert demo["states"].dtype == demo["command_asked"].dtype == demo["command_sent"].dtype == np.float64
        assert {"time", "lateness", "latency", "retries"} == set(demo["timing"])
        assert (demo["segments"].dtype, demo["segments"].shape) == (np.int64, (1, 2))
        assert json.loads(demo["segments"].attrs["clicks"])[0]["verb"] == "reach"
        wanted = {"format_version", "task", "arm", "joint_names", "units", "rate_asked", "rate_reached", "missed_ticks"}
        assert wanted | {"success", "notes", "anchors"} <= set(file.attrs)
        assert file.attrs["success"] == "yes"


def test_tool_quaternion_axes_follow_gripper(library):
    """The z axis points out of the gripper, the x axis in the direction in which the jaw opens."""
    shown = record_fake_take()
    pitch = shown.joint_positions[0, 1:4].sum()
    with h5py.File(library.add_take(shown).path) as file:
        x, y, z, w = file["data/demo_0/obs/ee_quaternion"][0]
    hand = np.array([2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)])
    jaw = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])
    np.testing.assert_allclose(hand, [np.cos(pitch), 0, -np.sin(pitch)], atol=1e-6)
    np.testing.assert_allclose(jaw, [np.sin(pitch), 0, np.cos(pitch)], atol=1e-6)


# Numbering, removing, changing


def test_take_numbers_are_never_reused(library):
    """Also the number of a removed take is not used again."""
    assert library.list_tasks() == []
    assert [library.add_take(record_fake_take()).name for _ in range(3)] == ["001", "002", "003"]
    entry = library.remove_take("reach red", "003")
    assert library.add_take(record_fake_take()).name == "004"
    library.restore_trashed(entry)
    assert [info.name for info in library.list_takes("reach red")] == ["001", "002", "003", "004"]
    assert list((library.root / ".trash").iterdir()) == []


def test_add_take_from_many_threads_loses_none(library):
    shown = record_fake_take()
    threads = [threading.Thread(target=lambda: [library.add_take(shown) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [info.name for info in library.list_takes("reach red")] == [f"{i:03}" for i in range(1, 21)]


def test_add_take_by_two_programs_overwrites_none(library, monkeypatch):
    """Another program may take the next number meanwhile, also on a file system without hard links."""
    library.add_take(record_fake_take())
    monkeypatch.setattr(library, "_find_highest_number", lambda task: 0)
    assert library.add_take(record_fake_take()).name == "002"
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("no hard links here")))
    assert library.add_take(record_fake_take()).name == "003"
    assert not [path for path in library.get_task_folder("reach red").iterdir() if path.suffix == ".tmp"]


def test_remove_task_and_restore_keeps_other_files(library):
    """The adapted policy in the task folder is restored too."""
    library.add_take(record_fake_take())
    (library.get_task_folder("reach red") / "adapted.safetensors").write_bytes(b"learnt")
    entry = library.remove_task("reach red")
    assert library.list_tasks() == []
    library.add_take(record_fake_take())
    library.restore_trashed(entry)
    assert [info.name for info in library.list_takes("reach red")] == ["001", "002"]
    assert (library.get_task_folder("reach red") / "adapted.safetensors").read_bytes() == b"learnt"


def test_restore_trashed_never_replaces_a_take(library):
    library.add_take(record_fake_take())
    entry = library.remove_take("reach red", "001")
    hdf5.write_take(library.get_task_folder("reach red") / "001.hdf5", record_fake_take())
    with pytest.raises(NameCollisionError, match="stays in"):
        library.restore_trashed(entry)
    assert entry.path.is_dir()


def test_set_success_trim_and_notes_changes_no_sample(library):
    shown = record_fake_take()
    library.add_take(shown)
    assert library.set_success("reach red", "001", True).success is True
    assert library.set_trim("reach red", "001", (2, 9)).trim == (2, 9)
    assert library.set_notes("reach red", "001", "schön").notes == "schön"
    assert_same(
        replace(shown, success=True, trim=(2, 9), notes="schön"), library.load_take("reach red", "001"), ("name",)
    )
    assert library.set_trim("reach red", "001", None).trim is None
    with pytest.raises(InvalidTakeError, match="from 5 to 99"):
        library.set_trim("reach red", "001", (5, 99))


def test_update_take_failure_leaves_file_unchanged(library, monkeypatch):
    path = library.add_take(record_fake_take()).path
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="No space left"):
        library.set_success("reach red", "001", False)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["001.hdf5"]


def test_add_take_failure_stores_nothing(library, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with pytest.raises(StorageError, match=r"Input/output error.*choose another folder"):
        library.add_take(record_fake_take())
    assert library.list_takes("reach red") == []


ADDING = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from tests.helpers.takes import record_fake_take
from metagui.demonstrations.storage.library import Library
library, shown = Library(Path(sys.argv[1])), record_fake_take(ticks=400)
while True:
    sys.stdout.write(library.add_take(shown).name + "\\n")
    sys.stdout.flush()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_add_take_killed_leaves_complete_takes_only(library):
    paths = [path for path in sys.path if path]
    command = [sys.executable, "-c", ADDING, str(library.root), *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        printed = [process.stdout.readline()]
        printed += [process.stdout.readline() for _ in range(3)]
        sleep(random.Random(1).uniform(0.0, 0.05))  # somewhere within an addition
        process.send_signal(signal.SIGKILL)
        printed += process.stdout.read().splitlines()
    takes = library.list_takes("reach red")
    assert len(takes) >= len(printed)
    assert all(len(library.load_take("reach red", info.name)) == info.sample_count == 400 for info in takes)


# Examples, unusable folders, caching


def test_library_examples_are_listed_and_read_only(tmp_path):
    Library(tmp_path / "shipped").add_take(record_fake_take())
    library = Library(tmp_path / "mine", tmp_path / "shipped")
    assert library.list_tasks() == ["reach red"]
    assert library.get_take_info("reach red", "001").read_only
    for change in (
        lambda: library.remove_take("reach red", "001"),
        lambda: library.set_success("reach red", "001", True),
        lambda: library.rename_task("reach red", "mine"),
        lambda: library.remove_task("reach red"),
    ):
        with pytest.raises(ReadOnlyError, match="with metagui; it stays as it is"):
            change()
    own = library.add_take(record_fake_take())
    assert (own.name, own.read_only, own.path.parent.parent) == ("002", False, tmp_path / "mine")
    assert [info.read_only for info in library.list_takes("reach red")] == [True, False]
    library.remove_take("reach red", "002")


def test_library_of_examples_only_is_writable(tmp_path):
    """A library whose root is the folder of examples may be changed."""
    library = Library(tmp_path, tmp_path / "x" / "..")
    library.add_take(record_fake_take())
    library.remove_take("reach red", "001")


def test_library_unusable_folder_raises_storage_error(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="Choose another folder"):
        Library(tmp_path / "file").list_tasks()
    with pytest.raises(StorageError, match="hoose another folder"):
        Library(tmp_path / "file" / "deeper").add_take(record_fake_take())


def test_list_takes_opens_unchanged_files_once(library, monkeypatch, tmp_path):
    shown = record_fake_take()
    for _ in range(5):
        library.add_take(shown)
    opened, real = [], h5py.File
    monkeypatch.setattr(h5py, "File", lambda path, *rest, **more: (opened.append(path), real(path, *rest, **more))[1])
    sleep(0.1)  # until a change would give another time stamp
    monkeypatch.setenv("METAGUI_CACHE", str(tmp_path / "empty"))
    fresh = Library(library.root)
    for _ in range(3):
        assert len(fresh.list_takes("reach red")) == 5
    assert len(opened) == 5
    fresh.set_success("reach red", "003", True)
    assert fresh.get_take_info("reach red", "003").success is True


def test_list_takes_marks_slow_take(library):
    shown = record_fake_take()
    library.add_take(shown)
    library.add_take(replace(shown, time=shown.time * 1.02))
    good, slow = library.list_takes("reach red")
    assert not good.timing.is_rate_missed
    assert good.problem == ""
    assert slow.timing.is_rate_missed
    assert slow.problem.startswith("Rate missed by more than 1 %: 49.0 of 50 Hz")


def test_take_header_survives_json():
    arm = SimulatedArm(0)
    header = TakeHeader.from_arm("task", arm, arm)
    assert TakeHeader.from_dict(json.loads(json.dumps(header.to_dict()))) == header
