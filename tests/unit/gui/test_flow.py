"""The shape of the window's flow: few parts, few signals, one way, no circle."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Signal, SignalInstance

from metagui import app
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.demonstrations.storage.library import Library
from tests.helpers.priors import make_small_prior

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from metagui.gui.window.session import Session

GUI = Path(app.__file__).parent / "gui"
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(GUI.rglob("*.py"))}
MAX_SESSION_ATTRIBUTES = 8
MAX_CONTROLLER_SIGNALS = 3


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path) -> Session:
    return app.make_session(SimulatedArm, Library(tmp_path), make_small_prior, seed=1)


def list_attributes(session: Session) -> dict[str, object]:
    """Return the attributes of the session without those that Qt gives to every QObject."""
    own = {name: value for name, value in vars(session).items() if not name.startswith("__")}
    return {name: value for name, value in own.items() if not isinstance(value, SignalInstance)}


def list_controllers(session: Session) -> list[object]:
    """Return every controller that a part of the session consists of."""
    out: list[object] = []
    for part in list_attributes(session).values():
        is_group = hasattr(part, "__dataclass_fields__")
        out += list(vars(part).values()) if is_group else [part]
    return out


def test_session_has_at_most_eight_attributes(session: Session) -> None:
    assert len(list_attributes(session)) <= MAX_SESSION_ATTRIBUTES, list(list_attributes(session))


def test_session_has_no_signal_of_its_own(session: Session) -> None:
    assert not [name for name, value in vars(type(session)).items() if isinstance(value, Signal)]


def test_controllers_have_at_most_three_signals(session: Session) -> None:
    controllers = list_controllers(session)
    assert len(controllers) > 15
    for each in controllers:
        signals = [name for name, value in vars(type(each)).items() if isinstance(value, Signal)]
        assert len(signals) <= MAX_CONTROLLER_SIGNALS, (type(each).__name__, signals)


def test_no_module_reaches_through_a_part_of_the_session() -> None:
    """Only ``session.part.member`` is allowed, or a method of a member's own signal."""
    reaching = re.compile(r"session\.\w+\.\w+\.(?!connect\b|emit\b)\w+")
    found = {path.name: reaching.findall(text) for path, text in SOURCES.items() if reaching.search(text)}
    assert not found


def test_imports_of_the_window_have_no_circle() -> None:
    """Type-only and lazy imports count as well."""
    root = GUI.parent.parent
    names = {".".join(path.relative_to(root).with_suffix("").parts): text for path, text in SOURCES.items()}
    remaining = {name: _find_imports(text) & set(names) - {name} for name, text in names.items()}
    while leaves := {name for name, imports in remaining.items() if not imports}:
        remaining = {name: imports - leaves for name, imports in remaining.items() if name not in leaves}
    assert not remaining, "these modules import each other in a circle"


def _find_imports(text: str) -> set[str]:
    """Return the modules that a module imports anywhere."""
    return {node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module}


def test_click_reaches_the_queue_over_three_objects(session: Session) -> None:
    """The view's signal goes to the dispatcher, which adds to the controller's queue at once."""
    from metagui.demonstrations.demonstration import Instruction
    from metagui.gui.teaching.click_teacher import Proposal

    session.teaching.clicks.dispatch(Proposal("", Instruction("grasp", "red cube")))
    assert session.arm.controller.pending_count == 1
