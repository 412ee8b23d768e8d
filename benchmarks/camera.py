"""Measure what a camera is worth: ``python -m benchmarks.camera`` prints the errors of objects' positions.

*Pictures*: rendered cameras in random poses of the advised range (20 to 50 degrees to the vertical, 45 to 70 cm away),
each with a random lens and its distortion, noise and blur, look at a mat with cubes and zones; the error is that of
the objects' positions in the mat's frame. *Touches*: arms with wrong zeros (2.5 degrees in every joint) and play (0.35
degrees) touch the four crosses of a mat that lies somewhere before them; then the error is the distance between the
true tool and an object's true centre, after the arm was sent to where the camera saw it. These arms are kinematic: they
neither sag nor bend. *Emulated arms* do, and are touched and read over their serial line (``benchmarks.camera_arms``).
200 pictures take about four minutes on one core, 500 arms ten seconds, 100 emulated arms two minutes.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.simulation import opengl

opengl.choose_backend()

from benchmarks.camera_arms import measure_emulated_touches  # noqa: E402
from benchmarks.report import Figure, Report, add_json_option, print_report, summarise  # noqa: E402
from metagui.arms.arm import ArmError  # noqa: E402
from metagui.arms.kinematics import compute_closed_tip, forward_kinematics, inverse_kinematics  # noqa: E402
from metagui.arms.simulation.scene import SceneLayout, sample_layout  # noqa: E402
from metagui.arms.simulation.simulated_arm import SimulatedArm  # noqa: E402
from metagui.arms.so101.zero_fit import fit_zeros  # noqa: E402
from metagui.arms.tables.table import SCENE_OBJECTS  # noqa: E402
from metagui.cameras.camera import CameraError  # noqa: E402
from metagui.cameras.capture.rendered import RenderedCamera  # noqa: E402
from metagui.cameras.mat import A4, MatPose, make_nominal_pose  # noqa: E402
from metagui.cameras.mat_view import MatView, solve_mat_view  # noqa: E402
from metagui.cameras.tags import TagDetector  # noqa: E402
from metagui.cameras.view import rotation_from_vector  # noqa: E402
from metagui.emulated_camera import (  # noqa: E402
    TAG_HEIGHT_M,
    TAG_OF_OBJECT,
    EmulatedCameraTable,
    draw_camera_view,
)

if TYPE_CHECKING:
    from metagui.arms.arm import FloatArray
    from metagui.cameras.tags import Tag

ZERO_ERROR_RAD = math.radians(2.5)
"""Standard deviation of the joints' zeros, rad."""
PLAY_RAD = math.radians(0.35)
"""Play of the joints, rad."""
CAMERA_ERROR_M = 0.0005
"""Standard deviation of a seen position along each axis, m: twice what the pictures show."""
TAG_CLEARANCE_M = 0.065
"""Smallest distance of an object from the mat's tags, m: objects do not stand on them."""
FOLDED_RAD = np.array([1.9, -1.7, 1.6, 1.2, 0.0, 0.45])
"""Pose of the arm, turned away, in which it covers little of the mat."""


def main() -> int:
    """Print the errors; return 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200, help="number of camera poses")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arms", type=int, default=500, help="number of arms that touch the mat")
    parser.add_argument("--emulated", type=int, default=100, help="number of emulated arms that touch the mat")
    add_json_option(parser)
    options = parser.parse_args()
    report = Report("camera", settings={"seed": options.seed})
    if options.arms:
        measure_touches(options.arms, options.seed, report)
    if options.emulated:
        errors, refused = measure_emulated_touches(options.emulated, options.seed)
        report.settings |= {"emulated arms": options.emulated, "emulated arms refused": refused}
        report.figures += _summarise_errors("tool to object, emulated arms", errors, bars=(4.0, 8.0))
    if options.pictures:
        measure_pictures(options.pictures, options.seed, report)
    print_report(report, options.json)
    return int(any(each.is_met is False for each in report.figures))


def measure_pictures(count: int, seed: int, report: Report) -> None:
    """Report the errors of positions in the mat's frame."""
    errors: list[float] = []
    missed = refused = solved = index = 0
    arm = SimulatedArm()
    table = EmulatedCameraTable(A4, arm.get_state)
    while solved < count:
        index += 1
        random = np.random.default_rng([seed, index])
        arm.reset(_draw_layout(random))
        view = draw_camera_view(random)
        arm.set_joint_positions(FOLDED_RAD * (np.sign(view.position[1]), 1, 1, 1, 1, 1))
        frame = RenderedCamera(table.render, view, seed=index).read()
        tags = TagDetector().detect(frame.picture)
        try:
            mat_view = solve_mat_view(tags, A4, frame.size)
        except CameraError as error:
            refused += 1
            print(f"camera {index}: {error}", file=sys.stderr)
            continue
        solved += 1
        found = _measure_objects(arm, mat_view, {tag.id: tag for tag in tags})
        missed += len(TAG_OF_OBJECT) - len(found)
        errors += found
    table.close()
    report.settings |= {"pictures": count, "objects seen": len(errors), "objects hidden": missed}
    report.settings["cameras refused because the arm covers a tag of the mat"] = refused
    report.figures += _summarise_errors("position in the mat's frame", errors, bars=(2.0, 5.0))


def measure_touches(count: int, seed: int, report: Report) -> None:
    """Report the distances of the tool from objects after the touches."""
    errors: list[float] = []
    refused = 0
    for index in range(count):
        random = np.random.default_rng([seed, index])
        zeros = np.append(random.normal(0.0, ZERO_ERROR_RAD, 5), 0.0)
        lie = _place(random)
        touched = np.array([_find_touch(point) for point in lie.to_base(A4.crosses)])
        measured = touched + zeros + random.uniform(-PLAY_RAD / 2, PLAY_RAD / 2, touched.shape)
        nominal = make_nominal_pose(A4)
        try:
            fit = fit_zeros(measured, nominal.to_base(A4.crosses), is_place_known=False)
            fit.require_good()
        except ArmError:
            refused += 1
            continue
        for position in sample_layout(random).positions[:-1]:
            seen = lie.to_mat(position) + (*random.normal(0.0, CAMERA_ERROR_M, 2), 0.0)
            target = fit.place(nominal.to_base(seen))
            try:
                commanded = np.append(inverse_kinematics(target, 0.0), 0.0)
            except ArmError:
                continue
            true = commanded - fit.corrections - zeros + random.uniform(-PLAY_RAD / 2, PLAY_RAD / 2, 6)
            errors.append(float(np.linalg.norm(forward_kinematics(true).position - position)))
    report.settings |= {"arms": count, "arms refused for more than 10 mm": refused}
    report.figures += _summarise_errors("tool to object", errors, bars=(4.0, 8.0))


def _summarise_errors(name: str, errors: list[float], bars: tuple[float, float]) -> list[Figure]:
    """Return median, 95th percentile and maximum of errors (m), in mm, with the bars of the first two."""
    millimetres = np.array(errors) * 1000
    p95 = float(np.quantile(millimetres, 0.95))
    return [
        summarise(f"{name}, median", millimetres.tolist(), "mm", bars[0]),
        Figure(f"{name}, p95", p95, "mm", count=len(errors), bar=bars[1]),
        Figure(f"{name}, largest", float(millimetres.max()), "mm", count=len(errors)),
    ]


def _place(random: np.random.Generator) -> MatPose:
    """Return the pose of a mat that a person laid before the arm."""
    nominal = make_nominal_pose(A4)
    turn = rotation_from_vector(np.array([0.0, 0.0, random.normal(0.0, math.radians(2.0))]))
    return MatPose(nominal.position + (*random.normal(0.0, 0.004, 2), 0.0), turn)


def _find_touch(point: FloatArray) -> FloatArray:
    """Return true joint angles (6,) at which the closed tips touch a point (3,), m."""
    target = point.copy()
    for _ in range(30):
        angles = np.append(inverse_kinematics(target, 0.0), 0.0)
        target += point - compute_closed_tip(angles)
    return angles


def _measure_objects(arm: SimulatedArm, mat_view: MatView, tags: dict[int, Tag]) -> list[float]:
    """Return the horizontal errors of the objects' positions, m."""
    positions = make_nominal_pose(A4).to_mat(arm.observe_scene().positions)
    errors = []
    for each, position in zip(SCENE_OBJECTS, positions, strict=True):
        tag = tags.get(TAG_OF_OBJECT.get(each.name, -1))
        if tag is not None:
            found = mat_view.view.locate(tag.centre, position[2] + TAG_HEIGHT_M[each.name])
            errors.append(math.hypot(*(found - position)[:2]))
    return errors


def _draw_layout(random: np.random.Generator) -> SceneLayout:
    """Return a random layout with no object on a tag of the mat."""
    tags = make_nominal_pose(A4).to_base(A4.tag_centres)
    while True:
        layout = sample_layout(random)
        distances: FloatArray = np.linalg.norm(layout.positions[:-1, None, :2] - tags[None, :, :2], axis=-1)
        if distances.min() > TAG_CLEARANCE_M:
            return layout


if __name__ == "__main__":
    sys.exit(main())
