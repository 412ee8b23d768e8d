"""Compare rehearsed with true success: ``python -m benchmarks.rehearsal`` prints a line per kind of task.

Takes of the script, of simulated people and of hands that draw are adapted to and rehearsed; then the chosen policy,
the zero-step policy and object replay run in further scenes, where success is tested by the program, by where the
objects end, or by the order of visited places: never by the judge of the rehearsal. Tasks, people and hands are those
on which nothing was tuned; ``--tuning`` takes the others. ``--stride`` leaves out programs. ``--resume FILE`` stores
every case in a file, and the command continues from there, also with a smaller stride.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
import zlib
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.drawings import DRAWINGS, HELD_OUT_HANDS, STEADY, TUNING_HANDS, Drawing, Hand, draw_takes, run_drawing
from benchmarks.people import TASKS, record_hand_guided, run_policy
from benchmarks.result_log import ResultLog
from metagui.demonstrations.people.habits import FINAL_STYLES, HELD_OUT_STYLES, TUNING_STYLES, HumanStyle
from metagui.demonstrations.programs.program import TaskProgram, load_programs
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.demonstrations.programs.splits import get_evaluation_split
from metagui.generators import run_to_end
from metagui.learning.adaptation.adaptation import adapt_task
from metagui.learning.adaptation.candidates import CandidateSettings
from metagui.learning.adaptation.replay_rollout import make_replay_policy
from metagui.learning.adaptation.selection import Candidate
from metagui.learning.evaluation.episodes import run_policy_episode, run_scripted_episode
from metagui.learning.prior import load_shipped
from metagui.learning.rehearsal.rehearsed_adaptation import rehearse_adapted, select_used_takes
from metagui.learning.torch_utils.torch_threads import use_single_thread
from metagui.paths import resources_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metagui.demonstrations.demonstration import Demonstration
    from metagui.learning.adaptation.task_policy import TaskPolicy


@dataclass(frozen=True)
class Case:
    """One task as one demonstrator shows it."""

    kind: str
    """The line of the table."""
    task: TaskProgram | Drawing
    demonstrator: HumanStyle | Hand | None = None
    """None for the script."""

    @property
    def name(self) -> str:
        """Name of the task and its demonstrator."""
        return f"{self.task.name}, {self.demonstrator.name if self.demonstrator else 'script'}"

    def record(self, count: int, seed: int) -> Sequence[Demonstration]:
        """Return takes of the task."""
        if isinstance(self.task, Drawing):
            assert isinstance(self.demonstrator, Hand)
            return draw_takes(self.task, self.demonstrator, count, seed)
        if isinstance(self.demonstrator, HumanStyle):
            return record_hand_guided(self.task, self.demonstrator, count, seed)
        return generate_takes(self.task, GenerationSettings(count, seed))

    def run(self, policy: TaskPolicy, scene: int) -> bool:
        """Run a policy in the scene of a seed; return whether it achieved the task."""
        if isinstance(self.task, Drawing):
            return run_drawing(self.task, policy, scene)
        if self.demonstrator is not None:
            return run_policy(self.task, policy, scene)[0]
        return run_policy_episode(self.task, policy, scene)[0]

    def is_solvable(self, scene: int) -> bool:
        """Return whether the script achieves the task in a scene; drawings are not tested."""
        return isinstance(self.task, Drawing) or run_scripted_episode(self.task, scene)[0]


@dataclass(frozen=True)
class Measurement:
    """Rehearsed and true success of one case."""

    kind: str
    name: str
    shots: int
    chosen: str
    predicted: float
    """Rehearsed success rate of the chosen policy."""
    true: float
    """Success rate of the chosen policy in further scenes."""
    zero_step: float
    object_replay: float
    runs: int
    seconds: float
    """Processor time of the rehearsal, s."""


def list_cases(tuning: bool, stride: int) -> list[Case]:
    """Return the cases: every ``stride``-th program, all or some tasks of people, all drawings."""
    programs = load_programs(resources_dir() / "programs" / ("validation.json" if tuning else "test.json"))
    cases = [Case(get_evaluation_split(each.family), each) for each in programs[::stride]]
    styles, hands = (TUNING_STYLES, TUNING_HANDS) if tuning else ((*HELD_OUT_STYLES, *FINAL_STYLES), HELD_OUT_HANDS)
    people = [Case("people", task, style) for style, task in itertools.product(styles, TASKS)]
    people = people[:: max(stride // 4, 1)]
    return cases + people + [Case("drawings", each, hand) for hand in (STEADY, *hands) for each in DRAWINGS]


def measure(job: tuple[Case, int, int, int]) -> Measurement:
    """Demonstrate, adapt, rehearse and run one case; without scenes if it could not be demonstrated."""
    use_single_thread()
    case, shots, scene_count, seed = job
    takes = case.record(shots, seed)
    if len(takes) < shots:
        return Measurement(case.kind, case.name, shots, "", 0.0, 0.0, 0.0, 0.0, 0, 0.0)
    settings = CandidateSettings(seed=seed, baselines=False, keep_all_candidates=True)
    adapted = run_to_end(adapt_task(load_shipped(), takes, settings))
    started = time.process_time()
    chosen = run_to_end(rehearse_adapted(adapted, takes))
    seconds = time.process_time() - started
    rehearsal = chosen.provenance.rehearsal
    assert rehearsal is not None
    drawn = np.random.default_rng([seed, 21, zlib.crc32(case.name.encode())]).integers(2**31, size=3 * scene_count)
    scenes = [scene for scene in drawn.tolist() if case.is_solvable(scene)][:scene_count]
    policies = {
        Candidate.ZERO_STEP: adapted.with_candidate(Candidate.ZERO_STEP),
        Candidate.OBJECT_REPLAY: make_replay_policy(select_used_takes(takes, adapted)),
    }
    rates = {name: statistics.fmean(case.run(each, scene) for scene in scenes) for name, each in policies.items()}
    own = rates.get(Candidate(rehearsal.chosen)) if rehearsal.chosen in rates else None
    true = statistics.fmean(case.run(chosen, scene) for scene in scenes) if own is None else own
    score = rehearsal.score
    return Measurement(
        case.kind, case.name, shots, rehearsal.chosen, score.successes / score.runs, true,
        rates[Candidate.ZERO_STEP], rates[Candidate.OBJECT_REPLAY], len(scenes), seconds,
    )  # fmt: skip


def summarise(rows: Sequence[Measurement], label: str) -> str:
    """Return one line of the table: means over cases, in per cent."""
    means = [
        100 * statistics.fmean(getattr(row, name) for row in rows)
        for name in ("predicted", "true", "zero_step", "object_replay")
    ]
    error = 100 * statistics.fmean(abs(row.predicted - row.true) for row in rows)
    replays = sum(row.chosen == Candidate.OBJECT_REPLAY for row in rows)
    seconds = statistics.fmean(row.seconds for row in rows)
    return (
        f"{label:40} {len(rows):4} cases  predicted {means[0]:5.1f}  true {means[1]:5.1f}  zero-step {means[2]:5.1f}  "
        f"replay {means[3]:5.1f}  error per case {error:4.1f}  replay chosen {replays:3}  {seconds:4.1f} s"
    )


def main() -> None:
    """Print one line per case as JSON, then the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuning", action="store_true", help="tasks, people and hands on which choices may be made")
    parser.add_argument("--stride", type=int, default=5, help="take every n-th program")
    parser.add_argument("--scenes", type=int, default=5)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--kinds", nargs="*", default=[], help="only these lines of the table")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--resume", type=Path, metavar="FILE", help="store the cases, and continue from those stored")
    options = parser.parse_args()
    cases = list_cases(options.tuning, options.stride)
    cases = [each for each in cases if not options.kinds or each.kind in options.kinds]
    about = {"tuning": options.tuning, "scenes": options.scenes, "seed": options.seed, "prior": load_shipped().id}
    log = ResultLog(options.resume, about)
    known = log.find_known("name", "shots")
    jobs = [
        (case, shots, options.scenes, options.seed)
        for case, shots in itertools.product(cases, options.shots)
        if (case.name, shots) not in known
    ]
    measured = [Measurement(**row) for row in log.rows]
    with ProcessPoolExecutor(options.workers) as pool:
        for row in pool.map(measure, jobs):
            log.add(asdict(row))
            measured.append(row)
    rows: dict[tuple[str, int], list[Measurement]] = defaultdict(list)
    for row in measured:
        if row.runs:
            rows[row.kind, row.shots].append(row)
    for (kind, shots), found in sorted(rows.items()):
        print(summarise(found, f"{kind}, {shots} take{'s' if shots > 1 else ''}"))
    print(summarise([row for found in rows.values() for row in found], "all"))


if __name__ == "__main__":
    main()
