"""The printed mat: found on paper by two detectors, and solved for the camera's pose and lens."""

import math
from dataclasses import replace

import numpy as np
import pupil_apriltags
import pypdfium2
import pytest
from typer.testing import CliRunner

from metagui.cameras.mat import A4, CORNER_NAMES, LETTER, MATS, UnknownPaperError, find_mat, make_nominal_pose
from metagui.cameras.mat_pdf import make_mat_pdf
from metagui.cameras.mat_view import MatNotSeenError, solve_mat_view
from metagui.cameras.tags import Tag, TagDetector
from metagui.cameras.view import make_view
from metagui.cli import app

SIZE = (1280, 720)


def render_pages(mat, dpi):
    document = pypdfium2.PdfDocument(make_mat_pdf(mat))
    return [np.ascontiguousarray(page.render(scale=dpi / 72).to_numpy()[..., :3]) for page in document]


def draw_view(rng, k1=0.0):
    tilt, azimuth = math.radians(rng.uniform(20, 50)), rng.uniform(-math.pi, math.pi)
    direction = np.array([math.sin(tilt) * math.cos(azimuth), math.sin(tilt) * math.sin(azimuth), math.cos(tilt)])
    return replace(make_view(rng.uniform(0.5, 0.7) * direction, np.zeros(3), rng.uniform(900, 1200), SIZE), k1=k1)


def see_tags(view, mat, noise, rng):
    pixels = view.project(mat.tag_corners)
    return [Tag(index, corners + rng.normal(0, noise, (4, 2))) for index, corners in enumerate(pixels)]


@pytest.mark.parametrize("mat", MATS.values(), ids=MATS)
@pytest.mark.parametrize("dpi", [72, 300])
def test_printed_tags_are_where_the_mat_has_them_at_any_resolution(mat, dpi):
    page, objects = render_pages(mat, dpi)
    tags = TagDetector().detect(page)
    assert [tag.id for tag in tags] == [0, 1, 2, 3]
    scale = np.array(page.shape[1::-1]) / (mat.width, mat.depth)
    corners = mat.tag_corners[..., :2]
    expected = np.stack([mat.width / 2 - corners[..., 1], mat.depth / 2 - corners[..., 0]], axis=-1) * scale - 0.5
    assert np.abs(np.stack([tag.corners for tag in tags]) - expected).max() < 0.4
    ids = [tag.id for tag in TagDetector().detect(objects)]
    assert ids == list(range(10, 10 + len(ids)))
    assert len(ids) >= 30


@pytest.mark.parametrize("mat", MATS.values(), ids=MATS)
def test_a_second_detector_agrees_to_half_a_pixel(mat):
    for page in render_pages(mat, 150):
        grey = np.ascontiguousarray(page[..., 1])
        others = {each.tag_id: each for each in pupil_apriltags.Detector("tag36h11").detect(grey)}
        tags = TagDetector().detect(page)
        assert {tag.id for tag in tags} == set(others)
        for tag in tags:  # it counts pixels from their corners
            assert np.linalg.norm(tag.centre - (others[tag.id].center - 0.5)) < 0.5


def test_the_pages_are_the_same_every_time():
    assert make_mat_pdf(A4) == make_mat_pdf(A4)


def test_crosses_are_near_their_tags_and_within_reach():
    for mat in MATS.values():
        in_base = make_nominal_pose(mat).to_base(mat.crosses)
        radii = np.hypot(in_base[:, 0] - 0.0388, in_base[:, 1])
        assert radii.min() > 0.12
        assert radii.max() < 0.27
        assert (np.abs(mat.crosses[:, :2]) < (mat.depth / 2, mat.width / 2)).all()


@pytest.mark.parametrize("k1", [0.0, -0.1, 0.08])
def test_points_are_located_through_an_unknown_lens(k1):
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(25):
        view = draw_view(rng, k1)
        found = solve_mat_view(see_tags(view, A4, 0.2, rng), A4, SIZE)
        assert found.view.tilt == pytest.approx(view.tilt, abs=0.02)
        for height in (0.0, 0.025, 0.05):
            points = np.column_stack([rng.uniform(-0.1, 0.1, (10, 2)), np.full(10, height)])
            errors += np.linalg.norm(found.view.locate(view.project(points), height) - points, axis=1).tolist()
    assert np.median(errors) < 0.0003
    assert np.quantile(errors, 0.95) < 0.001


def test_looking_straight_down_is_refused_with_the_reason():
    view = make_view(np.array([0.03, 0.0, 0.55]), np.zeros(3), 1000.0, SIZE)
    with pytest.raises(MatNotSeenError, match=r"straight down .* tilt it to 20"):
        solve_mat_view(see_tags(view, A4, 0.0, np.random.default_rng(0)), A4, SIZE)


def test_missing_tags_are_named():
    rng = np.random.default_rng(0)
    tags = see_tags(draw_view(rng), A4, 0.0, rng)
    with pytest.raises(MatNotSeenError, match=f"{CORNER_NAMES[1]} and {CORNER_NAMES[2]} tags are not seen"):
        solve_mat_view([tags[0], tags[3]], A4, SIZE)
    with pytest.raises(MatNotSeenError, match="No tag of the mat"):
        solve_mat_view([], A4, SIZE)


def test_the_mat_of_another_paper_is_recognised():
    rng = np.random.default_rng(0)
    for _ in range(20):
        with pytest.raises(MatNotSeenError, match="choose Letter"):
            solve_mat_view(see_tags(draw_view(rng), LETTER, 0.1, rng), A4, SIZE)


def test_a_crumpled_mat_is_refused():
    rng = np.random.default_rng(0)
    tags = see_tags(draw_view(rng), A4, 0.0, rng)
    tags[2] = Tag(2, tags[2].corners + (40.0, -25.0))
    with pytest.raises(MatNotSeenError, match="not flat"):
        solve_mat_view(tags, A4, SIZE)


def test_a_pixel_above_the_horizon_shows_no_point_of_the_table():
    view = make_view(np.array([-0.3, 0.0, 0.2]), np.array([0.3, 0.0, 0.3]), 800.0, SIZE)
    assert np.isnan(view.locate(np.array([640.0, 10.0]), 0.0)).all()


def test_papers_are_listed_when_one_is_unknown():
    assert find_mat("letter") is LETTER
    with pytest.raises(UnknownPaperError, match="A4, Letter, A3"):
        find_mat("A5")


def test_the_command_writes_the_pages_and_replaces_no_file(tmp_path):
    path = tmp_path / "mat.pdf"
    assert CliRunner().invoke(app, ["mat", "--out", str(path), "--paper", "letter"]).exit_code == 0
    assert path.read_bytes() == make_mat_pdf(LETTER)
    refused = CliRunner().invoke(app, ["mat", "--out", str(path)])
    assert refused.exit_code == 1
    assert "exists" in refused.stderr
    assert path.read_bytes() == make_mat_pdf(LETTER)
    assert CliRunner().invoke(app, ["mat", "--out", str(path), "--replace"]).exit_code == 0
    assert path.read_bytes() == make_mat_pdf(A4)
