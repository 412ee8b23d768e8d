"""Instructions as JSON values, in the two forms that files use.

Take files and journals nest the parameters (``instruction_to_dict``) and are read leniently, so that a file of a newer
version opens. Program files, which people write, put them next to the action (``instruction_to_flat_dict``) and are
read strictly. The keys of both forms (``verb``, ``anchor``) are those of version 0.1.
"""

from __future__ import annotations

import math
from typing import Any

from metagui.demonstrations.demonstration import ACTION_PARAMETERS, TRACE_PLANES, TRACE_SHAPES, Instruction
from metagui.demonstrations.suggestions import suggest_closest


class ProgramError(Exception):
    """A program file or an instruction is wrong; the message names the place and the valid values."""


def instruction_to_dict(instruction: Instruction) -> dict[str, Any]:
    """Return an instruction in the nested form; numpy numbers and arrays become plain ones."""
    parameters = {name: _to_json_value(value) for name, value in instruction.parameters.items()}
    return {
        "verb": instruction.action,
        "anchor": instruction.object_name,
        "target": instruction.target_name,
        "parameters": parameters,
    }


def instruction_from_dict(values: dict[str, Any]) -> Instruction:
    """Invert ``instruction_to_dict``; lists become tuples. Raises KeyError, TypeError, AttributeError."""
    names = values["verb"], values["anchor"], values["target"] or ""
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f"the instruction has the names {names}")
    parameters = {name: tuple(v) if isinstance(v, list) else v for name, v in values["parameters"].items()}
    return Instruction(values["verb"], values["anchor"], values["target"], parameters)


def instruction_to_flat_dict(instruction: Instruction) -> dict[str, Any]:
    """Return an instruction in the flat form."""
    out: dict[str, Any] = {"verb": instruction.action, "anchor": instruction.object_name}
    if instruction.target_name is not None:
        out["target"] = instruction.target_name
    return out | {k: list(v) if isinstance(v, tuple) else v for k, v in instruction.parameters.items()}


def instruction_from_flat_dict(values: Any, location: str) -> Instruction:
    """Invert ``instruction_to_flat_dict``. Raises ProgramError with ``location`` and the valid values."""
    if not isinstance(values, dict):
        raise ProgramError(f"{location} is {type(values).__name__}, not an object with verb and anchor.")
    action = values.get("verb")
    if not isinstance(action, str) or action not in ACTION_PARAMETERS:
        raise ProgramError(
            f"{location} has the verb {action!r}; it can be {', '.join(ACTION_PARAMETERS)}."
            f"{suggest_closest(action, ACTION_PARAMETERS)}"
        )
    object_name, target_name = values.get("anchor"), values.get("target")
    if not isinstance(object_name, str) or not (target_name is None or isinstance(target_name, str)):
        raise ProgramError(f"{location} ({action}) needs an anchor by name, such as 'red cube'.")
    parameters = {k: v for k, v in values.items() if k not in ("verb", "anchor", "target")}
    for name, value in parameters.items():
        if name not in ACTION_PARAMETERS[action]:
            valid = ", ".join(ACTION_PARAMETERS[action]) or "none"
            raise ProgramError(f"{location} ({action}) has no parameter {name!r}; it takes {valid}.")
        parameters[name] = _check_parameter(value, name, f"{location} ({action})")
    return Instruction(action, object_name, target_name, parameters)


def _check_parameter(value: Any, name: str, location: str) -> Any:
    """Return the value of one parameter, offsets as tuples. Raises ProgramError."""
    if name in ("shape", "plane"):
        valid = TRACE_SHAPES if name == "shape" else TRACE_PLANES
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


def _to_json_value(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | list | tuple | None):
        return value
    return value.tolist() if hasattr(value, "tolist") else str(value)
