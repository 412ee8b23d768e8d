"""Compare hand-guided with scripted takes: ``python -m benchmarks.people`` prints the success rates.

Ten tasks of one to four instructions are demonstrated by simulated people in random scenes. The prior is adapted to one
and to three takes, a rehearsal chooses among the candidates as in the window, and the policy runs in unseen scenes;
success depends on where the objects end, not on the path. ``--without-rehearsal``: losses choose. ``--people held-out``
are those on whom nothing was tuned; ``--people final`` have habits of their own, for one report on a finished prior.
``--with-leader``: the arm follows a leader that they move. ``--repeated``: tasks in which places are visited twice
(wipe, stir, taps, figure eight, spiral). ``--candidates`` also runs candidates that were not chosen, and "object
replay".
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.repeated_places import REPEATED_TASKS, is_repeated_task, visits_all_places
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.simulated_arm import SimulatedArm
from metagui.arms.tables.table import CUBE_SIZE_M
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.people.habits import (
    FINAL_STYLES,
    HELD_OUT_STYLES,
    TUNING_STYLES,
    HumanStyle,
)
from metagui.demonstrations.people.human_demonstrator import demonstrate_by_hand
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.recording.segmentation import ensure_segmented
from metagui.generators import run_to_end
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.replay_rollout import make_replay_policy, make_rollout_controller
from metagui.learning.adaptation.rollout import run_rollout
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.prior import load, load_shipped
from metagui.learning.rehearsal.rehearsed_adaptation import rehearse_adapted
from metagui.learning.torch_utils.torch_threads import use_single_thread
from tests.helpers.leader_bench import demonstrate_with_leader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.arms.arm import BoolArray, FloatArray, Observation, SceneState
    from metagui.arms.control.tick import Tick
    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy

SCRIPT = "script"
"""Name of the scripted demonstrator."""
MAX_GOAL_DISTANCE_M, MIN_HEIGHT_M = 0.02, 0.035
"""Maximum distance from a goal, and minimum height of a lifted cube, m."""
MAX_ATTEMPTS = 40
"""Maximum number of scenes tried for the takes of a task."""


def _make_reach_above(name: str, height: float = 0.06) -> Instruction:
    return Instruction("reach", name, None, {"offset": (0.0, 0.0, height)})


RED, GREEN, BLUE, YELLOW, VIOLET = "red cube", "green cube", "blue cube", "yellow zone", "violet zone"
TASKS = (
    TaskProgram("above red", (_make_reach_above(RED),)),
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
    """Results of one adapted task in several scenes."""

    person: str
    task: str
    shots: int
    candidate: str
    successes: int
    runs: int
    segmented_right: int
    """Number of takes with as many segments as the task has instructions."""
    chosen: tuple[str, ...]
    problem: str = ""


def is_goal_state(program: TaskProgram, before: SceneState, now: Observation, touched: BoolArray) -> bool:
    """Whether all objects are where the program puts them; ``touched`` (A,) marks the objects touched."""
    names = [each.name for each in SimulatedArm.objects]
    positions, held = now.scene.positions, -1
    for index, instruction in enumerate(program.instructions):
        own, is_last = names.index(instruction.object_name), index == len(program.instructions) - 1
        offset = np.asarray(instruction.parameters.get("offset", (0.0, 0.0, 0.0)))
        if instruction.action == "grasp":
            held = own
            achieved = not is_last or (bool(now.scene.held[own]) and positions[own, 2] > MIN_HEIGHT_M)
        elif instruction.action == "place":
            on_cube = names[own].endswith("cube")
            goal = positions[own] + offset
            goal[2] = positions[own, 2] + CUBE_SIZE_M if on_cube else CUBE_SIZE_M / 2
            achieved = not now.scene.held[held] and _is_near(positions[held], goal)
        elif instruction.action == "press":
            achieved = bool(touched[own]) and _is_near(positions[own], before.positions[own])
        else:
            achieved = not is_last or _is_near(now.tool_position, positions[own] + offset)
        if not achieved:
            return False
    return True


def _is_near(position: FloatArray, goal: FloatArray) -> bool:
    return bool(np.linalg.norm(position - goal) < MAX_GOAL_DISTANCE_M)


def run_policy(program: TaskProgram, adapted: TaskPolicy, seed: int) -> tuple[bool, str]:
    """Run a policy in the scene of ``seed``; return whether it achieved the program, and the outcome."""
    arm = SimulatedArm(seed)
    arm.connect()
    loop, before = ControlLoop(arm, arm), arm.observe_scene()
    path: list[FloatArray] = []
    touches: list[BoolArray] = []

    def watch(tick: Tick) -> None:
        path.append(tick.observation.tool_position)
        touches.append(tick.observation.scene.touched)

    loop.add_sink(watch)
    outcome = run_rollout(loop, make_rollout_controller(adapted, arm.objects))
    achieved = outcome == "done" and is_program_achieved(
        program, before, arm.observe_all(), np.array(path), np.array(touches)
    )
    return achieved, outcome


def is_program_achieved(
    program: TaskProgram, before: SceneState, now: Observation, path: FloatArray, touches: BoolArray
) -> bool:
    """Whether the objects end right, or a path (T, 3) visits all places twice; ``touches`` is (T, A)."""
    if not is_repeated_task(program):
        return is_goal_state(program, before, now, np.asarray(touches.any(axis=0)))
    index = [each.name for each in SimulatedArm.objects].index(program.instructions[0].object_name)
    return visits_all_places(program, before.positions[index], path, touches[:, index])


def record_hand_guided(
    program: TaskProgram, style: HumanStyle, count: int, seed: int = 0, with_leader: bool = False
) -> list[Demonstration]:
    """Return takes in which a person achieved the task, segmented as after recording."""
    demonstrate = demonstrate_with_leader if with_leader else demonstrate_by_hand
    rng = np.random.default_rng([seed, zlib.crc32(f"{program.name} {style.name}".encode())])
    takes: list[Demonstration] = []
    for _ in range(MAX_ATTEMPTS):
        if len(takes) == count:
            break
        scene, name = int(rng.integers(2**31)), f"{len(takes) + 1:03}"
        take = demonstrate(program.name, program.instructions, style, scene, name)
        if take is not None and is_achieved(program, take):
            takes.append(ensure_segmented(replace(take, success=True)))
    return takes


def is_achieved(program: TaskProgram, take: Demonstration) -> bool:
    """Whether the program is achieved at the end of a take."""
    arm = SimulatedArm(0)
    arm.connect()
    assert take.states is not None
    arm.set_state(take.states[0])
    before = arm.observe_scene()
    arm.set_state(take.states[-1])
    now = arm.observe_all()
    now = replace(now, scene=replace(now.scene, held=take.held[-1]))
    return is_program_achieved(program, before, now, take.tool_positions, take.touched)


def adapt(takes: Sequence[Demonstration], seed: int, baselines: bool, prior: Path | None = None) -> TaskPolicy:
    """Adapt the shipped prior, or the one in a file; losses choose among the candidates."""
    settings = CandidateSettings(seed=seed, baselines=baselines, keep_all_candidates=True)
    return run_to_end(adapt_task(load(prior) if prior else load_shipped(), takes, settings), lambda _step: None)


def list_choices(policy: TaskPolicy) -> tuple[str, ...]:
    """Return the candidate that runs, of every segment if losses chose it."""
    rehearsal = policy.provenance.rehearsal
    return (rehearsal.chosen,) if rehearsal else policy.choices


def measure(job: tuple[TaskProgram, HumanStyle | None, argparse.Namespace]) -> list[Row]:
    """Demonstrate one task, adapt, run; return a row per number of takes and candidate."""
    use_single_thread()
    program, style, options = job
    name, count = style.name if style else SCRIPT, max(options.shots)
    if style is None:
        takes = generate_takes(program, GenerationSettings(count, options.seed))
    else:
        takes = record_hand_guided(program, style, count, options.seed, options.with_leader)
    right = sum(len(take.segments) == len(program.instructions) for take in takes)
    scenes = np.random.default_rng([options.seed, 5, zlib.crc32(program.name.encode())]).integers(2**31, size=99)
    rows = []
    for shots in options.shots:
        try:
            adapted = adapt(takes[:shots], options.seed, options.baselines, options.prior)
        except Exception as error:  # noqa: BLE001 - a refusal is a result
            rows.append(Row(name, program.name, shots, "chosen", 0, options.scenes, right, (), str(error)))
            continue
        chosen = adapted if options.without_rehearsal else run_to_end(rehearse_adapted(adapted, takes[:shots]))
        for candidate in ("chosen", *options.candidates):
            policy = chosen
            if candidate == Candidate.OBJECT_REPLAY:
                policy = make_replay_policy(takes[:shots])
            elif candidate != "chosen":
                if candidate not in adapted.candidate_names:
                    continue
                policy = adapted.with_candidate(candidate)
            successes = [run_policy(program, policy, int(scene))[0] for scene in scenes[: options.scenes]]
            rows.append(
                Row(name, program.name, shots, candidate, sum(successes), len(successes), right, list_choices(policy))
            )
    return rows


def main() -> None:
    """Print one line per row, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", choices=("tuned-on", "held-out", "final", "script", "all"), default="all")
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prior", type=Path, help="prior to adapt; the shipped one if not given")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--candidates", nargs="*", default=[])
    parser.add_argument("--with-leader", action="store_true", help="the arm follows a leader with play in its gears")
    parser.add_argument("--repeated", action="store_true", help="tasks that visit places twice, instead of the ten")
    parser.add_argument("--tasks", type=int, nargs="*", help="numbers of the tasks; all if not given")
    parser.add_argument("--without-rehearsal", action="store_true", help="losses choose among the candidates")
    parser.add_argument("--baselines", action="store_true", help="also train the baselines, which cannot be chosen")
    options = parser.parse_args()
    groups: dict[str, tuple[HumanStyle | None, ...]] = {
        "tuned-on": TUNING_STYLES,
        "held-out": HELD_OUT_STYLES,
        "final": FINAL_STYLES,
        "script": (None,),
    }
    styles = [each for name, group in groups.items() if options.people in (name, "all") for each in group]
    tasks = REPEATED_TASKS if options.repeated else TASKS
    chosen = range(len(tasks)) if options.tasks is None else options.tasks
    jobs = [(tasks[i], style, options) for style, i in itertools.product(styles, chosen)]
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
