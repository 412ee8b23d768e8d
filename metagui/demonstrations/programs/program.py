"""Task programs: tasks as lists of instructions, stored as JSON, that a user, a script or a test carries out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metagui.checked_json import FileReasonError, read_json
from metagui.demonstrations.json_codec import ProgramError, instruction_from_flat_dict, instruction_to_flat_dict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from metagui.demonstrations.demonstration import Instruction

PROGRAM_FORMAT_VERSION = 1
"""Format version of program files."""


@dataclass(frozen=True)
class TaskProgram:
    """One task: the instructions to demonstrate, and unrecorded ones that set up the scene."""

    name: str
    instructions: tuple[Instruction, ...]
    setup: tuple[Instruction, ...] = ()
    """Instructions that are carried out before recording starts."""
    family: str = ""
    """Kind of task, by which results are grouped."""


def describe_instruction(instruction: Instruction) -> str:
    """Return an instruction as text, such as ``push red cube to violet zone``."""
    target = f" to {instruction.target_name}" if instruction.target_name else ""
    phrases = {
        "reach": "go to",
        "place": "place on",
        "slide": "slide to",
        "trace": f"trace a {instruction.parameters.get('shape', 'circle')} at",
    }
    if instruction.action in ("move", "home", "release"):
        return instruction.action
    return f"{phrases.get(instruction.action, instruction.action)} {instruction.object_name}{target}"


def describe_instructions(instructions: Sequence[Instruction]) -> str:
    """Return a list of instructions as text."""
    return ", then ".join(describe_instruction(instruction) for instruction in instructions)


def load_programs(path: Path) -> tuple[TaskProgram, ...]:
    """Read a program file: ``{"format": 1, "programs": [...]}``. Raises ProgramError."""
    try:
        document = read_json(path)
    except FileReasonError as error:
        raise ProgramError(f"{path} cannot be read as programs: {error}. Nothing was changed.") from error
    if not isinstance(document, dict) or not isinstance(document.get("programs"), list):
        raise ProgramError(f"{path} is not a program file: it needs an object with a list called programs.")
    if document.get("format") != PROGRAM_FORMAT_VERSION:
        found = repr(document.get("format"))[:40]
        raise ProgramError(f"{path} has format {found}; this metagui reads format {PROGRAM_FORMAT_VERSION}.")
    programs = tuple(_parse_program(v, f"{path.name}: program {i + 1}") for i, v in enumerate(document["programs"]))
    names = [program.name for program in programs]
    for name in names:
        if names.count(name) > 1:
            raise ProgramError(f"{path}: two programs are called {name!r}; names must differ.")
    return programs


def save_programs(path: Path, programs: Sequence[TaskProgram]) -> None:
    """Write a program file that ``load_programs`` reads."""
    rows = []
    for program in programs:
        row: dict[str, Any] = {"name": program.name, "family": program.family}
        if program.setup:
            row["setup"] = [instruction_to_flat_dict(each) for each in program.setup]
        rows.append(json.dumps(row | {"clicks": [instruction_to_flat_dict(each) for each in program.instructions]}))
    body = ",\n  ".join(rows)
    path.write_text(f'{{"format": {PROGRAM_FORMAT_VERSION}, "programs": [\n  {body}\n]}}\n', encoding="utf-8")


def _parse_program(values: Any, location: str) -> TaskProgram:
    if not isinstance(values, dict) or not isinstance(values.get("name"), str) or not values["name"].strip():
        raise ProgramError(f"{location} must be an object with a name and clicks.")
    location = f"{location} {values['name']!r}"
    instructions = _parse_instructions(values.get("clicks"), f"{location}, click")
    if not instructions:
        raise ProgramError(f"{location} has no clicks; it needs one or more.")
    setup = _parse_instructions(values.get("setup", []), f"{location}, setup click")
    return TaskProgram(values["name"], instructions, setup, str(values.get("family", "")))


def _parse_instructions(values: Any, location: str) -> tuple[Instruction, ...]:
    if not isinstance(values, list):
        raise ProgramError(f"{location}s must be a list.")
    return tuple(instruction_from_flat_dict(each, f"{location} {i + 1}") for i, each in enumerate(values))
