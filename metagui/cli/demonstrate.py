"""``metagui generate`` and ``metagui record``: demonstrations by a script, as fast as the machine or in real time."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.options import AsJson, LibraryFolder, Seed, library_at
from metagui.cli.output import VerbError, progress, remark, show
from metagui.cli.verbs import app

if TYPE_CHECKING:
    from metagui.arms.control import ControlLoop
    from metagui.arms.simulated import SimulatedArm
    from metagui.demonstrations.programs import ClickProgram

LONGEST = 120.0
"""Seconds after which a recording by a script is ended, whatever it does."""


@app.command()
def generate(
    programs: Annotated[Path, typer.Option(help="Click programs (JSON); resources/programs has some.")],
    out: Annotated[Path, typer.Option(help="Folder of the library to make or to add to.")],
    takes: Annotated[int, typer.Option(min=1, help="Takes of each program, each in a scene of its own.")] = 3,
    seed: Seed = 0,
    prefixes: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of takes that start after unrecorded random motion.")
    ] = 0.0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a library from click programs, as fast as the machine."""
    from metagui.demonstrations.generate import GenerateSettings, generate
    from metagui.demonstrations.programs import load_programs

    chosen = load_programs(programs)
    library = library_at(out)
    started = time.perf_counter()
    made: list[dict[str, Any]] = []
    with progress() as bar:
        job = bar.add_task("generating", total=len(chosen), says="")
        for program, demonstrations in generate(chosen, GenerateSettings(takes, seed, prefixes, workers)):
            names = [library.add(demonstration).name for demonstration in demonstrations]
            shown = sum(demonstration.duration for demonstration in demonstrations)
            made.append({"task": program.name, "takes": names, "seconds": round(shown, 2)})
            bar.update(job, advance=1, says=program.name)
    document = {"library": str(out), "tasks": made, "took": round(time.perf_counter() - started, 2)}
    rows = [(row["task"], len(row["takes"]), f"{row['seconds']:.1f} s") for row in made]
    show(document, ("task", "takes", "shown"), rows, as_json, f"{out}, made in {document['took']:.1f} s")


@app.command()
def record(
    task: Annotated[str, typer.Argument(help="The task that the take becomes part of; made if it is new.")],
    program: Annotated[
        Path, typer.Option(help="Click programs (JSON): the one of the task's name, or the only one, is carried out.")
    ],
    seed: Annotated[int | None, typer.Option(help="Which scene; a new one each time if not given.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record one take in real time, through the control loop, its safety gate and the recorder."""
    from metagui.arms.control import ControlLoop
    from metagui.arms.simulated import SimulatedArm
    from metagui.cli.live import carry_out, new_seed
    from metagui.demonstrations.generate import Demonstrator
    from metagui.demonstrations.programs import load_programs
    from metagui.demonstrations.recorder import Recorder
    from metagui.demonstrations.steps import Style
    from metagui.demonstrations.timing import summarise

    chosen = choose(load_programs(program), task, program)
    shelf = library_at(library)
    scene = new_seed() if seed is None else seed
    arm = SimulatedArm(scene)
    arm.connect()
    loop = ControlLoop(arm, arm)
    set_up(loop, chosen, arm)
    demonstrator, recorder = Demonstrator(chosen, arm, Style()), Recorder(shelf.root)
    remark(f"Recording {task!r} in scene {scene} …")
    recorder.start(task, arm, arm)
    try:
        last = carry_out(loop, demonstrator, LONGEST, (recorder.on_tick,))
    finally:
        arm.disconnect()
    if demonstrator.click_index < 0:
        recorder.abort()
        raise VerbError(f"The first click of {chosen.name!r} cannot be done in scene {scene}: nothing was recorded.")
    achieved = demonstrator.judge.success(last.observation)
    take = replace(recorder.stop(), success=achieved)
    kept = shelf.add(take)
    recorder.forget()
    timing = summarise(take)
    document: dict[str, Any] = {
        "task": task,
        "take": kept.name,
        "scene": scene,
        "success": achieved,
        "samples": len(take),
    }
    document |= {"seconds": round(take.duration, 3), "timing": timing.to_dict()}
    row = (task, kept.name, f"{take.duration:.1f} s", "achieved" if achieved else "not achieved", timing)
    show(document, ("task", "take", "length", "success", "timing"), [row], as_json)


def set_up(loop: "ControlLoop", program: "ClickProgram", arm: "SimulatedArm") -> None:
    """Carry out the unrecorded clicks that a program begins with, as fast as the machine."""
    from metagui.demonstrations.generate import Demonstrator, execute
    from metagui.demonstrations.steps import Style

    if program.setup:
        execute(loop, Demonstrator(replace(program, clicks=program.setup), arm, Style()))


def choose(programs: "tuple[ClickProgram, ...]", task: str, path: Path) -> "ClickProgram":
    """Return the program of a task's name, or the only one there is. Raises VerbError."""
    named = [program for program in programs if program.name == task]
    if named or len(programs) == 1:
        return (named or list(programs))[0]
    names = ", ".join(repr(program.name) for program in programs)
    raise VerbError(f"{path} has no program called {task!r}. Nothing was recorded; it has {names}.")
