"""Clicks and anchors as plain JSON values, as files keep them. Lenient: what a newer metagui knows is read too."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from metagui.arms.arm import Anchor
from metagui.demonstrations.demonstration import Click


def click_to_dict(click: Click) -> dict[str, Any]:
    """Return a click as JSON values; numpy's numbers and arrays become plain ones."""
    parameters = {name: _plain(value) for name, value in click.parameters.items()}
    return {"verb": click.verb, "anchor": click.anchor, "target": click.target, "parameters": parameters}


def click_from_dict(values: dict[str, Any]) -> Click:
    """Undo ``click_to_dict``; lists become tuples. Raises KeyError."""
    parameters = {name: tuple(v) if isinstance(v, list) else v for name, v in values["parameters"].items()}
    return Click(values["verb"], values["anchor"], values["target"], parameters)


def anchor_to_dict(anchor: Anchor) -> dict[str, Any]:
    """Return an anchor as JSON values."""
    return asdict(anchor)


def anchor_from_dict(values: dict[str, Any]) -> Anchor:
    """Undo ``anchor_to_dict``. Raises TypeError, KeyError."""
    return Anchor(**values | {"colour": tuple(values["colour"])})


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | bool | list | tuple | None):
        return value
    return value.tolist() if hasattr(value, "tolist") else str(value)
