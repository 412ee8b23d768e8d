"""The verbs, as a person or a script uses them: a library is made, taught, compared and run, with nothing pretended."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metagui.cli import app
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram, save_programs
from metagui.demonstrations.storage.library import Library
from metagui.learning import prior as priors

PROGRAMS = (
    TaskProgram("hover", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),), family="reach"),
    TaskProgram("press blue", (Instruction("press", "blue cube"),), family="press"),
    TaskProgram(
        "press twice", (Instruction("press", "green cube"), Instruction("press", "red cube")), family="press+press"
    ),
)
SHORT = ("--takes", 2, "--length", 0.002)
"""A prior that is made in two seconds, and knows nothing."""


def metagui(*words):
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def answer(*words):
    """Run the command with --json and return its document."""
    result = metagui(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def complaint(*words):
    """Run a command that must fail, and return what it says: words, and no traceback."""
    result = metagui(*words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def in_own_process(*words, **options):
    """Start the command as a program of its own."""
    command = [sys.executable, "-m", "metagui", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("verbs")


@pytest.fixture(scope="module")
def programs(folder):
    save_programs(folder / "programs.json", PROGRAMS)
    return folder / "programs.json"


@pytest.fixture(scope="module")
def library(folder, programs):
    answer("generate", "--programs", programs, "--takes", 2, "--out", folder / "library", "--workers", 1)
    return folder / "library"


@pytest.fixture(scope="module")
def prior(folder, programs):
    words = ("--programs", programs, *SHORT, "--out", folder / "prior.safetensors", "--checkpoint", folder / "run")
    answer("train", *words, "--workers", 1)
    return folder / "prior.safetensors"


VERBS = ("generate", "record", "train", "adapt", "similar", "run", "evaluate", "check")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb):
    result = metagui(verb, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_the_command_lists_every_verb_with_its_purpose():
    listed = metagui("--help").stdout
    assert all(verb in listed for verb in VERBS)
    assert metagui("--version").stdout.startswith("metagui ")


def test_generate_makes_a_library_that_opens(library):
    shelf = Library(library)
    assert shelf.list_tasks() == ["hover", "press blue", "press twice"]
    assert [len(shelf.list_takes(task)) for task in shelf.list_tasks()] == [2, 2, 2]
    assert [len(take.segments) for take in shelf.load_takes("press twice")] == [2, 2]


def test_generate_in_several_processes_gives_the_same_takes(library, programs, tmp_path):
    words = ("generate", "--programs", programs, "--takes", 1, "--out", tmp_path / "again", "--workers", 2)
    process = in_own_process(*words)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "press twice" in shown
    first, again = (Library(root).load_take("press twice", "001") for root in (library, tmp_path / "again"))
    assert (first.joint_positions == again.joint_positions).all()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ('{"format": 1, "programs": [{"name": "x", "clicks": [{"verb": "fly", "anchor": "table"}]}]}', "fly"),
        ('{"format": 99, "programs": []}', "99"),
    ],
)
def test_a_broken_program_file_changes_nothing(tmp_path, content, says):
    (tmp_path / "broken.json").write_text(content)
    assert says in complaint("generate", "--programs", tmp_path / "broken.json", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_program_file_is_named(tmp_path):
    for words in (("generate", "--out", tmp_path), ("train",), ("evaluate",)):
        assert "nowhere.json" in complaint(*words, "--programs", tmp_path / "nowhere.json")


def test_record_keeps_real_time_and_leaves_no_scratch_behind(programs, tmp_path):
    words = ("record", "press blue", "--program", programs, "--seed", 3, "--library", tmp_path)
    document = answer(*words)
    assert document["take"] == "001"
    assert document["success"]
    shelf = Library(tmp_path)
    take = shelf.load_take("press blue", "001")
    assert len(take) == document["samples"]
    assert take.success
    assert [segment.instruction.action for segment in take.segments] == ["press"]
    assert document["seconds"] == pytest.approx(take.duration, abs=0.01)
    assert not list((tmp_path / ".scratch").glob("*"))
    assert answer(*words)["take"] == "002"


def test_record_without_the_task_s_program_says_which_there_are(programs, tmp_path):
    said = complaint("record", "fold a shirt", "--program", programs, "--library", tmp_path)
    assert "press twice" in said
    assert "Nothing was recorded" in said


def test_record_of_the_unreachable_leaves_nothing(tmp_path):
    far = TaskProgram("far", (Instruction("reach", "table", None, {"offset": (1.0, 0.0, 0.1)}),))
    save_programs(tmp_path / "far.json", [far])
    assert "cannot be done" in complaint("record", "far", "--program", tmp_path / "far.json", "--library", tmp_path)
    assert Library(tmp_path).list_tasks() == []


def test_training_continues_where_it_was_and_refuses_other_lessons(prior, programs, folder, tmp_path):
    words = ("train", "--programs", programs, "--checkpoint", folder / "run", "--out", tmp_path / "again.safetensors")
    answer(*words, *SHORT)
    assert (tmp_path / "again.safetensors").read_bytes() == prior.read_bytes()
    assert "--checkpoint" in complaint(*words, *SHORT, "--seed", 1)


def test_training_learns_from_takes_that_another_run_prepared(prior, programs, folder, tmp_path):
    words = ("train", "--programs", programs, *SHORT, "--seed", 1, "--out", tmp_path / "other.safetensors")
    document = answer(*words, "--checkpoint", tmp_path / "run", "--data", folder / "run" / "data")
    assert document["id"] != priors.load(prior).id
    assert not (tmp_path / "run" / "data").exists()
    assert "Make it again" in complaint(*words, "--checkpoint", tmp_path / "no", "--data", tmp_path / "nowhere")


def test_training_stopped_by_ctrl_c_keeps_what_there_is(prior, programs, folder, tmp_path):
    words = ("--programs", programs, "--takes", 2, "--out", tmp_path / "prior.safetensors")
    # The takes are ready; so the first thing it says is about learning.
    (tmp_path / "run").mkdir()
    (folder / "run" / "data").rename(tmp_path / "run" / "data")
    process = in_own_process("train", *words, "--length", 0.01, "--checkpoint", tmp_path / "run")
    try:
        assert process.stderr.readline().startswith("encoder ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 0
        assert (tmp_path / "prior.safetensors").is_file()
    finally:
        process.kill()
        (tmp_path / "run" / "data").rename(folder / "run" / "data")


def test_adapt_then_run(library, prior, programs):
    assert "metagui adapt" in complaint("run", "hover", "--library", library)
    document = answer("adapt", "hover", "--library", library, "--prior", prior)
    assert document["takes"] == ["001", "002"]
    assert Path(document["file"]).parent == Library(library).get_task_folder("hover")
    assert document["clicks"][0]["choice"] in document["clicks"][0]["held_out_losses"]
    for how in (("--fast",), ("--fast", "--program", programs)):
        result = metagui("run", "hover", "--seed", 5, "--library", library, *how, "--json")
        outcome = json.loads(result.stdout)
        assert outcome["scene"] == 5
        assert outcome["outcome"] == "done" or outcome["outcome"].startswith("timed out")
        assert result.exit_code == (0 if outcome["done"] else 1)
        assert (outcome["achieved"] is None) == (how == ("--fast",))


def test_a_library_is_trained_on_and_keeps_its_prior_only_if_better(tmp_path, monkeypatch):
    few = {"GENERATED_PROGRAMS": 3, "GENERATED_TAKES": 2, "VALIDATION_PROGRAMS": 2}
    for name, value in few.items():
        monkeypatch.setattr(f"metagui.cli.commands.fine_tune.{name}", value)
    clicks = [Instruction("press", cube) for cube in ("red cube", "green cube", "blue cube")]
    clicks += [
        Instruction("reach", zone, None, {"offset": (0.0, 0.0, 0.05)}) for zone in ("yellow zone", "violet zone")
    ]
    save_programs(tmp_path / "own.json", [TaskProgram(f"{c.action} {c.object_name}", (c,)) for c in clicks])
    folder = tmp_path / "library"
    answer("generate", "--programs", tmp_path / "own.json", "--takes", 3, "--out", folder, "--workers", 1)
    document = answer("train", "--library", folder, "--length", 0.004, "--workers", 1)
    assert (document["tasks"], document["judged_tasks"]) == (5, 5)
    assert document["better"] == (folder / ".metagui" / "prior.safetensors").is_file()
    assert set(document["before"]) == {"own", "own_zero", "shipped", "shipped_zero"}
    assert not (folder / ".metagui" / "training").exists()
    assert Library(folder).list_tasks() == sorted(f"{c.action} {c.object_name}" for c in clicks)
    assert "Record more" in complaint("train", "--library", tmp_path / "nothing")


def test_the_nearest_task_that_was_learnt_is_a_start_too(library, prior):
    answer("adapt", "hover", "--library", library, "--prior", prior)
    document = answer("adapt", "press blue", "--library", library, "--prior", prior)
    assert document["nearest"] in ("hover", "press twice")
    assert f"nearest: {document['nearest']}" in document["clicks"][0]["held_out_losses"]


def test_adapt_to_chosen_takes_only(library, prior):
    words = ("adapt", "press twice", "--library", library, "--prior", prior)
    document = answer(*words, "--take", "002")
    assert document["takes"] == ["002"]
    assert len(document["clicks"]) == 2
    assert "001, 002" in complaint(*words, "--take", "007")


def test_what_is_no_take_is_left_out_and_named_when_asked_for(library, prior):
    odd = Library(library).get_task_folder("press blue") / "009.hdf5"
    odd.write_text("this is a letter")
    words = ("adapt", "press blue", "--library", library, "--prior", prior)
    assert answer(*words)["takes"] == ["001", "002"]
    assert "009.hdf5" in complaint(*words, "--take", "009")
    assert odd.read_text() == "this is a letter"
    odd.unlink()


@pytest.mark.parametrize("verb", ["adapt", "similar", "run"])
def test_an_unknown_task_is_answered_with_those_there_are(library, prior, verb):
    words = () if verb == "run" else ("--prior", prior)
    said = complaint(verb, "pres blue", "--library", library, *words)
    assert "hover" in said
    assert "Did you mean 'press blue'?" in said


def test_what_is_no_prior_is_named(library, programs):
    for words in (("adapt", "hover", "--library", library), ("similar", "hover", "--library", library)):
        assert "programs.json" in complaint(*words, "--prior", programs)


def test_a_library_s_own_prior_that_cannot_be_used_is_named(library, tmp_path):
    shutil.copytree(library, tmp_path / "own")
    (tmp_path / "own" / ".metagui").mkdir()
    (tmp_path / "own" / ".metagui" / "prior.safetensors").write_bytes(b"of another version")
    result = metagui("similar", "press blue", "--library", tmp_path / "own", "--json")
    assert result.exit_code == 0
    assert "is not a prior" in result.stderr
    assert "The shipped files are used instead" in result.stderr
    assert json.loads(result.stdout)


def test_similar_ranks_all_other_tasks(library, prior):
    document = answer("similar", "press blue", "--library", library, "--prior", prior, "--acts")
    distances = [neighbour["distance"] for neighbour in document["neighbours"]]
    assert {neighbour["task"] for neighbour in document["neighbours"]} == {"hover", "press twice"}
    assert distances == sorted(distances)
    assert all(neighbour["acts"] >= 0.0 for neighbour in document["neighbours"])
    shown = metagui("similar", "press blue", "--library", library, "--prior", prior).stdout
    assert "press twice" in shown


def test_evaluate_counts_every_episode(prior, tmp_path):
    save_programs(tmp_path / "one.json", PROGRAMS[:1])
    words = ("evaluate", "--programs", tmp_path / "one.json", "--scenes", 1, "--shots", "1,2", "--prior", prior)
    document = answer(*words, "--episodes")
    counted = {(row["shots"], row["candidate"]) for row in document["success"] if row["family"] == "reach"}
    assert {shots for shots, candidate in counted if candidate == "from scratch"} == {1, 2}
    assert (0, "scripted demonstrator") in counted
    assert len(document["episodes"]) == sum(r["episodes"] for r in document["success"] if r["family"] == "all")
    assert "1,x" in complaint(*words, "--shots", "1,x")
    assert "reach" in complaint(*words, "--families", "raech")


def test_evaluate_gives_the_same_figures_with_several_processes(prior, tmp_path):
    save_programs(tmp_path / "two.json", PROGRAMS[:2])
    words = ("evaluate", "--programs", tmp_path / "two.json", "--scenes", 1, "--shots", "1", "--prior", prior)
    alone, together = (answer(*words, "--workers", n)["success"] for n in (1, 2))
    assert alone == together


def test_check_speaks_json_and_fails_when_something_is_lacking(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("METAGUI_RECORDINGS", str(tmp_path / "file" / "recordings"))
    result = metagui("check", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["ready"] is False
    assert {f["verdict"] for f in document["findings"] if f["part"] == "Recordings"} == {"lacking"}
    assert metagui("check", "--packages").exit_code == 0
