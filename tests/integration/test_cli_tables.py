"""``metagui tables`` and ``record --table``: tables of objects by name, without a window."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from metagui.arms.arm import SceneObject
from metagui.arms.tables.table import DEFAULT_TABLE, Table
from metagui.arms.tables.table_store import save_table
from metagui.cli import app
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram, save_programs
from metagui.demonstrations.storage.library import Library

GREY = (0.5, 0.5, 0.5)
DESK = Table((SceneObject("bar", "block", (0.022, 0.06, 0.02), GREY), SceneObject("wall", "block", (0.09,) * 3, GREY)))


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metagui.arms.tables.table_store.user_config_path", lambda _name: tmp_path / "config")
    save_table(tmp_path / "desk.json", DESK)


def invoke(*arguments: object) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_table_is_added_listed_shown_and_removed(tmp_path: Path) -> None:
    assert invoke("tables", "add", "desk", "--from", tmp_path / "desk.json").exit_code == 0
    assert [each["name"] for each in json.loads(invoke("tables", "--json").stdout)] == ["default", "desk"]
    assert [each["name"] for each in json.loads(invoke("tables", "show", "desk", "--json").stdout)] == ["bar", "wall"]
    again = invoke("tables", "add", "desk", "--from", tmp_path / "desk.json")
    assert again.exit_code == 1
    assert "already" in again.stderr
    assert invoke("tables", "remove", "desk").exit_code == 0
    assert "There is no table 'desk'" in invoke("tables", "show", "desk").stderr


@pytest.mark.parametrize("arguments", [("remove", "default"), ("show",), ("add", "desk"), ("show", "missing.json")])
def test_impossible_request_is_refused(arguments: tuple[str, ...]) -> None:
    refused = invoke("tables", *arguments)
    assert refused.exit_code == 1
    assert "Traceback" not in refused.stderr


def test_record_on_a_table_stores_its_objects(tmp_path: Path) -> None:
    invoke("tables", "add", "desk", "--from", tmp_path / "desk.json")
    programs = (
        TaskProgram("lift", (Instruction("grasp", "bar"),)),
        TaskProgram("lift wall", (Instruction("grasp", "wall"),)),
    )
    save_programs(tmp_path / "p.json", programs)
    options = ("--program", tmp_path / "p.json", "--table", "desk", "--seed", 1, "--library", tmp_path / "library")
    recorded = invoke("record", "lift", *options)
    assert recorded.exit_code == 0, recorded.stderr
    (take,) = Library(tmp_path / "library").load_takes("lift")
    assert Table.from_scene_objects(take.objects) == DESK
    assert take.success
    refused = invoke("record", "lift wall", *options)
    assert refused.exit_code == 1
    assert "width of 90 mm; the gripper can take 22 to 30 mm" in " ".join(refused.stderr.split())
    assert "--arm" in invoke("record", "lift", *options, "--arm", "nowhere").stderr


def test_record_without_table_uses_the_default(tmp_path: Path) -> None:
    save_programs(tmp_path / "p.json", (TaskProgram("press", (Instruction("press", "red cube"),)),))
    options = ("--program", tmp_path / "p.json", "--seed", 1, "--library", tmp_path / "library")
    assert invoke("record", "press", *options).exit_code == 0
    (take,) = Library(tmp_path / "library").load_takes("press")
    assert Table.from_scene_objects(take.objects) == DEFAULT_TABLE
