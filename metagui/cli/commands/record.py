"""``metagui generate`` and ``metagui record``: demonstrations by a script, as fast as the machine or in real time."""

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metagui.cli.app import app
from metagui.cli.arm_option import ArmAddress, Places, rig
from metagui.cli.options import AsJson, LibraryFolder, Seed, library_at
from metagui.cli.output import VerbError, progress, remark, show

if TYPE_CHECKING:
    from metagui.arms.control.loop import Controller, ControlLoop
    from metagui.demonstrations.demonstration import Demonstration, Leading
    from metagui.demonstrations.programs.program import ClickProgram
    from metagui.demonstrations.recording.recorder import Recorder

LONGEST = 120.0
"""Seconds after which a recording by a script is ended, whatever it does."""


class Way(StrEnum):
    """How a take is shown."""

    CLICKS = "clicks"
    HAND = "hand"
    LEADER = "leader"


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
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import GenerateSettings, generate

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
        Path | None,
        typer.Option(help="Click programs (JSON): the one of the task's name, or the only one, is carried out."),
    ] = None,
    arm: ArmAddress = None,
    put: Places = None,
    by: Annotated[
        Way, typer.Option(help="How it is shown: by the clicks of a program, by a hand, by a leader arm.")
    ] = Way.CLICKS,
    leader: Annotated[str | None, typer.Option(help="The leader arm, by name or port.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long at most; Control-C ends it, too.")] = LONGEST,
    seed: Annotated[int | None, typer.Option(help="Which scene; a new one each time if not given.")] = None,
    library: LibraryFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record one take in real time, through the control loop, its safety gate and the recorder."""
    from metagui.arms.control.loop import ControlLoop
    from metagui.cli.realtime import new_seed
    from metagui.demonstrations.recording.recorder import Recorder
    from metagui.demonstrations.timing import summarise

    shelf = library_at(library)
    scene = new_seed() if seed is None else seed
    recorder = Recorder(shelf.root)
    with rig(arm, put, scene) as body:
        loop = ControlLoop(body, body)
        show_it = _by_clicks if by is Way.CLICKS else _by_hand if by is Way.HAND else _by_leader
        take = show_it(loop, recorder, Showing(task, program, leader, seconds))
    kept = shelf.add(take)
    recorder.forget()
    timing = summarise(take)
    document: dict[str, Any] = {
        "task": task,
        "take": kept.name,
        "arm": take.arm,
        "led_by": take.led_by,
        "scene": scene if arm is None else None,
        "success": take.success,
        "samples": len(take),
        "parts": len(take.segments),
    }
    document |= {"seconds": round(take.duration, 3), "timing": timing.to_dict()}
    verdict = {True: "achieved", False: "not achieved", None: "not said"}[take.success]
    row = (task, kept.name, f"{take.duration:.1f} s", len(take.segments), verdict, timing)
    show(document, ("task", "take", "length", "parts", "success", "timing"), [row], as_json)


@dataclass(frozen=True)
class Showing:
    """What is to be shown, and how."""

    task: str
    program: Path | None
    leader: str | None
    seconds: float


def _by_clicks(loop: "ControlLoop", recorder: "Recorder", what: Showing) -> "Demonstration":
    """Let a script carry out a program's clicks."""
    from metagui.cli.realtime import carry_out
    from metagui.demonstrations.primitives.primitive import Style
    from metagui.demonstrations.programs.program import load_programs
    from metagui.demonstrations.programs.scripted import Demonstrator

    if what.program is None:
        raise VerbError("Which clicks? Name the file of their --program, or show the task by hand: --by hand.")
    chosen = choose(load_programs(what.program), what.task, what.program)
    set_up(loop, chosen)
    demonstrator = Demonstrator(chosen, loop.scene, Style())
    remark(f"Recording {what.task!r} …")
    recorder.start(what.task, loop.arm, loop.scene)
    last = carry_out(loop, demonstrator, what.seconds, (recorder.on_tick,))
    if demonstrator.click_index < 0:
        recorder.abort()
        raise VerbError(f"The first click of {chosen.name!r} cannot be done in this scene: nothing was recorded.")
    return replace(recorder.stop(), success=demonstrator.judge.success(last.observation))


def _by_hand(loop: "ControlLoop", recorder: "Recorder", what: Showing) -> "Demonstration":
    """Let a person lead the limp arm."""
    from metagui.arms.arm import Guidable

    if not isinstance(loop.arm, Guidable):
        raise VerbError("Only an arm on a cable can be led by hand. Name it with --arm; `metagui arms` lists them.")
    remark("The arm goes limp now: hold it. Show the task; Control-C ends the take, and the arm holds.")
    loop.arm.guide()
    return _led(loop, recorder, what, None, "hand")


def _by_leader(loop: "ControlLoop", recorder: "Recorder", what: Showing) -> "Demonstration":
    """Let the arm follow a limp leader."""
    from metagui.arms.so101.arm_registry import usb_arm
    from metagui.arms.teleoperation.leader import LeaderController

    if what.leader is None:
        raise VerbError("Which arm leads? Name it with --leader; `metagui arms` lists them.")
    leader = usb_arm(what.leader)
    remark("The leader goes limp now: hold it. The other arm comes slowly; Control-C ends the take.")
    leader.connect()
    try:
        leader.guide()
        return _led(loop, recorder, what, LeaderController(leader), "leader")
    finally:
        leader.disconnect(release=True)


def _led(
    loop: "ControlLoop", recorder: "Recorder", what: Showing, controller: "Controller | None", led_by: "Leading"
) -> "Demonstration":
    """Record until Control-C, or until the time is over; cut where no clicks say how."""
    from metagui.cli.realtime import carry_out
    from metagui.cli.signals import interruptible
    from metagui.demonstrations.recording.segmentation import with_cuts

    recorder.start(what.task, loop.arm, loop.scene, led_by)
    try:
        with interruptible():
            carry_out(loop, controller, what.seconds, (recorder.on_tick,))
    except KeyboardInterrupt:
        remark("Stopped; the arm holds.")
    except VerbError as error:
        remark(f"{error} What was recorded up to there is kept.")
    return with_cuts(recorder.stop())


def set_up(loop: "ControlLoop", program: "ClickProgram") -> None:
    """Carry out the unrecorded clicks that a program begins with: on the simulated arm as fast as the machine."""
    from metagui.arms.simulation.simulated_arm import SimulatedArm
    from metagui.cli.realtime import carry_out
    from metagui.demonstrations.primitives.primitive import Style
    from metagui.demonstrations.programs.scripted import Demonstrator, execute

    if not program.setup:
        return
    demonstrator = Demonstrator(replace(program, clicks=program.setup), loop.scene, Style())
    if isinstance(loop.arm, SimulatedArm):
        execute(loop, demonstrator)
    else:
        carry_out(loop, demonstrator, LONGEST)


def choose(programs: "tuple[ClickProgram, ...]", task: str, path: Path) -> "ClickProgram":
    """Return the program of a task's name, or the only one there is. Raises VerbError."""
    named = [program for program in programs if program.name == task]
    if named or len(programs) == 1:
        return (named or list(programs))[0]
    names = ", ".join(repr(program.name) for program in programs)
    raise VerbError(f"{path} has no program called {task!r}. Nothing was recorded; it has {names}.")
