"""Program files, the feedback laws on simulated physics, and the success monitor."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import programs as benchmark
from metagui.arms.arm import Observation, UnreachableError
from metagui.arms.control.cartesian_servo import CartesianServo
from metagui.arms.control.loop import ControlLoop
from metagui.arms.kinematics import ToolMotion
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.demonstration import ACTION_PARAMETERS, TRACE_SHAPES, Instruction
from metagui.demonstrations.json_codec import ProgramError
from metagui.demonstrations.primitives.grasping import slide
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.primitives.registry import PRIMITIVES
from metagui.demonstrations.primitives.tracing import POLYLINE_SHAPES, compute_corners
from metagui.demonstrations.programs import splits
from metagui.demonstrations.programs.instruction_state import check_reachable, make_primitive_state
from metagui.demonstrations.programs.program import TaskProgram, load_programs, save_programs
from metagui.demonstrations.programs.program_controller import ProgramController
from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, demonstrate
from metagui.demonstrations.programs.scripted import execute as execute_in_loop
from metagui.demonstrations.programs.success import CHECKS, SuccessMonitor
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
    """Carry out a program in one scene; return whether it succeeded."""
    arm = SimulatedArm(seed)
    arm.connect()
    servo, controller, monitor = CartesianServo(), ProgramController(arm.objects), SuccessMonitor(program, arm.objects)
    servo.reset(arm.observe_all())
    controller.add_instructions(*program.instructions)
    while controller.pending_count:
        now, before = arm.observe_all(), controller.instruction_index
        motion = controller.decide(now)
        if not isinstance(motion, ToolMotion):
            break
        if controller.instruction_index != before:
            monitor.begin_instruction(now)
        monitor.update(now)
        for _ in range(2):
            arm.command(servo.step(arm.observe_all(), motion))
        if motion.done:
            monitor.end_instruction(arm.observe_all())
    return monitor.is_successful(arm.observe_all())


def test_every_action_has_parameters_primitive_and_check() -> None:
    assert set(ACTION_PARAMETERS) == set(PRIMITIVES) == set(CHECKS)
    assert set(POLYLINE_SHAPES) < set(TRACE_SHAPES)


@pytest.mark.parametrize("family", [*TASK_FAMILIES, *TRAINING_ONLY_FAMILIES, *UNTRAINED_FAMILIES])
def test_primitives_achieve_every_family(family: str) -> None:
    rng = np.random.default_rng(7)
    achieved = [execute(draw_program(rng, family, "x"), seed) for seed in range(8)]
    assert sum(achieved) >= 6, achieved


@pytest.mark.parametrize("seed", [287335975, 792406699])
def test_place_path_near_base_goes_around_it(seed: int) -> None:
    """A straight path would pass too close to the arm's base."""
    assert execute(
        TaskProgram("across", (Instruction("grasp", "blue cube"), Instruction("place", "yellow zone"))), seed
    )


def test_success_monitor_rejects_wrong_goal() -> None:
    """The right motion for another task fails."""
    done = TaskProgram("done", (Instruction("grasp", "red cube"), Instruction("place", "yellow zone")))
    arm = SimulatedArm(2)
    arm.connect()
    other = TaskProgram("other", (Instruction("grasp", "red cube"), Instruction("place", "violet zone")))
    servo, controller, monitor = (
        CartesianServo(),
        ProgramController(arm.objects),
        SuccessMonitor(other, arm.objects),
    )
    servo.reset(arm.observe_all())
    controller.add_instructions(*done.instructions)
    verdicts = []
    while controller.pending_count:
        now, before = arm.observe_all(), controller.instruction_index
        motion = controller.decide(now)
        if not isinstance(motion, ToolMotion):
            break
        if controller.instruction_index != before:
            monitor.begin_instruction(now)
        monitor.update(now)
        for _ in range(2):
            arm.command(servo.step(arm.observe_all(), motion))
        if motion.done:
            verdicts.append(monitor.end_instruction(arm.observe_all()))
    assert verdicts == [True, False]
    assert not monitor.is_successful(arm.observe_all())


def test_compute_corners_vertical_line_rises() -> None:
    numbers = {"shape": "line", "plane": "vertical", "length": 0.05, "angle": math.pi / 2, "offset": (0.0, 0.0, 0.07)}
    arm = SimulatedArm(0)
    arm.connect()
    first, last = compute_corners(
        make_primitive_state(Instruction("trace", "red cube", None, numbers), arm.objects, arm.observe_all())
    )
    np.testing.assert_allclose(last - first, (0.0, 0.0, 0.05), atol=1e-9)


def test_save_programs_load_programs_round_trip(tmp_path: Path) -> None:
    programs = draw_programs(3, 14)
    save_programs(tmp_path / "p.json", programs)
    assert load_programs(tmp_path / "p.json") == programs


def test_program_sets_are_reproducible_and_disjoint() -> None:
    """The committed files are what the script draws; the training set has nothing that is left to the tests."""
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


def test_is_valid_sequence_point_nearer_to_neighbour_is_false() -> None:
    put = (Instruction("grasp", "red cube"), Instruction("place", "blue cube", None, {"offset": (0.05, 0.0, 0.0)}))
    away, towards = ((Instruction("reach", "red cube", None, {"offset": (x, 0.0, 0.06)}),) for x in (0.03, -0.03))
    assert is_valid_sequence(put + away)
    assert not is_valid_sequence(put + towards)


@pytest.mark.parametrize("high", [False, True])
def test_success_monitor_lifted_cube_did_not_slide(high: bool) -> None:
    """A cube carried through the air to the same place was not dragged."""
    carry = Instruction("reach", "table", None, {"offset": (0.0, 0.0, 0.07)})
    detour = (carry,) if high else ()
    grasp = Instruction("grasp", "red cube", None, {"height": 0.016})
    instructions = (grasp, *detour, Instruction("slide", "yellow zone"))
    arm = SimulatedArm(5)
    arm.connect()
    demonstrator = ScriptedDemonstrator(TaskProgram("slide", instructions), arm, MotionStyle())
    assert execute_in_loop(ControlLoop(arm, arm), demonstrator) is not high
    end = arm.observe_scene().positions
    assert np.linalg.norm(end[0, :2] - end[3, :2]) < 0.01, "the cube is at its goal in both cases"


def held_low(tool: float, cube: float) -> Observation:
    """Return a state in which the first cube is held, with the tool and the cube's centre at these heights, m."""
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
def test_slide_keeps_tool_height(tool: float, cube: float, rise: float) -> None:
    """Fingers that slipped down a cube rise again, and never press a cube into the table."""
    now, instruction = held_low(tool, cube), Instruction("slide", "yellow zone")
    step = slide(make_primitive_state(instruction, SimulatedArm(5).objects, now)).displacement
    assert step[2] == pytest.approx(rise)


def test_low_grasp_ends_with_held_cube() -> None:
    """Otherwise a policy would learn that closing the fingers is the end, with or without a cube between them."""
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
def test_load_programs_invalid_file_names_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text)
    with pytest.raises(ProgramError, match=says):
        load_programs(path)


def test_load_programs_missing_file_or_double_name_raises(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="cannot be read"):
        load_programs(tmp_path / "none.json")
    row = {"verb": "press", "anchor": "red cube"}
    twice = {"format": 1, "programs": [{"name": "a", "clicks": [row]}, {"name": "a", "clicks": [row]}]}
    (tmp_path / "p.json").write_text(json.dumps(twice))
    with pytest.raises(ProgramError, match="two programs"):
        load_programs(tmp_path / "p.json")


def test_impossible_instructions_are_refused() -> None:
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
