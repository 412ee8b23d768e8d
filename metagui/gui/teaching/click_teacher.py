"""Meaning of a click in the 3-D view: from tool and picked point to an instruction, or why there is none. Qt-free.

The proposal that is executed on a click is the one shown as a hint while hovering, so the hint is always right.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import UnreachableError
from metagui.arms.kinematics import inverse_kinematics
from metagui.arms.tables.table import TABLE_CENTRE_M
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.json_codec import ProgramError
from metagui.demonstrations.primitives.object_fit import explain_no_room, explain_unfit
from metagui.demonstrations.primitives.registry import compute_goals
from metagui.demonstrations.programs.instruction_state import make_primitive_state
from metagui.demonstrations.programs.program import describe_instruction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from metagui.arms.arm import FloatArray, Observation, SceneObject


@dataclass(frozen=True)
class ClickTool:
    """A tool for clicks: the action of its instructions, and text, icon, shortcut and tooltip of its button."""

    action: str
    text: str
    icon: str
    shortcut: str
    tooltip: str


CLICK_TOOLS: tuple[ClickTool, ...] = (
    ClickTool("reach", "Go to", "goto", "Alt+1", "Click a point or an object: the gripper moves above it."),
    ClickTool("grasp", "Grasp", "grasp", "Alt+2", "Click a cube: the gripper grasps and lifts it."),
    ClickTool("place", "Place", "place", "Alt+3", "Click where to place the held cube."),
    ClickTool("push", "Push", "push", "Alt+4", "Click a cube, then where to push it."),
    ClickTool("press", "Press", "press", "Alt+5", "Click a cube: the closed gripper presses it from above."),
    ClickTool("trace", "Trace", "trace", "Alt+6", "Click a point or an object: the gripper traces a circle above it."),
)

REACH_HEIGHT_M = 0.05
"""Height above the clicked point at which *Go to* ends, m."""
TRACE_CIRCLE = {"shape": "circle", "radius": 0.03, "direction": 1.0}
TRACE_HEIGHT_M = 0.06
JOG_STEP_M = 0.02
"""Distance of *Up* and *Down*, m."""
_NEXT_TOOL = {"grasp": "place", "place": "grasp"}


@dataclass(frozen=True)
class Proposal:
    """What a click would do: its instruction, if any, and a hint that describes it or says why not."""

    hint: str
    instruction: Instruction | None = None
    pushed_object: str | None = None
    """Cube chosen by the first of the two clicks of a push."""
    is_refused: bool = False
    """True if the click is not possible; the hint says why."""


@dataclass(frozen=True)
class ExpectedGrasp:
    """The object that the gripper will hold after all queued instructions."""

    object_name: str | None = None

    def after(self, instruction: Instruction) -> ExpectedGrasp:
        """Return the expected grasp after one more instruction."""
        if instruction.action == "grasp":
            return ExpectedGrasp(instruction.object_name)
        return ExpectedGrasp() if instruction.action in ("place", "release") else self


@dataclass
class ClickTeacher:
    """Turns clicks into instructions; stores the current tool and, for a push, the cube already chosen."""

    objects: Sequence[SceneObject]
    action: str = "grasp"
    pushed_object: str | None = None
    expected_grasp: ExpectedGrasp = field(default_factory=ExpectedGrasp)

    def choose_tool(self, action: str) -> None:
        """Switch to another tool."""
        self.action, self.pushed_object = action, None

    def get_object(self, object_name: str) -> SceneObject:
        """Return the object with a name."""
        return next(a for a in self.objects if a.name == object_name)

    def propose(self, object_name: str, point: FloatArray, observation: Observation | None) -> Proposal:
        """Return what a click on an object at ``point`` (3,), m, would do; ``observation`` is the current one."""
        proposal = self._propose(object_name, point)
        if proposal.instruction is None or observation is None:
            return proposal
        return self._require_reachable(proposal, observation)

    def check(self, instruction: Instruction, observation: Observation | None) -> Proposal:
        """Return what a complete instruction would do, such as one that was chosen by keys, or why it is refused."""
        problem = self._find_problem(instruction)
        if problem:
            return Proposal(problem, is_refused=True)
        proposal = _make_proposal(instruction)
        return proposal if observation is None else self._require_reachable(proposal, observation)

    def _find_problem(self, instruction: Instruction) -> str:
        """Return why an instruction makes no sense now; empty if it does."""
        action, name, held = instruction.action, instruction.object_name, self.expected_grasp.object_name
        if action in ("grasp", "press", "push") and not self.get_object(name).is_solid:
            return f"Choose a cube to {action}"
        if problem := explain_unfit(action, self.get_object(name)):
            return problem
        if action in ("grasp", "push") and held:
            return f"The {held} is held; place it first"
        if action == "push" and instruction.target_name in (None, name):
            return "Choose where to push it"
        if action == "place" and held is None:
            return "Nothing is held; grasp a cube first"
        if action == "place" and held == name:
            return "Choose where to put it, not the cube itself"
        return explain_no_room(self.get_object(held), self.get_object(name)) if action == "place" and held else ""

    def accept(self, proposal: Proposal) -> None:
        """Update tool and expected grasp after a click; the next tool is the one that usually follows."""
        if proposal.instruction is None:
            self.pushed_object = proposal.pushed_object
            return
        self.expected_grasp = self.expected_grasp.after(proposal.instruction)
        self.choose_tool(_NEXT_TOOL.get(self.action, self.action))

    def _propose(self, object_name: str, point: FloatArray) -> Proposal:
        clicked = self.get_object(object_name)
        if self.action in ("grasp", "press") and not clicked.is_solid:
            return Proposal(f"Click a cube to {self.action} it", is_refused=True)
        if self.action in ("grasp", "press") and (problem := explain_unfit(self.action, clicked)):
            return Proposal(problem, is_refused=True)
        if self.action == "grasp" and self.expected_grasp.object_name:
            return Proposal(f"The {self.expected_grasp.object_name} is held; place it first", is_refused=True)
        if self.action == "place":
            return self._propose_place(object_name, point)
        if self.action == "push":
            return self._propose_push(clicked, point)
        return _make_proposal(Instruction(self.action, object_name, None, self._parameters(object_name, point)))

    def _parameters(self, object_name: str, point: FloatArray) -> Mapping[str, Any]:
        if self.action == "reach":
            return {"offset": _offset_to(object_name, point, REACH_HEIGHT_M)}
        if self.action == "trace":
            return TRACE_CIRCLE | {"offset": _offset_to(object_name, point, TRACE_HEIGHT_M)}
        return {}

    def _propose_place(self, object_name: str, point: FloatArray) -> Proposal:
        if self.expected_grasp.object_name is None:
            return Proposal("Nothing is held; grasp a cube first", is_refused=True)
        if self.expected_grasp.object_name == object_name:
            return Proposal("Click where to put it, not the cube itself", is_refused=True)
        held = self.get_object(self.expected_grasp.object_name)
        if problem := explain_no_room(held, self.get_object(object_name)):
            return Proposal(problem, is_refused=True)
        parameters = {"offset": _offset_to(object_name, point, 0.0)} if object_name == "table" else {}
        return _make_proposal(Instruction("place", object_name, None, parameters))

    def _propose_push(self, clicked: SceneObject, point: FloatArray) -> Proposal:
        object_name = clicked.name
        if self.expected_grasp.object_name:
            return Proposal(f"The {self.expected_grasp.object_name} is held; place it first", is_refused=True)
        if clicked.is_solid:
            if problem := explain_unfit("push", clicked):
                return Proposal(problem, is_refused=True)
            return Proposal(f"Push the {object_name}: then click where to push it", pushed_object=object_name)
        if self.pushed_object is None:
            return Proposal("Click the cube to push first", is_refused=True)
        parameters = {"offset": _offset_to(object_name, point, 0.0)} if clicked.kind == "table" else {}
        return _make_proposal(Instruction("push", self.pushed_object, object_name, parameters))

    def _require_reachable(self, proposal: Proposal, observation: Observation) -> Proposal:
        """Return the proposal, refused if a goal is out of reach in the observed scene."""
        assert proposal.instruction is not None
        try:
            for goal in compute_goals(make_primitive_state(proposal.instruction, self.objects, observation)):
                inverse_kinematics(goal, 0.0)
        except UnreachableError:
            return replace(proposal, instruction=None, hint="Out of the arm's reach", is_refused=True)
        except ProgramError as error:
            return replace(proposal, instruction=None, hint=str(error), is_refused=True)
        return proposal


def _make_proposal(instruction: Instruction) -> Proposal:
    text = describe_instruction(instruction).replace("table", "this point")
    return Proposal(text[0].upper() + text[1:], instruction)


def _offset_to(object_name: str, point: FloatArray, height: float) -> tuple[float, float, float]:
    """Return a clicked point's offset from the table's centre, or ``height`` above an object."""
    if object_name != "table":
        return (0.0, 0.0, height)
    x, y, _ = np.round(point - TABLE_CENTRE_M, 4)
    return (float(x), float(y), height)


def make_jog(up: bool) -> Instruction:
    """Return the instruction of the Up or the Down button."""
    return Instruction("move", "table", None, {"offset": (0.0, 0.0, JOG_STEP_M if up else -JOG_STEP_M)})


def make_home() -> Instruction:
    """Return the instruction of the Home button."""
    return Instruction("home", "table", None, {"offset": (0.0, 0.0, 0.10)})


def make_release() -> Instruction:
    """Return the instruction of the Release button."""
    return Instruction("release", "table")


def name_from_instructions(instructions: Sequence[Instruction]) -> str:
    """Return a task's name from its instructions: *grasp red cube → place on yellow zone*."""
    described = [describe_instruction(each) for each in instructions if each.action not in ("move", "home")]
    return " → ".join(described[:3]) or "free motion"
