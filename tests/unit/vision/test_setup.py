"""The set-up of a camera is kept by the arm's name; a damaged one is refused with the reason."""

import json

import numpy as np
import pytest

from metagui.cameras.mat import LETTER
from metagui.vision.setup import CameraSetup, CameraSetupError, load_setup, save_setup

SETUP = CameraSetup("usb-Cam_1", "Letter", (0.004, -0.002), 0.03, 0.0021, {"red cube": 17})


def test_a_setup_comes_back(tmp_path):
    assert load_setup(tmp_path, "left arm") is None
    save_setup(tmp_path, "left arm", SETUP)
    assert load_setup(tmp_path, "left arm") == SETUP
    assert load_setup(tmp_path, "right arm") is None


def test_the_mat_lies_where_the_touches_found_it():
    pose = SETUP.mat_pose
    assert SETUP.mat is LETTER
    assert pose.position - LETTER.nominal_position == pytest.approx([0.004, -0.002, 0.0])
    assert pose.yaw == pytest.approx(0.03)
    assert pose.to_mat(pose.to_base(np.array([0.1, 0.05, 0.01]))) == pytest.approx([0.1, 0.05, 0.01])


@pytest.mark.parametrize(
    "change",
    [{"shift": [3.0, 0.0]}, {"paper": "B7"}, {"turn": "much"}, {"tags": 5}, {"shift": None}, {"turn": float("nan")}],
)
def test_a_damaged_setup_is_refused(tmp_path, change):
    save_setup(tmp_path, "arm", SETUP)
    path = tmp_path / "arm.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CameraSetupError, match="set the camera up again"):
        load_setup(tmp_path, "arm")
