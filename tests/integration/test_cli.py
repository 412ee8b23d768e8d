"""Tests of the commands as a user or a script calls them, without fakes: make, adapt, compare and run."""

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
from tests.helpers.clocks import PATIENCE_S

PROGRAMS = (
    TaskProgram("hover", (Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, 0.06)}),), family="reach"),
    TaskProgram("press blue", (Instruction("press", "blue cube"),), family="press"),
    TaskProgram(
        "press twice", (Instruction("press", "green cube"), Instruction("press", "red cube")), family="press+press"
    ),
)
SHORT = ("--takes", 2, "--length", 0.002)
"""Options for a useless prior that is made in two seconds."""

FAR_OFFSET = {"offset": (1.0, 0.0, 0.1)}


def run_command(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run_json(*arguments):
    """Run the command with --json and return its document."""
    result = run_command(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def run_failing(*arguments):
    """Run a command that must fail; return its error message, which has no traceback."""
    result = run_command(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


def start_process(*arguments, **options):
    """Start the command in its own process."""
    command = [sys.executable, "-m", "metagui", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("commands")


@pytest.fixture(scope="module")
def programs(folder):
    save_programs(folder / "programs.json", PROGRAMS)
    return folder / "programs.json"


@pytest.fixture(scope="module")
def library(folder, programs):
    run_json("generate", "--programs", programs, "--takes", 2, "--out", folder / "library", "--workers", 1)
    return folder / "library"


@pytest.fixture(scope="module")
def prior(folder, programs):
    arguments = ("--programs", programs, *SHORT, "--out", folder / "prior.safetensors", "--checkpoint", folder / "run")
    run_json("train", *arguments, "--workers", 1)
    return folder / "prior.safetensors"


COMMANDS = ("generate", "record", "train", "train-encoder", "adapt", "similar", "run", "evaluate", "check")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_help_lists_json(command):
    result = run_command(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_help_lists_every_command():
    listed = run_command("--help").stdout
    assert all(command in listed for command in COMMANDS)
    assert run_command("--version").stdout.startswith("metagui ")


def test_old_names_are_accepted_but_hidden():
    """Names of version 0.1 still work, but help does not list them."""
    commands, record, train = (run_command(*names, "--help").stdout for names in ((), ("record",), ("train",)))
    listed = commands + record + train
    assert not any(old in listed for old in ("virtual-arm", "number-servos", "--put", "--prefixes"))
    assert "--library" not in train
    assert "emulate-arm" in listed
    assert "--object" in listed
    for old in ("virtual-arm", "number-servos"):
        assert run_command(old, "--help").exit_code == 0
    assert "--object 'x'" in run_failing("record", "x", "--by", "clicks", "--put", "x")


def test_generate_makes_library(library):
    opened = Library(library)
    assert opened.list_tasks() == ["hover", "press blue", "press twice"]
    assert [len(opened.list_takes(task)) for task in opened.list_tasks()] == [2, 2, 2]
    assert [len(take.segments) for take in opened.load_takes("press twice")] == [2, 2]


def test_generate_several_processes_gives_same_takes(library, programs, tmp_path):
    arguments = ("generate", "--programs", programs, "--takes", 1, "--out", tmp_path / "again", "--workers", 2)
    process = start_process(*arguments)
    shown, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "press twice" in shown
    first, again = (Library(root).load_take("press twice", "001") for root in (library, tmp_path / "again"))
    assert (first.joint_positions == again.joint_positions).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON"),
        ('{"format": 1, "programs": [{"name": "x", "clicks": [{"verb": "fly", "anchor": "table"}]}]}', "fly"),
        ('{"format": 99, "programs": []}', "99"),
    ],
)
def test_generate_invalid_programs_changes_nothing(tmp_path, content, reason):
    (tmp_path / "broken.json").write_text(content)
    assert reason in run_failing("generate", "--programs", tmp_path / "broken.json", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command_missing_program_file_is_named(tmp_path):
    for arguments in (("generate", "--out", tmp_path), ("train",), ("evaluate",)):
        assert "nowhere.json" in run_failing(*arguments, "--programs", tmp_path / "nowhere.json")


def test_record_runs_in_real_time_without_leftovers(programs, tmp_path):
    arguments = ("record", "press blue", "--program", programs, "--seed", 3, "--library", tmp_path)
    document = run_json(*arguments)
    assert document["take"] == "001"
    assert document["success"]
    opened = Library(tmp_path)
    take = opened.load_take("press blue", "001")
    assert len(take) == document["samples"]
    assert take.success
    assert [segment.instruction.action for segment in take.segments] == ["press"]
    assert document["seconds"] == pytest.approx(take.duration, abs=0.01)
    assert not list((tmp_path / ".scratch").glob("*"))
    assert run_json(*arguments)["take"] == "002"


def test_record_unknown_task_lists_programs(programs, tmp_path):
    message = run_failing("record", "fold a shirt", "--program", programs, "--library", tmp_path)
    assert "press twice" in message
    assert "Nothing was recorded" in message


def test_record_unreachable_leaves_nothing(tmp_path):
    far = TaskProgram("far", (Instruction("reach", "table", None, FAR_OFFSET),))
    save_programs(tmp_path / "far.json", [far])
    assert "cannot be done" in run_failing("record", "far", "--program", tmp_path / "far.json", "--library", tmp_path)
    assert Library(tmp_path).list_tasks() == []


def test_record_of_a_program_that_is_not_done_says_why_and_is_no_success(programs, tmp_path):
    arguments = ("record", "press blue", "--program", programs, "--seed", 3, "--library", tmp_path)
    message = run_command(*arguments, "--seconds", 0.5).stderr
    assert "not carried out to its end" in message
    assert "marked as failed" in message
    assert Library(tmp_path).load_take("press blue", "001").success is False
    half = TaskProgram("half", (Instruction("press", "blue cube"), Instruction("reach", "table", None, FAR_OFFSET)))
    save_programs(tmp_path / "half.json", [half])
    half_arguments = ("record", "half", "--program", tmp_path / "half.json", "--seed", 3, "--library", tmp_path)
    message = run_command(*half_arguments).stderr
    assert "cannot reach" in message
    assert Library(tmp_path).load_take("half", "001").success is False


def test_train_continues_only_with_same_inputs(prior, programs, folder, tmp_path):
    arguments = (
        "train",
        "--programs",
        programs,
        "--checkpoint",
        folder / "run",
        "--out",
        tmp_path / "again.safetensors",
    )
    run_json(*arguments, *SHORT)
    assert (tmp_path / "again.safetensors").read_bytes() == prior.read_bytes()
    assert "--checkpoint" in run_failing(*arguments, *SHORT, "--seed", 1)


def test_train_uses_data_of_other_run(prior, programs, folder, tmp_path):
    arguments = ("train", "--programs", programs, *SHORT, "--seed", 1, "--out", tmp_path / "other.safetensors")
    document = run_json(*arguments, "--checkpoint", tmp_path / "run", "--data", folder / "run" / "data")
    assert document["id"] != priors.load(prior).id
    assert not (tmp_path / "run" / "data").exists()
    assert "Make it again" in run_failing(*arguments, "--checkpoint", tmp_path / "no", "--data", tmp_path / "nowhere")


def test_train_interrupted_saves_prior(prior, programs, folder, tmp_path):
    arguments = ("--programs", programs, "--takes", 2, "--out", tmp_path / "prior.safetensors")
    # The takes are prepared, so the first line is on training.
    (tmp_path / "run").mkdir()
    (folder / "run" / "data").rename(tmp_path / "run" / "data")
    process = start_process("train", *arguments, "--length", 0.01, "--checkpoint", tmp_path / "run")
    try:
        assert process.stderr.readline().startswith("encoder ")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert (tmp_path / "prior.safetensors").is_file()
    finally:
        process.kill()
        (tmp_path / "run" / "data").rename(folder / "run" / "data")


def test_adapt_then_run(library, prior, programs):
    assert "metagui adapt" in run_failing("run", "hover", "--library", library)
    document = run_json("adapt", "hover", "--library", library, "--prior", prior)
    assert document["takes"] == ["001", "002"]
    assert Path(document["file"]).parent == Library(library).get_task_folder("hover")
    assert document["segments"][0]["choice"] in document["rehearsal"]["scores"]
    assert document["segments"][0]["held_out_losses"]
    for how in (("--fast",), ("--fast", "--program", programs)):
        result = run_command("run", "hover", "--seed", 5, "--library", library, *how, "--json")
        outcome = json.loads(result.stdout)
        assert outcome["scene"] == 5
        assert outcome["outcome"] == "done" or outcome["outcome"].startswith("timed out")
        assert result.exit_code == (0 if outcome["done"] else 1)
        assert outcome["achieved"] in (True, False), "judged by the program, else by what the takes show"


def test_fine_tune_saves_prior_only_if_better(tmp_path, monkeypatch):
    few = {"GENERATED_PROGRAMS": 3, "GENERATED_TAKES": 2, "VALIDATION_PROGRAMS": 2}
    for name, value in few.items():
        monkeypatch.setattr(f"metagui.cli.fine_tuning.{name}", value)
    clicks = [Instruction("press", cube) for cube in ("red cube", "green cube", "blue cube")]
    clicks += [
        Instruction("reach", zone, None, {"offset": (0.0, 0.0, 0.05)}) for zone in ("yellow zone", "violet zone")
    ]
    save_programs(tmp_path / "own.json", [TaskProgram(f"{c.action} {c.object_name}", (c,)) for c in clicks])
    folder = tmp_path / "library"
    run_json("generate", "--programs", tmp_path / "own.json", "--takes", 3, "--out", folder, "--workers", 1)
    document = run_json("fine-tune", "--library", folder, "--length", 0.004, "--workers", 1)
    assert (document["tasks"], document["judged_tasks"]) == (5, 5)
    assert document["better"] == (folder / ".metagui" / "prior.safetensors").is_file()
    assert set(document["before"]) == {"own", "own_zero", "shipped", "shipped_zero"}
    assert not (folder / ".metagui" / "training").exists()
    assert Library(folder).list_tasks() == sorted(f"{c.action} {c.object_name}" for c in clicks)
    assert "record more" in run_failing("fine-tune", "--library", tmp_path / "nothing")


def test_adapt_starts_from_nearest_task(library, prior, tmp_path):
    shutil.copytree(library, tmp_path / "own")
    shutil.copytree(tmp_path / "own" / "press blue", tmp_path / "own" / "press it")
    run_json("adapt", "press it", "--library", tmp_path / "own", "--prior", prior)
    document = run_json("adapt", "press blue", "--library", tmp_path / "own", "--prior", prior)
    assert document["nearest"] == "press it"
    assert "nearest: press it" in document["segments"][0]["held_out_losses"]
    unrelated = run_json("adapt", "hover", "--library", tmp_path / "own", "--prior", prior)
    assert unrelated["nearest"] is None, "a press is no start for a reach"


def test_adapt_uses_named_takes_only(library, prior):
    arguments = ("adapt", "press twice", "--library", library, "--prior", prior)
    document = run_json(*arguments, "--take", "002")
    assert document["takes"] == ["002"]
    assert len(document["segments"]) == 2
    assert "001, 002" in run_failing(*arguments, "--take", "007")


def test_adapt_broken_take_is_skipped_or_named(library, prior):
    broken = Library(library).get_task_folder("press blue") / "009.hdf5"
    broken.write_text("this is a letter")
    arguments = ("adapt", "press blue", "--library", library, "--prior", prior)
    assert run_json(*arguments)["takes"] == ["001", "002"]
    assert "009.hdf5" in run_failing(*arguments, "--take", "009")
    assert broken.read_text() == "this is a letter"
    broken.unlink()


@pytest.mark.parametrize("command", ["adapt", "similar", "run"])
def test_command_unknown_task_lists_tasks(library, prior, command):
    arguments = () if command == "run" else ("--prior", prior)
    message = run_failing(command, "pres blue", "--library", library, *arguments)
    assert "hover" in message
    assert "Did you mean 'press blue'?" in message


def test_command_invalid_prior_is_named(library, programs):
    assert "programs.json" in run_failing("adapt", "hover", "--library", library, "--prior", programs)
    assert "programs.json" in run_failing("similar", "hover", "--library", library, "--encoder", programs)


def test_similar_invalid_library_encoder_uses_shipped(library, tmp_path):
    shutil.copytree(library, tmp_path / "own")
    (tmp_path / "own" / ".metagui").mkdir(exist_ok=True)
    (tmp_path / "own" / ".metagui" / "encoder.safetensors").write_bytes(b"of another version")
    result = run_command("similar", "press blue", "--library", tmp_path / "own", "--json")
    assert result.exit_code == 0
    assert "is not an encoder" in result.stderr
    assert "The shipped encoder is used until then" in result.stderr
    assert json.loads(result.stdout)


def test_similar_ranks_all_other_tasks(library, prior):
    document = run_json("similar", "press blue", "--library", library, "--prior", prior, "--behaviour")
    distances = [neighbour["distance"] for neighbour in document["neighbours"]]
    assert {neighbour["task"] for neighbour in document["neighbours"]} == {"hover", "press twice"}
    assert distances == sorted(distances)
    assert all(neighbour["behaviour_distance"] >= 0.0 for neighbour in document["neighbours"])
    for neighbour in document["neighbours"]:
        assert neighbour["verdict"] in ("same", "kind", "different")
        assert sum(neighbour["probabilities"].values()) == pytest.approx(1.0)
        assert neighbour["similarity"] == pytest.approx(1.0 - neighbour["distance"] / 2.0)
    shown = run_command("similar", "press blue", "--library", library).stdout
    assert "press twice" in shown
    assert all(neighbour["words"].split(",")[0] in shown for neighbour in document["neighbours"])


def test_train_encoder_writes_an_encoder_for_similar(library, programs, tmp_path):
    out = tmp_path / "encoder.safetensors"
    arguments = ("--programs", programs, "--takes", 2, "--people", 2, "--length", 0.002, "--workers", 1, "--out", out)
    document = run_json("train-encoder", *arguments)
    assert document["tasks"] >= 3
    assert document["calibration"] is None, "too few tasks for verdicts"
    ranked = run_json("similar", "press blue", "--library", library, "--encoder", out)
    assert {neighbour["words"] for neighbour in ranked["neighbours"]} == {""}
    assert "only ranked" in ranked["calibration"]


def test_evaluate_counts_every_episode(prior, tmp_path):
    save_programs(tmp_path / "one.json", PROGRAMS[:1])
    arguments = ("evaluate", "--programs", tmp_path / "one.json", "--scenes", 1, "--shots", "1,2", "--prior", prior)
    document = run_json(*arguments, "--episodes")
    counted = {(row["shots"], row["candidate"]) for row in document["success"] if row["family"] == "reach"}
    assert {shots for shots, candidate in counted if candidate == "from scratch"} == {1, 2}
    assert (0, "scripted demonstrator") in counted
    assert len(document["episodes"]) == sum(r["episodes"] for r in document["success"] if r["family"] == "all")
    assert "1,x" in run_failing(*arguments, "--shots", "1,x")
    assert "reach" in run_failing(*arguments, "--families", "raech")


def test_evaluate_several_processes_gives_same_rates(prior, tmp_path):
    save_programs(tmp_path / "two.json", PROGRAMS[:2])
    arguments = ("evaluate", "--programs", tmp_path / "two.json", "--scenes", 1, "--shots", "1", "--prior", prior)
    alone, together = (run_json(*arguments, "--workers", n)["success"] for n in (1, 2))
    assert alone == together


def test_check_problem_fails_and_prints_json(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("METAGUI_RECORDINGS", str(tmp_path / "file" / "recordings"))
    result = run_command("check", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert document["ready"] is False
    assert {f["verdict"] for f in document["findings"] if f["part"] == "Recordings"} == {"lacking"}
    assert run_command("check", "--packages").exit_code == 0
