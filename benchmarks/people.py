"""Success after takes led by human-like hands, beside the script's: ``python -m benchmarks.people``.

Ten tasks of one to four steps, each shown by people with habits of their own in random scenes, adapted from one take
and from three, and done in scenes never seen; judged by where things end, not by how. ``--people held-out`` are those
whom nothing was tuned on. ``--candidates`` also runs what was not chosen.
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.scene import CUBE_SIZE_M
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.cli.output import run_to_end
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.human_demonstrator import HELD_OUT, PEOPLE, Person, led
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.recording.segmentation import ensure_segmented
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.rollout import PolicyController, run_rollout
from metagui.learning.prior import load_shipped
from metagui.learning.torch_utils.torch_threads import use_single_thread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, Observation, SceneState
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.adapted_task import TaskPolicy

SCRIPT = "script"
NEAR, HIGH = 0.02, 0.035
"""How near a goal counts as there, and how high as lifted, m."""
TRIES = 40


def _above(anchor: str, height: float = 0.06) -> Instruction:
    return Instruction("reach", anchor, None, {"offset": (0.0, 0.0, height)})


RED, GREEN, BLUE, YELLOW, VIOLET = "red cube", "green cube", "blue cube", "yellow zone", "violet zone"
TASKS = (
    TaskProgram("above red", (_above(RED),)),
    TaskProgram("lift blue", (Instruction("grasp", BLUE),)),
    TaskProgram("press red", (Instruction("press", RED),)),
    TaskProgram("press green, press blue", (Instruction("press", GREEN), Instruction("press", BLUE))),
    TaskProgram("put red on violet", (Instruction("grasp", RED), Instruction("place", VIOLET))),
    TaskProgram("stack green on blue", (Instruction("grasp", GREEN), Instruction("place", BLUE))),
    TaskProgram(
        "put blue on yellow, press red",
        (Instruction("grasp", BLUE), Instruction("place", YELLOW), Instruction("press", RED)),
    ),
    TaskProgram(
        "stack red on green, lift blue",
        (Instruction("grasp", RED), Instruction("place", GREEN), Instruction("grasp", BLUE)),
    ),
    TaskProgram(
        "sort red and blue",
        (
            Instruction("grasp", RED),
            Instruction("place", YELLOW),
            Instruction("grasp", BLUE),
            Instruction("place", VIOLET),
        ),
    ),
    TaskProgram(
        "tower on blue",
        (
            Instruction("grasp", GREEN),
            Instruction("place", BLUE),
            Instruction("grasp", RED),
            Instruction("place", GREEN),
        ),
    ),
)


@dataclass(frozen=True)
class Row:
    """One adapted task, run in a few scenes."""

    person: str
    task: str
    shots: int
    candidate: str
    successes: int
    runs: int
    cut_right: int
    """Takes with as many segments as the task has steps."""
    chosen: tuple[str, ...]
    problem: str = ""


def ends_as_asked(program: TaskProgram, before: SceneState, now: Observation, touched: BoolArray) -> bool:
    """Whether things ended where the clicks want them; ``touched`` (A,) is what was ever touched."""
    names = [anchor.name for anchor in SimulatedArm.objects]
    where, held = now.scene.positions, -1
    for index, click in enumerate(program.instructions):
        anchor, last = names.index(click.object_name), index == len(program.instructions) - 1
        offset = np.asarray(click.parameters.get("offset", (0.0, 0.0, 0.0)))
        if click.action == "grasp":
            held = anchor
            ok = not last or (bool(now.scene.held[anchor]) and where[anchor, 2] > HIGH)
        elif click.action == "place":
            on_cube = names[anchor].endswith("cube")
            goal = where[anchor] + offset
            goal[2] = where[anchor, 2] + CUBE_SIZE_M if on_cube else CUBE_SIZE_M / 2
            ok = not now.scene.held[held] and bool(np.linalg.norm(where[held] - goal) < NEAR)
        elif click.action == "press":
            ok = bool(touched[anchor]) and bool(np.linalg.norm(where[anchor] - before.positions[anchor]) < NEAR)
        else:
            ok = not last or bool(np.linalg.norm(now.tool_position - where[anchor] - offset) < NEAR)
        if not ok:
            return False
    return True


def run_once(program: TaskProgram, adapted: TaskPolicy, seed: int) -> tuple[bool, str]:
    """Run adapted policies in the scene of a seed; return success by where things ended, and the outcome."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop, before = ControlLoop(arm, arm), arm.observe_scene()
    touched = np.zeros(len(arm.objects), dtype=bool)

    def watch(tick: Tick) -> None:
        np.logical_or(touched, tick.observation.scene.touched, out=touched)

    loop.add_sink(watch)
    outcome = run_rollout(loop, PolicyController(adapted, arm.objects))
    return outcome == "done" and ends_as_asked(program, before, arm.observe_all(), touched), outcome


def hand_led(program: TaskProgram, person: Person, count: int, seed: int = 0) -> list[Demonstration]:
    """Return takes in which the person achieved the task, cut as when they are recorded."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{program.name} {person.name}".encode())])
    takes: list[Demonstration] = []
    for _ in range(TRIES):
        if len(takes) == count:
            break
        take = led(program.name, program.instructions, person, int(rng.integers(2**31)), f"{len(takes) + 1:03}")
        if take is not None and achieved(program, take):
            takes.append(ensure_segmented(replace(take, success=True)))
    return takes


def achieved(program: TaskProgram, take: Demonstration) -> bool:
    """Whether a take shows what the program asks."""
    arm = SimulatedArm(0)
    arm.connect()
    assert take.states is not None
    arm.set_state(take.states[0])
    before = arm.observe_scene()
    arm.set_state(take.states[-1])
    now = arm.observe_all()
    scene = replace(now.scene, held=take.held[-1])
    return ends_as_asked(program, before, replace(now, scene=scene), np.asarray(take.touched).any(axis=0))


def adapted_to(takes: Sequence[Demonstration], seed: int, rivals: bool) -> TaskPolicy:
    """Adapt as the window does."""
    settings = CandidateSettings(seed=seed, baselines=rivals, keep_all_candidates=True)
    return run_to_end(adapt_task(load_shipped(), takes, settings), lambda _step: None)


def measure(job: tuple[TaskProgram, Person | None, argparse.Namespace]) -> list[Row]:
    """Show one task, adapt, run; one row for every number of takes and candidate."""
    use_single_thread()
    program, person, options = job
    name, most = person.name if person else SCRIPT, max(options.shots)
    if person is None:
        takes = generate_takes(program, GenerationSettings(most, options.seed))
    else:
        takes = hand_led(program, person, most, options.seed)
    right = sum(len(take.segments) == len(program.instructions) for take in takes)
    scenes = np.random.default_rng([options.seed, 5, zlib.crc32(program.name.encode())]).integers(2**31, size=99)
    rows = []
    for shots in options.shots:
        try:
            adapted = adapted_to(takes[:shots], options.seed, options.rivals)
        except Exception as error:  # noqa: BLE001 - a refusal is a result
            rows.append(Row(name, program.name, shots, "chosen", 0, options.scenes, right, (), str(error)))
            continue
        for candidate in ("chosen", *options.candidates):
            policy = adapted
            if candidate != "chosen":
                if not all(candidate in click.candidate_params for click in adapted.skills):
                    continue
                policy = adapted.with_candidate(candidate)
            won = [run_once(program, policy, int(scene))[0] for scene in scenes[: options.scenes]]
            choice = tuple(click.choice for click in policy.skills)
            rows.append(Row(name, program.name, shots, candidate, sum(won), len(won), right, choice))
    return rows


def main() -> None:
    """Measure and print one line a row, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", choices=("tuned-on", "held-out", "script", "all"), default="all")
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--candidates", nargs="*", default=[])
    parser.add_argument("--tasks", type=int, nargs="*", default=list(range(len(TASKS))))
    parser.add_argument("--rivals", action="store_true", help="also let those race that cannot win")
    options = parser.parse_args()
    groups: dict[str, tuple[Person | None, ...]] = {"tuned-on": PEOPLE, "held-out": HELD_OUT, "script": (None,)}
    who = [each for name, group in groups.items() if options.people in (name, "all") for each in group]
    jobs = [(TASKS[i], person, options) for person, i in itertools.product(who, options.tasks)]
    rows: list[Row] = []
    with ProcessPoolExecutor(options.workers) as pool:
        for found in pool.map(measure, jobs):
            rows += found
            for row in found:
                print(json.dumps(vars(row)), flush=True)
    wins, runs = Counter[tuple[str, int, str]](), Counter[tuple[str, int, str]]()
    for row in rows:
        wins[row.person, row.shots, row.candidate] += row.successes
        runs[row.person, row.shots, row.candidate] += row.runs
    for key, count in runs.items():
        print(f"{key[0]:10} {key[1]} takes {key[2]:16} {wins[key]:4} of {count}")


if __name__ == "__main__":
    main()
