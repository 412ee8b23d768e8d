"""Export to one file for robomimic, and import of the same takes."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from metagui.cli import app
from metagui.demonstrations.formats.exchange import ExchangeError
from metagui.demonstrations.storage.errors import CorruptFileError
from metagui.demonstrations.storage.library import Library
from tests.helpers.exchange import export, import_into, read_demonstrations
from tests.helpers.takes import generate_example_takes

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

TASKS = ("above red", "press red")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library")
    for task in TASKS:
        for take in generate_example_takes()[task]:
            made.add_take(take)
    return made


def takes_of(library: Library) -> list:
    return [info for task in TASKS for info in library.list_takes(task)]


def metagui(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_export_suits_robomimic_loader(library: Library, tmp_path: Path) -> None:
    """Reads the file as SequenceDataset does: filter key, demonstrations in order, keys of equal length."""
    out = tmp_path / "all.hdf5"
    total = export(takes_of(library), out).samples
    with h5py.File(out) as file:
        names = sorted(file["data"], key=lambda name: int(name[5:]))
        assert names == [f"demo_{i}" for i in range(6)]
        for key, wanted in (("train", "0134"), ("valid", "25"), ("above red", "012"), ("press red", "345")):
            assert [name.decode("utf-8") for name in file[f"mask/{key}"][()]] == [f"demo_{i}" for i in wanted]
        assert set(json.loads(file["data"].attrs["env_args"])) == {"env_name", "type", "env_kwargs"}
        assert file["data"].attrs["total"] == total == sum(file["data"][name].attrs["num_samples"] for name in names)
        for name in names:
            demo = file["data"][name]
            length = demo.attrs["num_samples"]
            for key in ("actions", "rewards", "dones", *(f"{o}/{k}" for o in ("obs", "next_obs") for k in demo["obs"])):
                assert len(demo[key]) == length, key
            assert np.abs(demo["actions"][()]).max() <= 1.0


def test_export_import_round_trip(library: Library, tmp_path: Path) -> None:
    library.set_success("above red", "002", True)
    library.set_notes("above red", "002", "läuft")
    export(takes_of(library), tmp_path / "all.hdf5")
    imported = list(read_demonstrations(tmp_path / "all.hdf5"))
    exported = [library.load_take(info.task, info.name) for info in takes_of(library)]
    assert [take.notes for take in imported] == ["", "läuft", "", "", "", ""]
    for there, back in zip(exported, imported, strict=True):
        for field in fields(there):
            if field.name not in ("name", "timing"):
                np.testing.assert_equal(getattr(back, field.name), getattr(there, field.name), err_msg=field.name)
        np.testing.assert_equal(vars(back.timing), vars(there.timing))


def test_export_leaves_out_trimmed_samples(library: Library, tmp_path: Path) -> None:
    whole = library.load_take("above red", "001")
    start, stop = 10, len(whole) - 5
    library.set_trim("above red", "001", (start, stop))
    export(library.list_takes("above red")[:1], tmp_path / "one.hdf5")
    (take,) = read_demonstrations(tmp_path / "one.hdf5")
    assert take.trim is None
    assert len(take) == stop - start
    np.testing.assert_array_equal(take.command_sent, whole.command_sent[start:stop])
    assert take.segments[0].start == 0
    assert take.segments[-1].stop == stop - start
    assert take.segments[0].instruction == whole.segments[0].instruction
    with h5py.File(tmp_path / "one.hdf5") as file:
        assert file["data/demo_0/dones"][()].nonzero()[0].tolist() == [stop - start - 1]
        assert "order" in file["data/demo_0/obs/ee_quaternion"].attrs


def test_export_and_import_errors_give_reason(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "all.hdf5"
    with pytest.raises(ExchangeError, match="no intact takes were chosen"):
        export([], out)
    other = replace(generate_example_takes()["above red"][0], joint_names=("a", "b", "c", "d", "e", "f"), task="other")
    library.add_take(other)
    report = export([*takes_of(library), *library.list_takes("other")], out)
    assert [path.name for path in report.files] == ["all.hdf5", "all-2.hdf5"]
    assert report.takes.total() == 7
    assert "they were split: all.hdf5: 6 joints" in report.notes[0]
    out.unlink()
    out.write_text("mine")
    with pytest.raises(ExchangeError, match="exists already"):
        export(takes_of(library), out)
    assert out.read_text() == "mine"
    with pytest.raises(CorruptFileError, match="Nothing was imported"):
        list(read_demonstrations(out))
    with h5py.File(tmp_path / "foreign.hdf5", "w") as file:
        file.create_group("data/demo_0").attrs["num_samples"] = 0
    with pytest.raises(ExchangeError, match=r"foreign.hdf5, demo_0: it carries no joint angles"):
        import_into(library, tmp_path / "foreign.hdf5")


def test_export_and_import_commands(library: Library, tmp_path: Path) -> None:
    library.set_success("above red", "001", False)
    out, other = tmp_path / "some.hdf5", tmp_path / "other"
    result = metagui("export", out, "--task", "above red", "--library", library.root, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["tasks"] == {"above red": 2}
    assert "Left out: 1" in result.stderr
    assert metagui("import", out, "--library", other).exit_code == 0
    result = metagui(
        "import", library.list_takes("press red")[0].path, "--task", "pressed", "--library", other, "--json"
    )
    assert json.loads(result.stdout)["takes"][0]["task"] == "pressed"
    assert [(task, len(Library(other).list_takes(task))) for task in Library(other).list_tasks()] == [
        ("above red", 2),
        ("pressed", 1),
    ]
    assert metagui("export", out, "--library", library.root).exit_code == 1
    assert metagui("import", tmp_path / "absent.hdf5", "--library", other).exit_code == 1
