"""Benchmark of the control loop over the servo bus during an adaptation: ``python -m benchmarks.loop``.

With ``--check`` it fails if a deadline was missed: ``--rate 50 --seconds 600 --check`` is the rate of the program.
``--busy-loops 2`` keeps two processor cores busy beside it. The emulated arm stands for hardware: it has real-time
priority where the system allows it, as the control loop has.

The emulated arm replies from a separate process at the speed of 1 Mbaud, and moves. In this process the loop drives
it through the digital twin and the safety gate; a second thread adapts a policy repeatedly, with one torch thread,
like the window's learner. The same measurement without a learner shows the lateness caused by the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.bus import run_server_process
from benchmarks.stall_watch import Stalls, watch_stalls
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.arms.teleoperation.velocity import VelocityController
from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.programs.program import TaskProgram
from metagui.demonstrations.programs.scripted import GenerationSettings, generate_takes
from metagui.learning.adaptation.adaptation import adapt_task, warm_up
from metagui.learning.prior import load_shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metagui.arms.arm import FloatArray, Observation
    from metagui.arms.control.tick import JointMove, Tick
    from metagui.arms.kinematics import ToolMotion

LOOP_RATE_HZ = 100.0
"""Usual rate of the loop, Hz: twice that of the program."""
WARM_UP_S = 1.0
"""Time before the measurement starts, s."""
ADAPTED_PROGRAM = TaskProgram(
    "put red on violet", (Instruction("grasp", "red cube"), Instruction("place", "violet zone"))
)


class OscillatingController:
    """Moves the gripper back and forth. Implements Controller."""

    def __init__(self) -> None:
        self._velocity_controller = VelocityController()

    def decide(self, observation: Observation) -> ToolMotion | JointMove | None:
        """Return the next motion."""
        self._velocity_controller.set_velocity(0.0, 0.05 * math.sin(2.0 * observation.time), 0.0, 0.0, True)
        return self._velocity_controller.decide(observation)


@contextlib.contextmanager
def run_learner(busy: bool) -> Iterator[list[int]]:
    """Adapt repeatedly in another thread; yield a list with the number of adaptation steps so far."""
    steps, over = [0], threading.Event()
    takes = generate_takes(ADAPTED_PROGRAM, GenerationSettings(takes=3, seed=1)) if busy else []
    prior = load_shipped() if busy else None
    warm_up()  # as the window does before an arm's torque is switched on: the first call imports for a second

    def learn() -> None:
        torch.set_num_threads(1)
        for _ in itertools.takewhile(lambda _: not over.is_set(), itertools.count()):
            for _ in adapt_task(prior, takes, should_stop=over.is_set):  # type: ignore[arg-type]
                steps[0] += 1

    thread = threading.Thread(target=learn, name="learner")
    if busy:
        thread.start()
    try:
        yield steps
    finally:
        over.set()
        if busy:
            thread.join()


@contextlib.contextmanager
def run_busy_loops(count: int) -> Iterator[None]:
    """Run processes that each keep one processor core busy."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


class TickLog:
    """Keeps of each tick only what is reported, in memory that is there from the start.

    Whole ticks would take 10 MB in a minute, and a machine whose host has to find that memory first delays the loop.
    """

    COLUMNS = ("time", "lateness", "latency", "missed", "retries")

    def __init__(self, max_ticks: int) -> None:
        self._rows = np.full((max_ticks, len(self.COLUMNS)), np.nan)
        self._count = 0

    def add(self, tick: Tick) -> None:
        """Note one tick; called in the control thread."""
        if self._count < len(self._rows):
            self._rows[self._count] = tick.time, tick.lateness, tick.latency, tick.missed_deadlines, tick.retries
            self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, column: str) -> FloatArray:
        """Return one column, of shape (ticks,); times in s."""
        return self._rows[: self._count, self.COLUMNS.index(column)]


def measure(port: str, seconds: float, busy: bool, rate: float = LOOP_RATE_HZ) -> dict[str, float]:
    """Run the loop for ``seconds``; return its rate, missed deadlines and lateness."""
    arm, ticks = TwinnedArm(SO101Arm(port)), TickLog(int((seconds + 60.0) * rate))
    with watch_stalls() as stalls, run_learner(busy) as steps, arm:
        loop = ControlLoop(arm, arm, period=1.0 / rate)
        loop.set_controller(OscillatingController())
        loop.start()
        time.sleep(WARM_UP_S)
        loop.add_sink(ticks.add)
        before = steps[0]
        time.sleep(seconds)
        learner_steps = steps[0] - before
        loop.stop()
    if loop.error is not None:
        raise SystemExit(loop.error.message)
    if loop.priority_refusal:
        print(f"The control loop has no real-time priority, because {loop.priority_refusal}.", file=sys.stderr)
    return summarise_ticks(ticks, learner_steps, stalls)


def summarise_ticks(ticks: TickLog, learner_steps: int, stalls: Stalls) -> dict[str, float]:
    """Return the rate, the missed deadlines, and lateness and time on the bus, ms."""
    times, lateness, latency, missed = ticks["time"], ticks["lateness"] * 1e3, ticks["latency"] * 1e3, ticks["missed"]
    return {
        "rate_hz": (len(ticks) - 1) / (times[-1] - times[0]),
        "ticks": len(ticks),
        "missed": missed[-1] - missed[0],
        "missed_in_stalls": count_missed_in_stalls(ticks, stalls),
        "stalls": len(stalls.intervals),
        "stall_max_ms": 1e3 * max((end - start for start, end in stalls.intervals), default=0.0),
        "late_p50_ms": float(np.percentile(lateness, 50)),
        "late_p99_ms": float(np.percentile(lateness, 99)),
        "late_max_ms": float(lateness.max()),
        "bus_p50_ms": float(np.percentile(latency, 50)),
        "bus_p99_ms": float(np.percentile(latency, 99)),
        "retries": ticks["retries"].sum(),
        "learner_steps": learner_steps,
    }


def count_missed_in_stalls(ticks: TickLog, stalls: Stalls) -> int:
    """Return how many deadlines were missed while the machine itself stood still.

    A tick that begins late is followed by one that counts what it missed.
    """
    times, due, missed = ticks["time"], ticks["time"] - ticks["lateness"], np.diff(ticks["missed"])
    late = np.flatnonzero(missed)
    return int(sum(missed[i] for i in late if stalls.cover(due[i], times[i + 1])))


def main() -> None:
    """Measure with the learner idle and busy, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=LOOP_RATE_HZ, help="rate of the loop, Hz")
    parser.add_argument("--check", action="store_true", help="fail if a deadline was missed")
    parser.add_argument("--busy-loops", type=int, default=0, help="number of busy processes beside the loop")
    parser.add_argument("--learner", choices=("idle", "busy", "both"), default="both")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--switch-interval", type=float, help="let the interpreter switch threads this often, s")
    options = parser.parse_args()
    if options.switch_interval:
        sys.setswitchinterval(options.switch_interval)
    results = {}
    for learner in ("idle", "busy") if options.learner == "both" else (options.learner,):
        with run_server_process(physics=True, realtime=True) as port, run_busy_loops(options.busy_loops):
            results[f"learner {learner}"] = measure(port, options.seconds, learner == "busy", options.rate)
    print_results(results, options.json)
    if options.check and any(r["missed"] for r in results.values()):
        raise SystemExit("Deadlines were missed.")


def print_results(results: dict[str, dict[str, float]], as_json: bool) -> None:
    """Print the results as JSON, or one line for each."""
    if as_json:
        print(json.dumps(results, indent=2))
        return
    for title, r in results.items():
        print(
            f"{title}: {r['rate_hz']:.2f} Hz, {r['missed']:.0f} of {r['ticks']:.0f} missed, "
            f"{r['missed_in_stalls']:.0f} of them while the machine itself stood still ({r['stalls']:.0f} times, "
            f"up to {r['stall_max_ms']:.1f} ms), late by "
            f"{r['late_p50_ms']:.2f} ms (p99 {r['late_p99_ms']:.2f}, worst {r['late_max_ms']:.1f}), on the bus "
            f"{r['bus_p50_ms']:.2f} ms (p99 {r['bus_p99_ms']:.2f}), {r['retries']:.0f} retries, "
            f"{r['learner_steps']:.0f} learner steps"
        )


if __name__ == "__main__":
    main()
