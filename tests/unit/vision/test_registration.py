"""Touches of the mat's crosses on emulated arms with play, sag and wrong zeros, read over their serial line."""

import numpy as np
import pytest

from benchmarks.camera_arms import TouchedArm, find_touch_angles, measure_emulated_touches
from benchmarks.eyes_chain import TASKS
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.so101.zero_fit import TouchError
from metagui.cameras.mat import A4
from metagui.gui.teaching.click_teacher import ClickTeacher
from metagui.vision.registration import fit_registration
from metagui.vision.setup import CameraSetup


def test_the_mat_is_found_where_it_lies():
    arm = TouchedArm(0, 0)
    found = arm.touch()
    believed, true = found.apply(CameraSetup("camera")).mat_pose, arm.lie
    far = np.linalg.norm(believed.to_base(A4.crosses) - true.to_base(A4.crosses), axis=1)
    assert far.max() < 0.020  # the wrong zero of the pan is in it: the arm believes the mat to be turned
    assert found.fit.distances.max() < 0.005
    assert "The touches agree to" in found.describe()


def test_the_tool_gets_to_where_the_camera_sees_objects():
    errors, refused = measure_emulated_touches(3, 0)
    assert refused == 0
    assert np.median(errors) < 0.006
    assert max(errors) < 0.012


def test_a_cross_that_was_missed_is_named():
    angles = np.array([find_touch_angles(point) for point in CameraSetup("").mat_pose.to_base(A4.crosses)])
    angles[1] = find_touch_angles(CameraSetup("").mat_pose.to_base(A4.crosses[1] + (0.05, 0.0, 0.0)))
    with pytest.raises(TouchError, match="Touch 2"):
        fit_registration(angles, A4)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_clicks_of_the_chain_are_the_instructions_by_which_it_is_judged(task):
    arm = SimulatedArm(3)
    teacher, found = ClickTeacher(arm.objects), []
    for tool, name in task.clicks:
        if teacher.action != tool:
            teacher.choose_tool(tool)
        proposal = teacher.propose(name, arm.observe_scene().positions[0], None)
        assert not proposal.is_refused, proposal.hint
        teacher.accept(proposal)
        found += [proposal.instruction] if proposal.instruction is not None else []
    assert [(each.action, each.object_name, each.target_name) for each in found] == [
        (each.action, each.object_name, each.target_name) for each in task.instructions
    ]
