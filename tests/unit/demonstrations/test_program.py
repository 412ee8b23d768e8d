"""Program files, the laws on real physics, and the judge that says whether it worked."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import programs as benchmark
from metagui.arms.arm import Observation, UnreachableError
from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import CartesianServo
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.primitives.grasping import slide
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.primitives.tracing import compute_corners
from metagui.demonstrations.programs import splits
from metagui.demonstrations.programs.program import (
    ProgramController,
    ProgramError,
    TaskProgram,
    check_reachable,
    load_programs,
    make_primitive_state,
    save_programs,
)
from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, demonstrate
from metagui.demonstrations.programs.scripted import execute as execute_in_loop
from metagui.demonstrations.programs.success import SuccessMonitor
from metagui.demonstrations.programs.task_distribution import (
    TASK_FAMILIES,
    TRAINING_ONLY_FAMILIES,
    UNTRAINED_FAMILIES,
    draw_program,
    draw_programs,
)
from metagui.demonstrations.programs.validity import find_object_pairs, is_valid_sequence
from metagui.learning.policy.feature_layout import OBJECT_LAYOUT
from metagui.learning.policy.features import encode
from metagui.paths import resources_dir


def execute(program: TaskProgram, seed: int) -> bool:
    """Carry a program out in one scene and judge it."""
    arm = SimulatedArm(seed)
    arm.connect()
    servo, controller, judge = CartesianServo(), ProgramController(arm.objects), SuccessMonitor(program, arm.objects)
    servo.reset(arm.observe_all())
    controller.add_instructions(*program.instructions)
    while controller.pending_count:
        now, before = arm.observe_all(), controller.instruction_index
        motion = controller.decide(now)
        if motion is None:
            break
        if controller.instruction_index != before:
            judge.begin_instruction(now)
        judge.update(now)
        for _ in range(2):
            arm.command(servo.step(arm.observe_all(), motion))
        if motion.done:
            judge.end_instruction(arm.observe_all())
    return judge.is_successful(arm.observe_all())


@pytest.mark.parametrize("family", [*TASK_FAMILIES, *TRAINING_ONLY_FAMILIES, *UNTRAINED_FAMILIES])
def test_the_laws_achieve_their_family(family: str) -> None:
    rng = np.random.default_rng(7)
    won = [execute(draw_program(rng, family, "x"), seed) for seed in range(8)]
    assert sum(won) >= 6, won


@pytest.mark.parametrize("seed", [287335975, 792406699])
def test_a_way_that_leads_too_close_past_the_arm_goes_round_it(seed: int) -> None:
    assert execute(
        TaskProgram("across", (Instruction("grasp", "blue cube"), Instruction("place", "yellow zone"))), seed
    )


def test_the_judge_is_not_fooled() -> None:
    """What was done is judged against what was asked: a right motion for another task fails."""
    done = TaskProgram("done", (Instruction("grasp", "red cube"), Instruction("place", "yellow zone")))
    arm = SimulatedArm(2)
    arm.connect()
    asked = TaskProgram("asked", (Instruction("grasp", "red cube"), Instruction("place", "violet zone")))
    servo, controller, judge = CartesianServo(), ProgramController(arm.objects), SuccessMonitor(asked, arm.objects)
    servo.reset(arm.observe_all())
    controller.add_instructions(*done.instructions)
    verdicts = []
    while controller.pending_count:
        now, before = arm.observe_all(), controller.instruction_index
        motion = controller.decide(now)
        assert motion is not None
        if controller.instruction_index != before:
            judge.begin_instruction(now)
        judge.update(now)
        for _ in range(2):
            arm.command(servo.step(arm.observe_all(), motion))
        if motion.done:
            verdicts.append(judge.end_instruction(arm.observe_all()))
    assert verdicts == [True, False]
    assert not judge.is_successful(arm.observe_all())


def test_an_upright_line_rises_by_its_length() -> None:
    numbers = {"shape": "line", "plane": "vertical", "length": 0.05, "angle": math.pi / 2, "offset": (0.0, 0.0, 0.07)}
    arm = SimulatedArm(0)
    arm.connect()
    first, last = compute_corners(
        make_primitive_state(Instruction("trace", "red cube", None, numbers), arm.objects, arm.observe_all())
    )
    np.testing.assert_allclose(last - first, (0.0, 0.0, 0.05), atol=1e-9)


def test_programs_survive_the_disk(tmp_path: Path) -> None:
    programs = draw_programs(3, 14)
    save_programs(tmp_path / "p.json", programs)
    assert load_programs(tmp_path / "p.json") == programs


def test_the_three_sets_are_as_drawn_and_disjoint() -> None:
    """The committed files are what the script draws, and training leaves to the tests what it says it does."""
    shipped = {path.stem: load_programs(path) for path in (resources_dir() / "programs").glob("*.json")}
    assert shipped["train"] == benchmark.draw_training_set()
    assert shipped["test"] == benchmark.draw_held_out_set(benchmark.TEST_SEED, 10)
    shown = {
        repr(p.instructions) for p in shipped["train"] if p.family not in ("press", "stack")
    }  # these have no numbers
    assert not shown & {repr(p.instructions) for p in (*shipped["validation"], *shipped["test"])}
    assert not set().union(*(find_object_pairs(p.instructions) for p in shipped["train"])) & splits.UNTRAINED_PAIRS
    assert {splits.get_evaluation_split(p.family) for p in shipped["train"]} == {
        "singles",
        "trained compositions",
        *TRAINING_ONLY_FAMILIES,
    }
    assert not {p.family for p in (*shipped["validation"], *shipped["test"])} & set(TRAINING_ONLY_FAMILIES)
    assert not TRAINING_ONLY_FAMILIES.keys() & UNTRAINED_FAMILIES.keys()
    assert {splits.get_evaluation_split(p.family) for p in shipped["test"]} == set(splits.EVALUATION_SPLITS)
    assert all(is_valid_sequence(p.instructions) for programs in shipped.values() for p in programs)


def test_a_point_that_always_lies_nearer_to_a_neighbour_is_not_asked_for() -> None:
    put = (Instruction("grasp", "red cube"), Instruction("place", "blue cube", None, {"offset": (0.05, 0.0, 0.0)}))
    away, towards = ((Instruction("reach", "red cube", None, {"offset": (x, 0.0, 0.06)}),) for x in (0.03, -0.03))
    assert is_valid_sequence(put + away)
    assert not is_valid_sequence(put + towards)


@pytest.mark.parametrize("high", [False, True])
def test_a_cube_that_was_lifted_did_not_slide(high: bool) -> None:
    """The same place reached through the air is another task."""
    carry = Instruction("reach", "table", None, {"offset": (0.0, 0.0, 0.07)})
    ways = (carry,) if high else ()
    clicks = (Instruction("grasp", "red cube", None, {"height": 0.016}), *ways, Instruction("slide", "yellow zone"))
    arm = SimulatedArm(5)
    arm.connect()
    demonstrator = ScriptedDemonstrator(TaskProgram("slide", clicks), arm, MotionStyle())
    assert execute_in_loop(ControlLoop(arm, arm), demonstrator) is not high
    end = arm.observe_scene().positions
    assert np.linalg.norm(end[0, :2] - end[3, :2]) < 0.01, "either way it lies there"


def held_low(tool: float, cube: float) -> Observation:
    """Return a state in which the first cube is held, the tool and the cube's middle at these heights, m."""
    arm = SimulatedArm(5)
    arm.connect()
    now = arm.observe_all()
    positions, held = now.scene.positions.copy(), now.scene.held.copy()
    positions[0], held[0] = (0.2, 0.0, cube), True
    scene = replace(now.scene, positions=positions, held=held)
    return replace(now, scene=scene, tool_position=np.array([0.2, 0.0, tool]))


@pytest.mark.parametrize(
    ("tool", "cube", "rise"),
    [(0.006, 0.0125, 0.0028), (0.014, 0.014, 0.0), (0.022, 0.022, -0.0028), (0.022, 0.0125, 0.0)],
)
def test_a_dragging_tool_keeps_its_height(tool: float, cube: float, rise: float) -> None:
    """Fingers that slipped down a cube come up again, and none ever press a cube into the table."""
    now, click = held_low(tool, cube), Instruction("slide", "yellow zone")
    step = slide(make_primitive_state(click, SimulatedArm(5).objects, now)).displacement
    assert step[2] == pytest.approx(rise)


def test_a_cube_gripped_to_be_dragged_is_held_before_the_click_ends() -> None:
    """Else learners would take closing the fingers for the end, whether there is something between them or not."""
    grasp = Instruction("grasp", "green cube", None, {"height": 0.016})
    program = TaskProgram("drag", (grasp, Instruction("slide", "yellow zone")))
    for seed in range(3):
        take = demonstrate(program, seed, MotionStyle(), (), "001", reject_ambiguous=False)
        assert take is not None
        segment = encode(take)[0]
        held = segment.object_features[:, [a.name for a in take.objects].index("green cube"), OBJECT_LAYOUT.held]
        assert np.all(held[segment.done > 0] == 1.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense", "not JSON"),
        ("[]", "program file"),
        ('{"format": 9, "programs": []}', "format 9"),
        ('{"format": 1, "programs": [{"name": "a"}]}', "list"),
        ('{"format": 1, "programs": [{"name": "a", "clicks": []}]}', "no clicks"),
        ('{"format": 1, "programs": [{"name": "a", "clicks": [{"verb": "graps", "anchor": "x"}]}]}', "grasp"),
        (
            '{"format": 1, "programs": [{"name": "a", "clicks": [{"verb": "reach", "anchor": "x", "offset": [1]}]}]}',
            "three",
        ),
        (
            '{"format": 1, "programs": [{"name": "a", "clicks": [{"verb": "reach", "anchor": "x", "radius": 1}]}]}',
            "offset",
        ),
    ],
)
def test_a_broken_program_file_says_where(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(ProgramError, match=says):
        load_programs(path)


def test_a_missing_file_and_a_name_twice(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot be read"):
        load_programs(tmp_path / "none.json")
    click = {"verb": "press", "anchor": "red cube"}
    twice = {"format": 1, "programs": [{"name": "a", "clicks": [click]}, {"name": "a", "clicks": [click]}]}
    (tmp_path / "p.json").write_text(json.dumps(twice))
    with pytest.raises(ProgramError, match="two programs"):
        load_programs(tmp_path / "p.json")


def test_impossible_clicks_are_refused_and_the_arm_stays() -> None:
    arm = SimulatedArm(0)
    arm.connect()
    now = arm.observe_all()
    far = Instruction("reach", "table", None, {"offset": (0.6, 0.0, 0.05)})
    with pytest.raises(UnreachableError):
        check_reachable(far, arm.objects, now)
    with pytest.raises(ProgramError, match="Did you mean 'red cube'"):
        check_reachable(Instruction("grasp", "red cub"), arm.objects, now)
    with pytest.raises(ProgramError, match="Nothing is held"):
        check_reachable(Instruction("place", "yellow zone"), arm.objects, now)
    with pytest.raises(ProgramError, match="Only a cube"):
        check_reachable(Instruction("grasp", "yellow zone"), arm.objects, now)
    controller = ProgramController(arm.objects)
    controller.add_instructions(far, Instruction("press", "red cube"))
    assert controller.decide(now) is None
    assert "stays where it is" in controller.failure_reason
    assert controller.pending_count == 0
