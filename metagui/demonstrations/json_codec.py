"""Clicks and anchors as plain JSON values, as files keep them. Lenient: what a newer metagui knows is read too."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from metagui.arms.arm import SceneObject
from metagui.demonstrations.demonstration import Instruction


def instruction_to_dict(instruction: Instruction) -> dict[str, Any]:
    """Return a click as JSON values; numpy's numbers and arrays become plain ones."""
    parameters = {name: _to_json_value(value) for name, value in instruction.parameters.items()}
    return {
        "verb": instruction.action,
        "anchor": instruction.object_name,
        "target": instruction.target_name,
        "parameters": parameters,
    }


def instruction_from_dict(values: dict[str, Any]) -> Instruction:
    """Undo ``click_to_dict``; lists become tuples. Raises KeyError."""
    parameters = {name: tuple(v) if isinstance(v, list) else v for name, v in values["parameters"].items()}
    return Instruction(values["verb"], values["anchor"], values["target"], parameters)


def object_to_dict(scene_object: SceneObject) -> dict[str, Any]:
    """Return an anchor as JSON values."""
    return asdict(scene_object)


def object_from_dict(values: dict[str, Any]) -> SceneObject:
    """Undo ``anchor_to_dict``. Raises TypeError, KeyError."""
    return SceneObject(**values | {"colour": tuple(values["colour"])})


def _to_json_value(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | list | tuple | None):
        return value
    return value.tolist() if hasattr(value, "tolist") else str(value)
