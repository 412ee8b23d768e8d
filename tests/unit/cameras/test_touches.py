"""Four touches of the mat's crosses bring what the camera sees into the arm's base frame."""

import numpy as np
import pytest

from benchmarks import camera
from benchmarks.report import Report
from metagui.arms.kinematics import compute_closed_tip
from metagui.arms.so101.zero_fit import TouchError, fit_zeros
from metagui.cameras.mat import A4, make_nominal_pose


def touch(lie, zeros):
    return np.array([camera._find_touch(point) for point in lie.to_base(A4.crosses)]) + zeros


def test_every_cross_is_touched_exactly():
    lie = camera._place(np.random.default_rng(0))
    assert compute_closed_tip(touch(lie, np.zeros(6))) == pytest.approx(lie.to_base(A4.crosses), abs=1e-6)


def test_points_of_the_mat_are_placed_where_the_arm_has_to_go():
    lie = camera._place(np.random.default_rng(0))
    nominal = make_nominal_pose(A4)
    fit = fit_zeros(touch(lie, np.zeros(6)), nominal.to_base(A4.crosses), is_place_known=False)
    points = np.array([[0.03, 0.05, 0.0125], [-0.02, -0.08, 0.0]])
    assert fit.place(nominal.to_base(points)) == pytest.approx(lie.to_base(points), abs=0.0005)


def test_a_missed_cross_is_refused_by_its_number():
    lie = camera._place(np.random.default_rng(0))
    measured = touch(lie, np.zeros(6))
    measured[2] = camera._find_touch(lie.to_base(A4.crosses[2] + (0.05, 0.0, 0.0)))
    with pytest.raises(TouchError, match="Touch 3"):
        fit_zeros(measured, make_nominal_pose(A4).to_base(A4.crosses), is_place_known=False).require_good()


def test_touches_correct_wrong_zeros_and_play():
    report = Report("camera")
    camera.measure_touches(30, 1, report)
    assert report.settings["arms refused for more than 10 mm"] == 0
    assert [each.is_met for each in report.figures] == [True, True, None]
