"""Grasping, placing, pressing and pushing objects of other sizes than the default table's, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metagui.arms.arm import SceneObject
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import DEFAULT_TABLE, Table
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.json_codec import ProgramError
from metagui.demonstrations.primitives.grasping import compute_place_goal
from metagui.demonstrations.primitives.object_fit import explain_no_room, explain_unfit
from metagui.demonstrations.primitives.primitive import MotionStyle
from metagui.demonstrations.programs.instruction_state import check_reachable, make_primitive_state
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import ScriptedDemonstrator, execute
from metagui.gui.teaching.click_teacher import ClickTeacher

GREY = (0.5, 0.5, 0.5)
BAR = SceneObject("bar", "block", (0.022, 0.060, 0.020), GREY)
PILLAR = SceneObject("pillar", "block", (0.030, 0.030, 0.050), GREY)
TRAY = SceneObject("tray", "tray", (0.080, 0.080, 0.020), GREY)
CUP = SceneObject("cup", "bowl", (0.070, 0.070, 0.080), GREY)
PLANK = SceneObject("plank", "block", (0.050, 0.050, 0.020), GREY)
PIN = SceneObject("pin", "block", (0.010, 0.010, 0.030), GREY)
CUBE = DEFAULT_TABLE.objects[0]
GRASP_BAR = Instruction("grasp", "bar")


def achieve(table: Table, *instructions: Instruction, seed: int = 1) -> bool:
    """Demonstrate instructions on a table; return whether they were achieved."""
    arm = SimulatedArm(seed, table=table)
    arm.connect()
    demonstrator = ScriptedDemonstrator(TaskProgram("task", instructions), arm, MotionStyle())
    return execute(ControlLoop(arm, arm), demonstrator)


@pytest.mark.parametrize(
    "instructions",
    [
        (GRASP_BAR,),
        (GRASP_BAR, Instruction("place", "tray")),
        (Instruction("grasp", "pillar"), Instruction("place", "tray")),
        (Instruction("grasp", "red cube"), Instruction("place", "pillar")),
        (Instruction("press", "pillar"),),
    ],
)
def test_script_achieves_tasks_by_the_objects_sizes(instructions: tuple[Instruction, ...]) -> None:
    tray = replace(TRAY, size=(0.110, 0.110, 0.020))
    assert achieve(Table((BAR, PILLAR, tray, CUBE)), *instructions)


def test_place_goal_is_half_of_each_object_above_the_lower() -> None:
    arm = SimulatedArm(0, table=Table((PILLAR, BAR, TRAY)))
    arm.connect()
    now = arm.observe_all()
    for name, rise in (("bar", 0.010 + 0.025), ("tray", 0.025)):
        state = make_primitive_state(Instruction("place", name), arm.objects, now)
        below = now.scene.positions[state.object_index]
        assert np.allclose(compute_place_goal(state, 0) - below, (0.0, 0.0, rise))


@pytest.mark.parametrize(
    ("action", "scene_object", "text"),
    [
        ("grasp", PLANK, "width of 50 mm; the gripper can take 22 to 30 mm"),
        ("grasp", PIN, "width of 10 mm"),
        ("grasp", TRAY, "open at the top"),
        ("press", CUP, "nothing to press"),
        ("push", PLANK, "width of 50 mm; a push can take"),
        ("push", SceneObject("can", "cylinder", (0.03, 0.03, 0.04), GREY), "would roll aside"),
    ],
)
def test_unfit_object_is_refused_by_click_and_run(action: str, scene_object: SceneObject, text: str) -> None:
    arm = SimulatedArm(0, table=Table((scene_object, CUBE)))
    arm.connect()
    proposal = ClickTeacher(arm.objects, action).propose(scene_object.name, np.array([0.2, 0.0, 0.0]), None)
    assert proposal.is_refused
    assert text in proposal.hint
    target = "red cube" if action == "push" else None
    with pytest.raises(ProgramError, match="stays where it is") as refused:
        check_reachable(Instruction(action, scene_object.name, target), arm.objects, arm.observe_all())
    assert text in str(refused.value)


@pytest.mark.parametrize(
    ("goal", "text"),
    [(CUP, "80 mm high"), (replace(TRAY, size=(0.04, 0.09, 0.02)), "mm wide inside"), (PIN, "too narrow")],
)
def test_place_without_room_is_refused_by_click(goal: SceneObject, text: str) -> None:
    teacher = ClickTeacher(Table((CUBE, goal)).scene_objects)
    teacher.accept(teacher.propose("red cube", np.zeros(3), None))
    proposal = teacher.propose(goal.name, np.zeros(3), None)
    assert proposal.is_refused
    assert text in proposal.hint
    assert text in teacher.check(Instruction("place", goal.name), None).hint


def test_default_table_refuses_nothing_by_size() -> None:
    cubes = [each for each in DEFAULT_TABLE.objects if each.is_solid]
    assert not any(explain_unfit(action, each) for action in ("grasp", "press", "push") for each in cubes)
    assert not any(explain_no_room(cube, goal) for cube in cubes for goal in DEFAULT_TABLE.scene_objects)
