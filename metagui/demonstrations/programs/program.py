"""Click programs: tasks as data. A program is a list of clicks, kept as JSON, that a person or a script carries out."""

from __future__ import annotations

import difflib
import json
import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metagui.arms.arm import UnreachableError
from metagui.arms.kinematics import ToolMotion, inverse_kinematics
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.primitives.grasping import compute_place_goal, compute_slide_goal
from metagui.demonstrations.primitives.primitive import MotionStyle, PrimitiveMemory, PrimitiveState
from metagui.demonstrations.primitives.pushing import compute_push_goal
from metagui.demonstrations.primitives.registry import PRIMITIVES, compute_reach_goal
from metagui.demonstrations.primitives.tracing import POLYLINE_SHAPES, compute_corners, compute_ellipse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from metagui.arms.arm import FloatArray, Observation, SceneObject

PROGRAM_FORMAT_VERSION = 1
"""Version of the program file."""

ACTION_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "reach": ("offset",),
    "grasp": ("height",),
    "place": ("offset",),
    "slide": ("offset",),
    "release": (),
    "push": ("offset",),
    "press": (),
    "trace": ("shape", "radius", "ratio", "plane", "direction", "offset", "angle", "length", "width"),
    "move": ("offset",),
    "home": ("offset",),
}
"""Every verb and the parameters it takes; offsets and lengths in m, angles in rad."""

MAX_INSTRUCTION_DECISIONS = 500
"""Decisions (20 s) after which a click that is not done is given up."""


class ProgramError(Exception):
    """A program file or a click in it is wrong; the message says where and what would be right."""


@dataclass(frozen=True)
class TaskProgram:
    """A task as data: what to set up unrecorded, and the clicks to show."""

    name: str
    instructions: tuple[Instruction, ...]
    setup: tuple[Instruction, ...] = ()
    family: str = ""
    """What kind of task this is, to sort results by."""


def describe_instruction(instruction: Instruction) -> str:
    """Say a click in words, as the window and the file listings show it."""
    other = f" to {instruction.target_name}" if instruction.target_name else ""
    words = {
        "reach": "go to",
        "place": "place on",
        "slide": "slide to",
        "trace": f"trace a {instruction.parameters.get('shape', 'circle')} at",
    }
    if instruction.action in ("move", "home", "release"):
        return instruction.action
    return f"{words.get(instruction.action, instruction.action)} {instruction.object_name}{other}"


def instruction_to_flat_dict(instruction: Instruction) -> dict[str, Any]:
    """Return the click as plain JSON values."""
    out: dict[str, Any] = {"verb": instruction.action, "anchor": instruction.object_name}
    if instruction.target_name is not None:
        out["target"] = instruction.target_name
    return out | {k: list(v) if isinstance(v, tuple) else v for k, v in instruction.parameters.items()}


def parse_instruction(values: Any, location: str = "click") -> Instruction:
    """Build a click from JSON values. Raises ProgramError naming ``place`` and what would be right."""
    if not isinstance(values, dict):
        raise ProgramError(f"{location} is {type(values).__name__}, not an object with verb and anchor.")
    verb = values.get("verb")
    if not isinstance(verb, str) or verb not in ACTION_PARAMETERS:
        raise ProgramError(
            f"{location} has the verb {verb!r}; it can be {', '.join(ACTION_PARAMETERS)}.{_suggest_closest(verb, ACTION_PARAMETERS)}"
        )
    anchor, target = values.get("anchor"), values.get("target")
    if not isinstance(anchor, str) or not (target is None or isinstance(target, str)):
        raise ProgramError(f"{location} ({verb}) needs an anchor by name, such as 'red cube'.")
    parameters = {k: v for k, v in values.items() if k not in ("verb", "anchor", "target")}
    for name, value in parameters.items():
        if name not in ACTION_PARAMETERS[verb]:
            valid = ", ".join(ACTION_PARAMETERS[verb]) or "none"
            raise ProgramError(f"{location} ({verb}) has no parameter {name!r}; it takes {valid}.")
        parameters[name] = _check_parameter(value, name, f"{location} ({verb})")
    return Instruction(verb, anchor, target, parameters)


def _check_parameter(value: Any, name: str, location: str) -> Any:
    """Return one parameter, offsets as tuples. Raises ProgramError."""
    if name in ("shape", "plane"):
        valid = ("circle", "ellipse", *POLYLINE_SHAPES) if name == "shape" else ("horizontal", "vertical")
        if value not in valid:
            raise ProgramError(f"{location}: {name} is {value!r}; it can be {', '.join(valid)}.")
        return value
    numbers = value if name == "offset" else [value]
    if not isinstance(numbers, list | tuple) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in numbers
    ):
        raise ProgramError(f"{location}: {name} must be finite numbers, not {value!r}.")
    if name != "offset":
        return float(value)
    if len(numbers) != 3:
        raise ProgramError(f"{location}: offset must be three numbers in metres, not {len(numbers)}.")
    return tuple(float(v) for v in numbers)


def _suggest_closest(word: Any, valid: Iterable[str]) -> str:
    found = difflib.get_close_matches(str(word), list(valid), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _parse_program(values: Any, location: str) -> TaskProgram:
    if not isinstance(values, dict) or not isinstance(values.get("name"), str) or not values["name"].strip():
        raise ProgramError(f"{location} must be an object with a name and clicks.")
    location = f"{location} {values['name']!r}"
    clicks = _parse_instructions(values.get("clicks"), f"{location}, click")
    if not clicks:
        raise ProgramError(f"{location} has no clicks; it needs at least one.")
    setup = _parse_instructions(values.get("setup", []), f"{location}, setup click")
    return TaskProgram(values["name"], clicks, setup, str(values.get("family", "")))


def _parse_instructions(values: Any, location: str) -> tuple[Instruction, ...]:
    if not isinstance(values, list):
        raise ProgramError(f"{location}s must be a list.")
    return tuple(parse_instruction(v, f"{location} {i + 1}") for i, v in enumerate(values))


def load_programs(path: Path) -> tuple[TaskProgram, ...]:
    """Read a program file: ``{"format": 1, "programs": [...]}``. Raises ProgramError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(f"{path} cannot be read ({error}). Nothing was changed.") from error
    except json.JSONDecodeError as error:
        raise ProgramError(f"{path} is not JSON: {error}. Nothing was changed.") from error
    if not isinstance(document, dict) or not isinstance(document.get("programs"), list):
        raise ProgramError(f"{path} is not a program file: it needs an object with a list called programs.")
    if document.get("format") != PROGRAM_FORMAT_VERSION:
        raise ProgramError(
            f"{path} has format {document.get('format')!r}; this metagui reads format {PROGRAM_FORMAT_VERSION}."
        )
    programs = tuple(_parse_program(v, f"{path.name}: program {i + 1}") for i, v in enumerate(document["programs"]))
    names = [p.name for p in programs]
    for name in names:
        if names.count(name) > 1:
            raise ProgramError(f"{path}: two programs are called {name!r}; names must differ.")
    return programs


def save_programs(path: Path, programs: Sequence[TaskProgram]) -> None:
    """Write a program file that ``load_programs`` reads back."""
    rows = []
    for program in programs:
        row: dict[str, Any] = {"name": program.name, "family": program.family}
        if program.setup:
            row["setup"] = [instruction_to_flat_dict(c) for c in program.setup]
        rows.append(json.dumps(row | {"clicks": [instruction_to_flat_dict(c) for c in program.instructions]}))
    body = ",\n  ".join(rows)
    path.write_text(f'{{"format": {PROGRAM_FORMAT_VERSION}, "programs": [\n  {body}\n]}}\n', encoding="utf-8")


def find_object_index(object_name: str, objects: Sequence[SceneObject]) -> int:
    """Return an anchor's index. Raises ProgramError with the names there are."""
    for index, anchor in enumerate(objects):
        if anchor.name == object_name:
            return index
    names = [a.name for a in objects]
    raise ProgramError(
        f"There is no {object_name!r} here; there is {', '.join(names)}.{_suggest_closest(object_name, names)}"
    )


def make_primitive_state(
    instruction: Instruction,
    objects: Sequence[SceneObject],
    observation: Observation,
    memory: PrimitiveMemory | None = None,
    style: MotionStyle | None = None,
) -> PrimitiveState:
    """Resolve a click's names against a scene, ready for its law or its goal."""
    anchor = find_object_index(instruction.object_name, objects)
    target = anchor if instruction.target_name is None else find_object_index(instruction.target_name, objects)
    cubes = tuple(i for i, a in enumerate(objects) if a.kind == "cube")
    if instruction.action in ("grasp", "push", "press") and anchor not in cubes:
        raise ProgramError(f"Only a cube can be asked to {instruction.action}, not the {instruction.object_name}.")
    return PrimitiveState(
        instruction,
        observation,
        memory or PrimitiveMemory.from_observation(observation),
        style or MotionStyle(),
        anchor,
        target,
        cubes,
    )


def compute_goals(state: PrimitiveState) -> list[FloatArray]:
    """Return the tool positions, (3,) each, that a click needs to get to, to check before moving."""
    click = state.instruction
    if click.action in ("reach", "home"):
        return [compute_reach_goal(state)]
    if click.action == "move":
        return [state.memory.start_position + state.offset]
    if click.action == "grasp":
        cube = state.get_object_position(state.object_index)
        return [cube, cube + (0.0, 0.0, state.get_parameter("height", 0.075))]
    if click.action == "place":
        return [compute_place_goal(state, -1)]
    if click.action == "slide":
        return [compute_slide_goal(state)]
    if click.action == "push":
        return [state.get_object_position(state.object_index), compute_push_goal(state)]
    if click.action == "press":
        return [state.get_object_position(state.object_index) + (0.0, 0.0, 0.03)]
    if click.action == "trace" and click.parameters.get("shape") in POLYLINE_SHAPES:
        return list(compute_corners(state))
    if click.action == "trace":
        curve = compute_ellipse(state)
        return [curve.centre + side for h in (curve.first_half_axis, curve.second_half_axis) for side in (h, -h)]
    return []


def check_reachable(instruction: Instruction, objects: Sequence[SceneObject], observation: Observation) -> None:
    """Raise UnreachableError or ProgramError if a click cannot be carried out from here."""
    s = make_primitive_state(instruction, objects, observation)
    for goal in compute_goals(s):
        if goal[2] < 0.0:
            raise UnreachableError("That point lies below the table. The arm stays where it is; choose a higher one.")
        inverse_kinematics(goal, 0.0)
    if instruction.action in ("place", "slide") and not observation.scene.held.any():
        raise ProgramError("Nothing is held that could be put there. The arm stays where it is; grasp a cube first.")


@dataclass
class ProgramController:
    """Carries out a queue of clicks, one law after the other; what a person's clicks and a script have in common.

    ``current_click`` and ``click_index`` tell the recorder where to cut.
    """

    objects: Sequence[SceneObject]
    style: MotionStyle = field(default_factory=MotionStyle)
    current_instruction: Instruction | None = None
    instruction_index: int = -1
    failure_reason: str = ""
    """Why the last click was given up, in words; empty if it was not."""

    def __post_init__(self) -> None:
        self._queue: deque[Instruction] = deque()
        self._memory: PrimitiveMemory | None = None
        self._noise_rng = np.random.default_rng(self.style.noise_seed)

    def add_instructions(self, *instructions: Instruction) -> None:
        """Queue clicks behind what is being done."""
        self._queue.extend(instructions)

    def clear(self) -> None:
        """Forget what is queued and stop what is being done."""
        self._queue.clear()
        self.current_instruction = None

    @property
    def pending_count(self) -> int:
        """How many clicks wait or run."""
        return len(self._queue) + (self.current_instruction is not None)

    def decide(self, observation: Observation) -> ToolMotion | None:
        """Return the next motion, or None when nothing is asked."""
        if self.current_instruction is None and not self._start_next(observation):
            return None
        click, memory = self.current_instruction, self._memory
        if click is None or memory is None:  # cleared by another thread meanwhile
            return None
        memory.update(observation)
        motion = PRIMITIVES[click.action](make_primitive_state(click, self.objects, observation, memory, self.style))
        if motion.done:
            self.current_instruction = None
        elif memory.decision_count > MAX_INSTRUCTION_DECISIONS:
            self._abort(
                f"Gave up on '{describe_instruction(click)}' after {MAX_INSTRUCTION_DECISIONS / 25:.0f} s; the arm holds."
            )
        return motion if self.style.step_noise == 0.0 else self._add_step_noise(motion)

    def _add_step_noise(self, motion: ToolMotion) -> ToolMotion:
        """Return the motion as an unsteady hand does it: beside every path there is something to learn, too."""
        step = motion.displacement
        aside = self.style.step_noise * math.sqrt(float(step @ step)) * self._noise_rng.standard_normal(3)
        return ToolMotion(step + aside, motion.yaw_change, motion.gripper, motion.done)

    def _start_next(self, observation: Observation) -> bool:
        """Start the next click, if there is one and it can be done."""
        if not self._queue:
            return False
        click = self._queue.popleft()
        try:
            check_reachable(click, self.objects, observation)
        except (UnreachableError, ProgramError) as error:
            self._abort(str(error))
            return False
        self.failure_reason = ""
        self._memory = PrimitiveMemory.from_observation(observation)
        self.instruction_index += 1
        self.current_instruction = click
        return True

    def _abort(self, reason: str) -> None:
        """Drop everything queued: what follows would start from the wrong place."""
        self.clear()
        self.failure_reason = reason


def rename_program(program: TaskProgram, name: str) -> TaskProgram:
    """Return the same program under another name."""
    return replace(program, name=name)
