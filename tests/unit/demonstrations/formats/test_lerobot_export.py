"""Export of takes to LeRobot data sets, against the published format of version 3.0."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from metagui.arms.kinematics import JOINTS
from metagui.arms.so101 import calibration
from metagui.demonstrations.formats.exchange import ExchangeError, ExportOptions, JointUnit
from metagui.demonstrations.formats.joint_units import JOINT_NAMES, make_joint_scale
from metagui.demonstrations.formats.lerobot.statistics import compute_statistics
from metagui.demonstrations.formats.registry import export_takes
from metagui.demonstrations.storage.library import Library
from tests.helpers.exchange import export, list_all_takes, read_demonstrations
from tests.helpers.lerobot import check_v30
from tests.helpers.takes import generate_example_takes

TASKS = ("above red", "press red")
CALIBRATION = Path(__file__).parents[3] / "data" / "calibrations" / "follower-a.json"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for task in TASKS:
        for take in generate_example_takes()[task][:2]:
            made.add_take(take)
    return made


def read_column(root: Path, name: str) -> np.ndarray:
    return np.array(pq.read_table(root / "data/chunk-000/file-000.parquet")[name].to_pylist())


def test_data_set_keeps_published_format(library: Library, tmp_path: Path) -> None:
    report = export(list_all_takes(library), tmp_path / "set", "lerobot")
    info = check_v30(tmp_path / "set")
    assert (info["fps"], info["robot_type"], info["total_episodes"]) == (50, "so101_follower", 4)
    assert info["features"]["action"]["names"][0] == "shoulder_pan.pos"
    assert info["features"]["observation.environment_state"]["names"][:5] == [
        f"red cube.{part}" for part in ("x", "y", "z", "yaw", "held")
    ]
    assert report.samples == info["total_frames"]
    assert report.takes == {"above red": 2, "press red": 2}
    assert "Joint angles are in degrees" in report.notes[0]


def test_true_times_have_a_column_of_their_own(library: Library, tmp_path: Path) -> None:
    take = library.load_take("above red", "001")
    export(library.list_takes("above red")[:1], tmp_path / "set", "lerobot")
    np.testing.assert_array_equal(read_column(tmp_path / "set", "true_timestamp"), take.time - take.time[0])


@pytest.mark.parametrize("unit", ["degrees", "normalized", "radians"])
def test_unit_is_written_down(library: Library, tmp_path: Path, unit: str) -> None:
    take = library.load_take("above red", "001")
    export(library.list_takes("above red")[:1], tmp_path / "set", "lerobot", unit=unit)
    values = read_column(tmp_path / "set", "observation.state")
    own = json.loads((tmp_path / "set/meta/metagui.json").read_text())["joints"]
    assert own["unit"] == unit
    offset, scale, zero = (np.array(own[name]) for name in ("offset", "scale", "zero"))
    np.testing.assert_allclose((values - zero) / scale + offset, take.joint_positions, atol=1e-5)
    if unit == "degrees":
        np.testing.assert_allclose(values[:, 0], np.degrees(take.joint_positions[:, 0]), atol=1e-4)
    if unit == "normalized":
        middle = (JOINTS[4].upper + JOINTS[4].lower) / 2
        expected = (take.joint_positions[:, 4] - middle) / (JOINTS[4].upper - middle) * 100
        np.testing.assert_allclose(values[:, 4], expected, atol=1e-4)


@pytest.mark.parametrize("unit", ["degrees", "normalized"])
def test_units_are_those_of_lerobots_motor_bus(unit: JointUnit) -> None:
    """The formulas of LeRobot's motors_bus.py, for the servo positions of a calibrated arm."""
    found = calibration.load(CALIBRATION)
    found = replace(found, joints=(replace(found.joints[0], drive_mode=1), *found.joints[1:]))
    ticks = np.array([[v.range_min + fraction * v.travel for v in found.joints] for fraction in (0.1, 0.5, 0.8)])
    angles = calibration.TickConversion(found).to_angles(ticks)
    values = make_joint_scale(JOINT_NAMES, unit, found).to_values(angles)
    for index, joint in enumerate(found.joints):
        for row, tick in enumerate(ticks[:, index]):
            fraction = (tick - joint.range_min) / joint.travel
            if index == 5:
                expected = 100 * fraction
            elif unit == "degrees":
                expected = (tick - (joint.range_min + joint.range_max) / 2) * 360 / 4095
            else:
                expected = (200 * fraction - 100) * (-1 if joint.drive_mode else 1)
            assert values[row, index] == pytest.approx(expected, abs=1e-9)
    back = make_joint_scale(JOINT_NAMES, unit, found).to_angles(values)
    assert np.abs(back - angles).max() < 1e-12


def test_statistics_are_those_of_the_samples() -> None:
    values = np.random.default_rng(0).normal(size=(500, 3))
    found = compute_statistics(values)
    assert found["count"] == [500]
    np.testing.assert_allclose(found["mean"], values.mean(axis=0))
    np.testing.assert_allclose(found["std"], values.std(axis=0))
    np.testing.assert_allclose(found["q10"], np.quantile(values, 0.1, axis=0))


def test_round_trip_is_exact(library: Library, tmp_path: Path) -> None:
    library.set_success("above red", "002", True)
    library.set_notes("above red", "002", "läuft")
    export(list_all_takes(library), tmp_path / "set", "lerobot")
    back = read_demonstrations(tmp_path / "set")
    for info, take in zip(list_all_takes(library), back, strict=True):
        there = library.load_take(info.task, info.name)
        for field in ("task", "time", "joint_positions", "command_sent", "states", "segments", "notes", "success"):
            np.testing.assert_equal(getattr(take, field), getattr(there, field), err_msg=field)
        np.testing.assert_equal(vars(take.timing), vars(there.timing))


def test_cancelled_export_leaves_nothing(library: Library, tmp_path: Path) -> None:
    steps = export_takes(list_all_takes(library), tmp_path / "set", "lerobot", ExportOptions())
    assert [next(steps).done, next(steps).done] == [0, 1]
    steps.close()
    assert not [path for path in tmp_path.iterdir() if "set" in path.name]


def test_takes_of_other_rates_go_to_data_sets_of_their_own(library: Library, tmp_path: Path) -> None:
    take = library.load_take("above red", "001")
    library.add_take(replace(take, task="slow", timing=replace(take.timing, rate_requested=25.0)))
    report = export(list_all_takes(library), tmp_path / "set", "lerobot")
    assert [check_v30(path)["fps"] for path in report.files] == [50, 25]
    library.add_take(replace(take, task="uneven", timing=replace(take.timing, rate_requested=33.3)))
    with pytest.raises(ExchangeError, match=r"33\.3 Hz"):
        export(library.list_takes("uneven"), tmp_path / "other", "lerobot")
    assert not (tmp_path / "other").exists()


def test_existing_folder_is_not_touched(library: Library, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/mine").write_text("mine")
    with pytest.raises(ExchangeError, match="exists already"):
        export(list_all_takes(library), tmp_path / "set", "lerobot")
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["mine"]


def test_take_with_number_that_is_not_finite_is_left_out(library: Library, tmp_path: Path) -> None:
    take = library.load_take("above red", "001")
    targets = take.command_sent.copy()
    targets[3, 1] = math.nan
    library.add_take(replace(take, task="bad", command_sent=targets))
    report = export(list_all_takes(library), tmp_path / "set", "lerobot")
    assert [left.name for left in report.left_out] == ["bad 001"]
    assert "not finite (command_sent)" in report.left_out[0].reason
    assert check_v30(tmp_path / "set")["total_episodes"] == 4


def test_rendered_pictures_are_a_video(library: Library, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    size = (64, 48)
    try:
        export(library.list_takes("above red"), tmp_path / "set", "lerobot", with_camera=True, picture_size=size)
    except ExchangeError as error:
        pytest.skip(f"nothing can be rendered here: {error}")
    info = check_v30(tmp_path / "set")
    feature = info["features"]["observation.images.scene"]
    assert (feature["dtype"], feature["shape"], feature["info"]["video.codec"]) == ("video", [48, 64, 3], "h264")
    (path,) = tmp_path.glob("set/videos/observation.images.scene/*/*.mp4")
    with av.open(str(path)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert len(frames) == info["total_frames"]
    np.testing.assert_allclose([time for time, _ in frames], np.arange(len(frames)) / 50, atol=1e-4)
    assert frames[0][1].std() > 10
    rows = pq.read_table(tmp_path / "set/meta/episodes/chunk-000/file-000.parquet").to_pylist()
    key = "videos/observation.images.scene/"
    assert rows[1][f"{key}from_timestamp"] == pytest.approx(rows[0]["length"] / 50)
    assert rows[1][f"{key}to_timestamp"] == pytest.approx(info["total_frames"] / 50)
