"""Steps of a take: their numbers, their list, and what a form of them proposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import SCENE_OBJECTS
from metagui.demonstrations.demonstration import Instruction
from metagui.gui.arm.arm_controller import ArmController
from metagui.gui.core.messages import Messages
from metagui.gui.teaching.click_dispatcher import ClickDispatcher
from metagui.gui.teaching.click_teacher import ClickTeacher, ExpectedGrasp, make_jog
from metagui.gui.teaching.steps.step_form import StepForm
from metagui.gui.teaching.steps.step_list import StepList, StepStatus
from metagui.gui.teaching.steps.step_numbers import change_numbers, list_numbers_of, read_numbers

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from metagui.arms.arm import Observation

REACH_TABLE = Instruction("reach", "table", None, {"offset": (0.01, -0.02, 0.05)})
CIRCLE = Instruction("trace", "red cube", None, {"shape": "circle", "radius": 0.03, "offset": (0.0, 0.0, 0.06)})


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (REACH_TABLE, {"ahead": 225.0, "left": -20.0, "height": 50.0}),
        (CIRCLE, {"height": 60.0, "radius": 30.0}),
        (Instruction("place", "yellow zone"), {}),
        (Instruction("push", "red cube", "table", {"offset": (0.0, 0.1, 0.0)}), {"ahead": 215.0, "left": 100.0}),
        (make_jog(up=True), {"height": 20.0}),
    ],
)
def test_numbers_of_a_step_are_read_and_changed(instruction: Instruction, expected: dict[str, float]) -> None:
    assert read_numbers(instruction) == expected
    assert change_numbers(instruction, expected) == instruction
    for number in list_numbers_of(instruction):
        wanted = expected | {number.key: expected[number.key] + 15.0}
        assert read_numbers(change_numbers(instruction, wanted)) == wanted


def make_list(tmp_path: Path) -> tuple[StepList, ClickDispatcher, ArmController]:
    controller = ArmController(SimulatedArm(3), tmp_path, Messages())
    clicks = ClickDispatcher(controller, Messages(), seed=1)
    return StepList(controller, clicks), clicks, controller


def test_steps_follow_the_queue(qapp: object, tmp_path: Path) -> None:
    steps, clicks, controller = make_list(tmp_path)
    for name in ("red cube", "green cube"):
        clicks.add_instruction(Instruction("reach", name, None, {"offset": (0.0, 0.0, 0.05)}))
    assert [step.status for step in steps.steps] == [StepStatus.WAITING] * 2
    program = controller.program_controller
    observation = observe(controller)
    program.decide(observation)
    steps._follow(None)
    assert [step.status for step in steps.steps] == [StepStatus.RUNNING, StepStatus.WAITING]
    assert "press Stop" in steps.explain_fixed(0)
    clicks.add_instruction(CIRCLE)
    controller.loop = ControlLoop(controller.arm, controller.arm)
    assert steps.move(2, -1)
    assert not steps.move(1, -1), "no step comes before the one that is being done"
    steps.remove(2)
    assert [each.action for each in steps.instructions] == ["reach", "trace"]
    assert program.waiting_count == 1
    program.decide(observation)
    controller.loop = None
    program.clear()
    steps._follow(None)
    assert [step.status for step in steps.steps] == [StepStatus.STOPPED, StepStatus.STOPPED]


def test_changed_steps_are_recorded_again(qapp: object, tmp_path: Path) -> None:
    steps, clicks, controller = make_list(tmp_path)
    clicks.add_instruction(REACH_TABLE)
    clicks.add_instruction(CIRCLE)
    controller.program_controller.clear()
    controller.program_controller = type(controller.program_controller)(controller.arm.objects)
    steps._follow(None)
    assert not steps.is_busy
    steps.replace_step(1, change_numbers(CIRCLE, {"radius": 40.0}))
    assert [step.status for step in steps.steps] == [StepStatus.STOPPED, StepStatus.CHANGED]
    assert steps.move(1, -1)
    assert not steps.move(0, -1)
    assert [each.action for each in steps.instructions] == ["trace", "reach"]
    steps.remove(1)
    assert [step.status for step in steps.steps] == [StepStatus.CHANGED]
    steps.end_take()
    clicks.add_instruction(REACH_TABLE)
    assert steps.instructions == (REACH_TABLE,), "the steps of the last take go when the next one begins"


def observe(controller: ArmController) -> Observation:
    """Return what the arm observes when it is at rest."""
    controller.arm.connect()
    return ControlLoop(controller.arm, controller.arm).step_once().observation


def test_form_proposes_what_is_possible_and_says_why_not(qtbot: QtBot) -> None:
    teacher = ClickTeacher(SCENE_OBJECTS)
    form = StepForm(teacher)
    qtbot.addWidget(form)
    form.show_tool("place")
    proposal = form.propose()
    assert proposal is not None
    assert proposal.is_refused
    assert "grasp a cube first" in form.hint.toolTip()
    teacher.expected_grasp = ExpectedGrasp("red cube")
    form.object_box.setCurrentIndex(form.object_box.findData("table"))
    form.numbers.fields["left"].setValue(60)
    proposal = form.propose()
    assert proposal is not None
    assert proposal.instruction == Instruction("place", "table", None, {"offset": (-0.015, 0.06, 0.0)})
    form.show_tool("push")
    form.object_box.setCurrentIndex(form.object_box.findData("green cube"))
    assert "place it first" in form.hint.toolTip()
    teacher.expected_grasp = ExpectedGrasp()
    form.target_box.setCurrentIndex(form.target_box.findData("green cube"))
    assert "Choose where to push it" in form.hint.toolTip()
    form.target_box.setCurrentIndex(form.target_box.findData("violet zone"))
    proposal = form.propose()
    assert proposal is not None
    assert proposal.instruction == Instruction("push", "green cube", "violet zone")
