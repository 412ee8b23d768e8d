"""Import of files that robomimic, robosuite and Isaac Lab wrote, and data that metagui does not know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from metagui.demonstrations.formats.exchange import ExchangeError, MissingAnswerError, PlacedObject
from metagui.demonstrations.storage.errors import CorruptFileError
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


def write_isaac_lab(path: Path, env_args: dict[str, Any]) -> Path:
    """Write a file as Isaac Lab's recorder does for Mimic."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Isaac-Stack-Cube-Franka-IK-Rel-Mimic-v0", **env_args})
        demo = data.create_group("demo_0")
        demo.attrs["num_samples"], demo.attrs["success"] = COUNT, True
        demo["actions"] = np.zeros((COUNT, 7), np.float32)
        demo["states/articulation/robot/joint_position"] = np.hstack([JOINTS, np.full((COUNT, 2), 0.04)])
        demo["states/rigid_object/cube_1/root_pose"] = np.zeros((COUNT, 7))
        demo["obs/eef_pos"] = np.full((COUNT, 3), 0.5)
        demo["obs/eef_quat"] = np.tile(TURN[[3, 0, 1, 2]], (COUNT, 1))
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


def test_isaac_lab_file_carries_its_joints(tmp_path: Path) -> None:
    path = write_isaac_lab(tmp_path / "stack.hdf5", {"sim_args": {"dt": 0.01, "decimation": 5}})
    (take,) = read_demonstrations(path, placement=())
    assert (take.timing.rate_requested, take.joint_positions.shape) == (20.0, (COUNT, 9))
    np.testing.assert_allclose(take.tool_yaws, 0.4, atol=1e-6)


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
