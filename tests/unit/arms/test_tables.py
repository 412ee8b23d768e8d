"""Tables as data: what is valid, and files that a person wrote, an older version made, or something damaged."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from metagui.arms.arm import SceneObject
from metagui.arms.tables.object_codec import object_from_dict, object_to_dict
from metagui.arms.tables.table import (
    DEFAULT_TABLE,
    FIRST_TAG_ID,
    MAX_OBJECTS,
    RESERVED_NAMES,
    SIZE_LIMITS,
    Table,
    TableError,
)
from metagui.arms.tables.table_store import TableStore, load_table, save_table
from metagui.cameras.mat import FIRST_OBJECT_TAG
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from pathlib import Path

GREY = (0.5, 0.5, 0.5)
CUP = SceneObject("cup", "bowl", (0.06, 0.06, 0.08), GREY)
BAR = SceneObject("bar", "block", (0.02, 0.08, 0.015), GREY, 40)
MIXED = Table(
    (
        CUP,
        BAR,
        SceneObject("can", "cylinder", (0.03, 0.03, 0.05), GREY),
        SceneObject("tray", "tray", (0.1, 0.14, 0.02), GREY),
        SceneObject("spot", "point", (0.012, 0.012, 0.0), GREY),
        SceneObject("field", "zone", (0.05, 0.08, 0.0), GREY),
    )
)


@pytest.mark.parametrize("table", [DEFAULT_TABLE, MIXED], ids=["default", "mixed"])
def test_table_survives_its_file(table: Table, tmp_path: Path) -> None:
    save_table(tmp_path / "table.json", table)
    assert load_table(tmp_path / "table.json") == table


@pytest.mark.parametrize("each", DEFAULT_TABLE.scene_objects, ids=lambda each: each.name)
def test_objects_of_old_takes_are_the_default_tables(each: SceneObject) -> None:
    """Version 0.1 wrote one edge length and knew cubes, zones and the table."""
    old = {
        "name": each.name,
        "kind": {"block": "cube"}.get(each.kind, each.kind),
        "size": {"block": 0.025, "zone": 0.06, "table": 0.0}[each.kind],
        "colour": list(each.colour),
    }
    assert object_from_dict(old) == each
    written = object_to_dict(each)
    assert {key: written[key] for key in old} == old


def test_tags_follow_from_the_place_unless_chosen() -> None:
    assert list(DEFAULT_TABLE.tags.values()) == [10, 11, 12, 13, 14]
    assert MIXED.tags["cup"] == FIRST_TAG_ID
    assert MIXED.tags["bar"] == 40
    assert FIRST_TAG_ID == FIRST_OBJECT_TAG


def test_reserved_names_are_all_names_of_the_arms_model() -> None:
    folder = resources_dir() / "arm"
    text = re.sub("<!--.*?-->", "", "".join(path.read_text() for path in folder.glob("*.xml")), flags=re.DOTALL)
    parts = set(re.findall(r'<(?:body|geom|site|material|texture)\b[^>]*?\bname="([^"]+)"', text))
    assert parts - {each.name for each in DEFAULT_TABLE.objects} <= RESERVED_NAMES


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": ""}, "cannot name"),
        ({"name": "a/b"}, "cannot name"),
        ({"name": "x" * 41}, "cannot name"),
        ({"name": "Gripper"}, "part of the arm"),
        ({"kind": "sphere"}, "a kind can be block"),
        ({"size": (0.06, 0.06, 0.0)}, "height is 0.0 mm, not 8 to 120"),
        ({"size": (0.06, 0.05, 0.08)}, "it is round"),
        ({"size": (0.6, 0.6, 0.08)}, "depth is 600.0 mm, not 30 to 160"),
        ({"size": (float("nan"), 0.06, 0.08)}, "not finite"),
        ({"kind": "zone", "size": (0.06, 0.06, 0.01)}, "it is flat"),
        ({"colour": (0.0, 1.2, 0.0)}, "three numbers from 0 to 1"),
        ({"tag": 3}, "ids 10 to 586"),
        ({"name": "BAR"}, "Two objects have the name 'bar'"),
        ({"tag": 40}, "Two objects have the tag '40'"),
    ],
)
def test_impossible_object_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    values = {"name": "cup", "kind": "bowl", "size": (0.06, 0.06, 0.08), "colour": GREY} | change
    with pytest.raises(TableError, match=re.escape(reason)) as caught:
        Table((SceneObject(**values), BAR))
    assert "Nothing was changed" in str(caught.value)


@pytest.mark.parametrize("count", [0, MAX_OBJECTS + 1])
def test_table_has_one_to_ten_objects(count: int) -> None:
    with pytest.raises(TableError, match="1 to 10 objects"):
        Table(tuple(SceneObject(f"cube {i}", "block", (0.02,) * 3, GREY) for i in range(count)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "it is empty"),
        ("{", "it is not JSON"),
        ("[]", "a list called objects"),
        ('{"objects": {}}', "a list called objects"),
        ('{"format": 2, "objects": []}', "format 2; this metagui reads format 1"),
        ('{"format": 1, "objects": []}', "1 to 10 objects"),
        ('{"format": 1, "objects": [7]}', "object 1 needs"),
        ('{"format": 1, "objects": [{"name": "a"}]}', "object 1 needs"),
        ('{"format": 1, "objects": [' + ",".join(["{}"] * 1000) + "]}", "at most 10"),
        ('{"format": 1, "objects": [{"name": "a", "kind": "block", "colour": [0, 0, 0], "size": 1e999}]}', "object 1"),
        ('{"format": 1, "objects": [{"name": "a", "kind": "block", "colour": [0, 0, 0], "size": 1' + "0" * 400 + "}]}",
         "object 1"),
        ('{"format": 1, "objects": [{"name": "a", "kind": [], "colour": [0, 0, 0], "size": 1}]}', "object 1"),
        ('{"format": 1, "objects": [{"name": "a", "kind": "block", "colour": [0, 0, 0], "dimensions": [1, 2]}]}',
         "object 1"),
        ('{"format": 1, "objects": [{"name": "a", "kind": "block", "colour": [0, 0, 0], "size": "\\u0000"}]}',
         "object 1"),
        ("[" * 100_000, "damaged"),
    ],
)  # fmt: skip
def test_hostile_table_file_gives_one_sentence(content: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(TableError, match=re.escape(reason)) as caught:
        load_table(path)
    assert len(str(caught.value)) < 500 + len(str(path))
    assert str(caught.value).count("Nothing was changed") == 1


def test_store_keeps_tables_by_name(tmp_path: Path) -> None:
    store = TableStore(tmp_path / "tables")
    assert store.list_names() == ("default",)
    assert store.load("default") is DEFAULT_TABLE
    store.save("kitchen", DEFAULT_TABLE)
    store.save("kitchen", MIXED)
    assert store.list_names() == ("default", "kitchen")
    assert store.load("kitchen") == store.resolve("kitchen") == MIXED
    assert store.resolve(str(tmp_path / "tables" / "kitchen.json")) == MIXED
    assert store.find_name(MIXED) == "kitchen"
    assert store.find_name(DEFAULT_TABLE) == "default"
    store.delete("kitchen")
    assert store.list_names() == ("default",)


@pytest.mark.parametrize("name", ["default", "Default", "../x", "", " x", "x" * 61, "a\0b"])
def test_store_refuses_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="Nothing was changed"):
        TableStore(tmp_path).save(name, MIXED)
    assert not list(tmp_path.iterdir())


def test_store_says_why_a_table_is_not_there(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    with pytest.raises(TableError, match="choose from default"):
        store.load("nowhere")
    for name in ("default", "nowhere"):
        with pytest.raises(TableError, match="cannot be deleted"):
            store.delete(name)


def test_store_reports_a_disk_that_refuses(tmp_path: Path) -> None:
    (tmp_path / "tables").write_text("no folder")
    with pytest.raises(TableError, match="Older tables are as they were"):
        TableStore(tmp_path / "tables").save("kitchen", MIXED)


def test_every_kind_has_room_between_its_limits() -> None:
    for kind, limits in SIZE_LIMITS.items():
        width, height = limits.horizontal[0], limits.height[0]
        Table((SceneObject("smallest", kind, (width, width, height), GREY),))


def test_old_program_reads_what_it_knows_of_new_objects() -> None:
    written = json.loads(json.dumps(object_to_dict(BAR)))
    assert (written["kind"], written["size"], written["tag"]) == ("cube", 0.08, 40)
    assert object_from_dict(written) == BAR
