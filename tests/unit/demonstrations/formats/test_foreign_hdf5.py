"""Import of files that robomimic, robosuite and Isaac Lab wrote, and data that metagui does not know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from metagui.demonstrations.formats.exchange import ExchangeError, MissingAnswerError, PlacedObject
from metagui.demonstrations.storage.errors import CorruptFileError, NewerFormatError
from metagui.demonstrations.storage.library import Library
from tests.helpers.exchange import export, import_into, list_all_takes, read_demonstrations
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 25
JOINTS = np.cumsum(np.random.default_rng(0).normal(0, 0.01, (COUNT, 7)), axis=0)
TURN = np.array([0.0, 0.0, np.sin(0.2), np.cos(0.2)])
"""A turn by 0.4 rad about the vertical, x y z w."""


def write_robosuite(path: Path) -> Path:
    """Write a file as robosuite's collection script and robomimic's conversion do."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps(
            {"env_name": "Lift", "type": 1, "env_version": "1.4.1", "env_kwargs": {"control_freq": 20}}
        )
        data.attrs["total"] = 2 * COUNT
        for index in range(2):
            demo = data.create_group(f"demo_{index}")
            demo.attrs["num_samples"], demo.attrs["model_file"] = COUNT, "<mujoco/>"
            demo["actions"], demo["states"] = np.zeros((COUNT, 7)), np.zeros((COUNT, 32))
            demo["obs/robot0_joint_pos"] = JOINTS + index
            demo["obs/robot0_gripper_qpos"] = np.full((COUNT, 2), 0.02)
            demo["obs/robot0_eef_pos"] = np.full((COUNT, 3), 0.5)
            demo["obs/robot0_eef_quat"] = np.tile(TURN, (COUNT, 1))
            demo["obs/object"] = np.zeros((COUNT, 10))
        file["mask/train"] = np.array([b"demo_0"])
    return path


REST_POSE = np.array([0.0, -0.6, 0.0, -2.4, 0.0, 1.8, 0.7, 0.04, 0.04])
"""Pose from which Isaac Lab's observation of the joints counts, rad."""


def write_isaac_lab(path: Path, env_args: dict[str, Any], version: int | None = 1) -> Path:
    """Write a file as Isaac Lab's recorder does for Mimic; ``version`` None stands for files of before 2026."""
    joints, turn = np.hstack([JOINTS, np.full((COUNT, 2), 0.04)]), TURN if version else TURN[[3, 0, 1, 2]]
    pose = np.tile(np.hstack([[0.4, 0.0, 0.02], turn]), (COUNT, 1))
    arrays = {
        "actions": np.zeros((COUNT, 7)), "processed_actions": np.zeros((COUNT, 8)),
        "states/articulation/robot/joint_position": joints, "states/articulation/robot/joint_velocity": joints * 0,
        "states/articulation/robot/root_pose": pose, "states/rigid_object/cube_1/root_pose": pose,
        "initial_state/articulation/robot/joint_position": joints[:1],
        "initial_state/rigid_object/cube_1/root_pose": pose[:1],
        "obs/actions": np.zeros((COUNT, 7)), "obs/joint_pos": joints - REST_POSE, "obs/joint_vel": joints * 0,
        "obs/eef_pos": np.full((COUNT, 3), 0.5), "obs/eef_quat": np.tile(turn, (COUNT, 1)),
        "obs/gripper_pos": np.full((COUNT, 2), 0.04), "obs/object": np.zeros((COUNT, 39)),
        "obs/table_cam": np.zeros((COUNT, 8, 8, 3)),
        "obs/datagen_info/object_pose/cube_1": np.tile(np.eye(4), (COUNT, 1, 1)),
        "obs/datagen_info/subtask_term_signals/grasp_1": np.zeros(COUNT),
    }  # fmt: skip
    with h5py.File(path, "w") as file:
        if version is not None:
            file.attrs["format_version"] = version
        data = file.create_group("data")
        data.attrs["total"] = COUNT
        data.attrs["env_args"] = json.dumps({"env_name": "Isaac-Stack-Cube-Franka-IK-Rel-Mimic-v0", **env_args})
        demo = data.create_group("demo_0")
        demo.attrs["num_samples"], demo.attrs["seed"], demo.attrs["success"] = COUNT, 1, True
        for name, values in arrays.items():
            demo.create_dataset(name, data=values.astype(np.float32), compression="gzip")
    return path


def test_robosuite_file_carries_its_joints(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    report = import_into(library, write_robosuite(tmp_path / "lift.hdf5"), placement=())
    assert [(info.task, info.sample_count) for info in report.added] == [("Lift", COUNT)] * 2
    assert "No joint targets are stored" in report.notes[0]
    take = library.load_take("Lift", "001")
    assert take.joint_names == (*(f"joint_{i}" for i in range(1, 8)), "gripper")
    np.testing.assert_allclose(take.joint_positions[:, :7], JOINTS, atol=1e-6)
    np.testing.assert_allclose(take.command_sent[:-1, :7], JOINTS[1:], atol=1e-12)
    np.testing.assert_allclose(take.tool_yaws, 0.4, atol=1e-6)
    assert (take.timing.rate_requested, take.duration) == (20.0, pytest.approx((COUNT - 1) / 20))
    assert "lift.hdf5, demo_0 (Lift)" in take.notes


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("has_states", [True, False])
def test_isaac_lab_file_carries_its_joints(version: int | None, has_states: bool, tmp_path: Path) -> None:
    """Angles, not what is counted from the rest pose, and both orders of quaternions."""
    path = write_isaac_lab(tmp_path / "stack.hdf5", {"sim_args": {"dt": 0.01, "decimation": 5}}, version)
    if not has_states:
        with h5py.File(path, "a") as file:
            del file["data/demo_0/states"]
    (take,) = read_demonstrations(path, placement=())
    assert (take.timing.rate_requested, take.joint_positions.shape, take.success) == (20.0, (COUNT, 9), True)
    np.testing.assert_allclose(take.joint_positions[:, :7], JOINTS, atol=1e-5)
    np.testing.assert_allclose(take.tool_yaws, 0.4, atol=1e-6)


def test_unknown_rest_pose_is_said(tmp_path: Path) -> None:
    path = write_isaac_lab(tmp_path / "stack.hdf5", {})
    with h5py.File(path, "a") as file:
        del file["data/demo_0/states"], file["data/demo_0/initial_state"]
    report = import_into(Library(tmp_path / "library"), path, rate=20.0, placement=())
    assert "counts obs/joint_pos from a rest pose that these files do not state" in report.notes[0]


def test_newer_isaac_lab_is_refused(tmp_path: Path) -> None:
    path = write_isaac_lab(tmp_path / "stack.hdf5", {}, version=2)
    with pytest.raises(NewerFormatError, match="newer Isaac Lab"):
        import_into(Library(tmp_path / "library"), path, rate=20.0, placement=())


def test_fields_that_are_left_out_are_named_with_the_reason(tmp_path: Path) -> None:
    library = Library(tmp_path / "library")
    report = import_into(library, write_isaac_lab(tmp_path / "stack.hdf5", {}), rate=20.0, placement=())
    reasons = dict(note.removeprefix("stack.hdf5: left out ").split(": ") for note in report.notes[1:])
    assert reasons["obs/table_cam"] == "pictures are not learned from."
    assert reasons["actions, obs/actions, processed_actions"] == "its numbers are not targets of the joints."
    assert "obs/object" in next(names for names, why in reasons.items() if "no field" in why)
    named = {name for names in reasons for name in names.split(", ")}
    assert "states/articulation/robot/joint_position" not in named
    assert "states/rigid_object/cube_1/root_pose" in named
    report = import_into(library, write_robosuite(tmp_path / "lift.hdf5"), placement=())
    assert any("model_file" in note and "another simulator" in note for note in report.notes)
    assert len(report.notes) == len(set(report.notes)) == 4


def test_rate_and_placement_are_asked_for(tmp_path: Path) -> None:
    path = write_isaac_lab(tmp_path / "stack.hdf5", {"type": 2})
    with pytest.raises(MissingAnswerError, match="--rate") as caught:
        read_demonstrations(path, placement=())
    assert caught.value.question == "rate"
    with pytest.raises(MissingAnswerError, match="what stands on the table"):
        read_demonstrations(path, rate=20.0)
    with pytest.raises(ExchangeError, match="9 joints that are not an SO-101's"):
        import_into(Library(tmp_path / "library"), path, rate=20.0, placement=(PlacedObject("red cube", 0.2, 0.0),))


def test_file_without_joints_or_demonstrations_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "images.hdf5", "w") as file:
        file["data/demo_0/obs/agentview_image"] = np.zeros((3, 4, 4, 3), np.uint8)
    with pytest.raises(ExchangeError, match="carries no joint angles"):
        import_into(Library(tmp_path / "library"), tmp_path / "images.hdf5", placement=())
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(ExchangeError, match="holds no demonstrations"):
        import_into(Library(tmp_path / "library"), tmp_path / "other.hdf5", placement=())


def test_foreign_arrays_are_checked_before_they_are_read(tmp_path: Path) -> None:
    path = write_robosuite(tmp_path / "lift.hdf5")
    with h5py.File(path, "a") as file:
        del file["data/demo_0/obs/robot0_joint_pos"]
        file.create_dataset("data/demo_0/obs/robot0_joint_pos", (1 << 24, 64), "f8", compression="gzip", fillvalue=0.5)
        del file["data/demo_1/obs/robot0_joint_pos"]
        file["data/demo_1/obs/robot0_joint_pos"] = h5py.ExternalLink("elsewhere.hdf5", "/x")
    with pytest.raises(ExchangeError, match=r"needs 8192 MiB of memory.*1 more"):
        import_into(Library(tmp_path / "library"), path, placement=())


def test_unknown_data_are_carried_along(tmp_path: Path) -> None:
    """Through an export, an import, and a trim; texts are named as left out."""
    library, other = Library(tmp_path / "library"), Library(tmp_path / "other")
    info = library.add_take(generate_example_takes()["above red"][0])
    force = np.arange(info.sample_count * 3.0).reshape(-1, 3)
    with h5py.File(info.path, "a") as file:
        file["data/demo_0/obs/wrist_force"] = force
        file["data/demo_0/obs/wrist_force"].attrs["unit"] = "N"
        file["data/demo_0/extra/gains"] = np.array([1, 2, 3])
        file["data/demo_0/remarks"] = "a text"
        file.attrs["operator"], file["data/demo_0"].attrs["temperature"] = "Ada", 21.5
    library.set_trim("above red", "001", (5, 15))
    for key, path in (("robomimic", tmp_path / "all.hdf5"), ("lerobot", tmp_path / "set")):
        report = export(list_all_takes(library), path, key)
        imported = Library(tmp_path / key)
        (added,) = import_into(imported, path).added
        with h5py.File(added.path) as file:
            np.testing.assert_array_equal(file["data/demo_0/obs/wrist_force"][()], force[5:15])
            assert file["data/demo_0/obs/wrist_force"].attrs["unit"] == "N"
            assert file["data/demo_0/extra/gains"][()].tolist() == [1, 2, 3]
            assert (file.attrs["operator"], file["data/demo_0"].attrs["temperature"]) == ("Ada", 21.5)
            assert "take" not in file.attrs
            assert "flat" not in file["data/demo_0/obs"]
        if key == "robomimic":
            assert report.notes == ["above red 001: remarks was not carried along."]
    (added,) = import_into(other, info.path).added
    with h5py.File(added.path) as file:
        assert len(file["data/demo_0/obs/wrist_force"]) == info.sample_count


def test_damaged_file_names_itself(tmp_path: Path) -> None:
    path = write_robosuite(tmp_path / "lift.hdf5")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CorruptFileError, match=r"lift\.hdf5 cannot be read.*Nothing was imported"):
        import_into(Library(tmp_path / "library"), path, placement=())
