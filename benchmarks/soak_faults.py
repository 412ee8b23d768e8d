"""Faults of ``benchmarks.soak``: each happens to the real part, and is followed by checks that raise ``SoakFailure``.

A fault gets the ``Workshop`` of the run: the library, the programs, and the commands of metagui in this process or in
one of its own.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from typer.testing import CliRunner

from benchmarks.meta_step import MetaStepNetwork, make_problem
from metagui.arms.control.loop import ControlLoop
from metagui.arms.simulation.twinned_arm import TwinnedArm
from metagui.arms.so101.so101_arm import SO101Arm
from metagui.cli import app
from metagui.demonstrations.recording.recorder import Recorder
from metagui.demonstrations.storage.library import Library
from metagui.generators import run_to_end
from metagui.learning import prior
from metagui.learning.adaptation.adaptation import AdaptationError, adapt_task
from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.torch_utils.worker_process import WorkerProcess

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator
    from pathlib import Path

    import numpy as np

PATIENCE_S = 120.0
"""Time in which a process ends on a busy machine, s."""
TASK = "hover above red"
PROGRAM = """{"format": 1, "programs": [{"name": "hover above red", "family": "reach",
"clicks": [{"verb": "reach", "anchor": "red cube", "offset": [0.0, 0.0, 0.06]}]}]}"""
DAY_S = 86_400.0


class SoakFailure(Exception):
    """Something that a fault must not cause: a lost take, a hang, a message that nobody understands."""


@dataclass
class Workshop:
    """Where a soak happens."""

    folder: Path
    rng: random.Random

    @property
    def library(self) -> Path:
        """Folder of the library."""
        return self.folder / "library"

    def list_record_options(self) -> list[str]:
        """Return the options of ``metagui record`` that record one take of the task."""
        program, seed = self.folder / "programs.json", self.rng.randrange(10_000)
        return ["record", TASK, "--program", str(program), "--seed", str(seed), "--library", str(self.library)]

    def run(self, *arguments: str, may_fail: bool = False) -> str:
        """Run a command in this process; return its output. Raises SoakFailure if it fails or is unclear."""
        result = CliRunner().invoke(app, list(arguments))
        unclear = result.exception is not None and not isinstance(result.exception, SystemExit)
        if unclear or (result.exit_code and not may_fail):
            raise SoakFailure(f"metagui {' '.join(arguments)}: {result.exception!r} {result.output[-500:]}")
        return result.output

    def start(self, *arguments: str, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """Start a command in a process of its own; ``prepare`` runs there first."""
        command = [sys.executable, "-m", "metagui", *arguments]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, preexec_fn=prepare
        )

    def start_recording(self, prepare: Callable[[], None] | None = None) -> subprocess.Popen[str]:
        """Start to record a take in a process of its own, and wait until samples arrive on the disk."""
        process = self.start(*self.list_record_options(), prepare=prepare)
        deadline = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            if any(path.stat().st_size > 20_000 for path in self.library.glob(".scratch/*")):
                return process
            time.sleep(0.02)
        output = process.communicate()[0] if process.poll() is not None else "no samples arrived"
        if prepare is None:
            process.kill()
            raise SoakFailure(f"the recording did not begin: {output[-500:]}")
        return process

    def count_takes(self) -> int:
        """Return the number of takes. Raises SoakFailure if the library has a defect."""
        library = Library(self.library)
        if problems := library.list_problems():
            raise SoakFailure(f"a file cannot be used: {problems[0].description}")
        return len(library.list_takes(TASK)) if TASK in library.list_tasks() else 0


def wait_for_end(process: subprocess.Popen[str], allowed: tuple[int, ...]) -> str:
    """Wait until a process ends with one of the allowed states; return its output. Raises SoakFailure."""
    try:
        output = process.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise SoakFailure(f"{process.args!r} hung: {process.communicate()[0][-500:]}") from None
    if process.returncode not in allowed or "Traceback" in output:
        raise SoakFailure(f"{process.args!r} ended with {process.returncode}: {output[-500:]}")
    return str(output)


def kill_recorder(workshop: Workshop) -> None:
    """A process is killed while it records; the take comes back with ``metagui recover``."""
    before = workshop.count_takes()
    process = workshop.start_recording()
    time.sleep(workshop.rng.uniform(0.0, 0.3))
    process.kill()
    wait_for_end(process, (-signal.SIGKILL, 0))
    workshop.run("recover", "--restore", "--library", str(workshop.library))
    if workshop.count_takes() != before + 1:
        raise SoakFailure("the take of a killed process did not come back")


def suspend_recorder(workshop: Workshop) -> None:
    """A process is suspended while it records, as by closing the lid, and goes on: the take is stored."""
    before = workshop.count_takes()
    process = workshop.start_recording()
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    process.send_signal(signal.SIGCONT)
    wait_for_end(process, (0, 1))
    workshop.run("recover", "--restore", "--library", str(workshop.library))
    if workshop.count_takes() != before + 1:
        raise SoakFailure("the take of a suspended process is not there")


def fill_disk(workshop: Workshop) -> None:
    """The disk is full while a process records; what was written comes back when there is room again."""
    before, limit = workshop.count_takes(), workshop.rng.randrange(30_000, 60_000)

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    message = wait_for_end(workshop.start_recording(prepare), (1,))
    if "space" not in message and "disk" not in message and "large" not in message:
        raise SoakFailure(f"the message does not name the disk: {message[-500:]}")
    workshop.run("recover", "--restore", "--library", str(workshop.library))
    if workshop.count_takes() != before + 1:
        raise SoakFailure(f"the take of a full disk did not come back: {message[-500:]}")


def unplug_arm(workshop: Workshop) -> None:
    """The emulated arm vanishes from its port while a take is recorded: the loop ends, and the take is kept."""
    before = workshop.count_takes()
    command = [sys.executable, "-m", "benchmarks.bus", "--serve", "--physics"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        arm = TwinnedArm(SO101Arm(server.stdout.readline().strip()))
        recorder = Recorder(workshop.library)
        arm.connect()
        try:
            loop = ControlLoop(arm, arm)
            recorder.start(TASK, arm, arm)
            loop.add_sink(recorder.on_tick)
            loop.start()
            time.sleep(0.6)
            server.kill()
            deadline = time.monotonic() + PATIENCE_S
            while loop.error is None and time.monotonic() < deadline:
                time.sleep(0.02)
            loop.stop()
        finally:
            arm.disconnect()
    if loop.error is None:
        raise SoakFailure("nothing noticed that the arm was unplugged")
    Library(workshop.library).add_take(replace(recorder.stop(), success=False, notes=loop.error.message))
    recorder.clear_journal()
    if workshop.count_takes() != before + 1:
        raise SoakFailure("the take of an unplugged arm is not there")


def spoil_losses(workshop: Workshop) -> None:
    """A batch whose loss is not a number is skipped by meta-training, and a spoilt prior never becomes a policy."""
    problem = make_problem(8, tasks=2, steps=1, seed=workshop.rng.randrange(1000))
    drawn = [0]

    def sample(_: np.random.Generator) -> Any:
        drawn[0] += 1
        spoilt = replace(problem.support, x=problem.support.x * math.nan)
        return (spoilt if drawn[0] == 2 else problem.support), problem.query

    meta = maml.initialise(problem.params, dict.fromkeys(problem.params, 0.01), 1)
    settings = maml.MetaSettings(steps=4, inner_steps=1, report_every=1)
    state = run_to_end(maml.meta_train(MetaStepNetwork(8), sample, settings, MetaState(meta, seed=0)))
    if state.skipped != 1 or not all(torch.isfinite(tensor).all() for tensor in state.meta.tensors()):
        raise SoakFailure(f"{state.skipped} steps were skipped because of a loss that is not a number, instead of 1")
    start = prior.load_shipped()
    for tensor in start.meta.params.values():
        tensor.data.mul_(math.nan)
    library = Library(workshop.library)
    takes = [library.load_take(TASK, info.name) for info in library.list_takes(TASK) if info.success]
    with contextlib.suppress(AdaptationError):
        policy = run_to_end(adapt_task(start, takes))
        values = [torch.as_tensor(value) for skill in policy.skills for value in skill.params.values()]
        if not all(value.isfinite().all() for value in values):
            raise SoakFailure("a policy whose weights are not numbers can be run")


def hang_worker(workshop: Workshop) -> None:
    """A worker process that does not react, not even to a request to end, is ended all the same."""
    worker: WorkerProcess[int, None] = WorkerProcess(_wait_for_ever)
    worker.start()
    next(iter(worker.wait_for_result()))
    os.kill(worker.pid, signal.SIGSTOP)
    began = time.monotonic()
    worker.close()
    if time.monotonic() - began > PATIENCE_S:
        raise SoakFailure("a worker that hangs was waited for")


def _wait_for_ever(_should_stop: Callable[[], bool]) -> Generator[int, None, None]:
    yield 1
    while True:
        time.sleep(1.0)


def jump_clock(workshop: Workshop) -> None:
    """The clock of the system jumps by weeks while a take is recorded, and back: nothing is hidden or removed."""
    before, real = workshop.count_takes(), time.time
    offset = workshop.rng.choice((-40.0, 40.0)) * DAY_S
    with mock.patch("time.time", side_effect=lambda: real() + offset):
        workshop.run(*workshop.list_record_options(), may_fail=True)
        if workshop.count_takes() != before + 1:
            raise SoakFailure("a take recorded after a jump of the clock is not listed")
    first = Library(workshop.library).list_takes(TASK)[0].name
    workshop.run("edit", TASK, first, "--notes", f"noted {workshop.rng.random()}", "--library", str(workshop.library))
    if workshop.count_takes() != before + 1:
        raise SoakFailure("a take is not listed after the clock jumped back")


FAULTS: dict[str, Callable[[Workshop], None]] = {
    "kill": kill_recorder,
    "unplug": unplug_arm,
    "disk full": fill_disk,
    "loss not a number": spoil_losses,
    "hung worker": hang_worker,
    "clock jump": jump_clock,
    "suspend": suspend_recorder,
}
