"""Tests of training in a group of processes: the same numbers for every size, killed and failing processes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from metagui.learning.maml import maml
from metagui.learning.maml.training_state import MetaState
from metagui.learning.policy.policy import PolicyModel
from metagui.learning.policy.task_sampler import SamplingSettings, TaskSampler
from metagui.learning.torch_utils.process_group import open_group
from metagui.learning.torch_utils.worker_process import WorkerProcessError
from tests.helpers.datasets import encode_example_takes

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np

MODEL = PolicyModel(hidden=16, encoder=16, summary=8, context=4)
SETTINGS = maml.MetaSettings(steps=3, inner_steps=1, lr=1e-3, report_every=1, batches_per_step=3)


@dataclass
class FailingSampler:
    """Draws batches in the process that made it, and raises in every other."""

    sampler: TaskSampler
    process: int

    def __call__(self, rng: np.random.Generator) -> Any:
        if os.getpid() != self.process:
            raise ValueError("No batch here.")
        return self.sampler(rng)


@pytest.fixture(scope="module")
def sampler() -> TaskSampler:
    return TaskSampler(encode_example_takes(), range(2), SamplingSettings(2))


def initial_state() -> MetaState:
    return MetaState(maml.initialise(MODEL.initialise(0), MODEL.initial_inner_rates(), 1), seed=4)


def train(state: MetaState, sampler: Any, workers: int) -> Generator[maml.MetaStep, None, MetaState]:
    return maml.meta_train(MODEL, sampler, SETTINGS, state, workers)


def assert_equal(state: MetaState, other: MetaState) -> None:
    assert state.step == other.step
    assert all(torch.equal(a, b) for a, b in zip(state.meta.tensors(), other.meta.tensors(), strict=True))


@pytest.fixture(scope="module")
def whole(sampler: TaskSampler) -> tuple[MetaState, list[maml.MetaStep]]:
    """Return the end and the records of a run in this process alone."""
    state = initial_state()
    return state, list(train(state, sampler, 1))


@pytest.mark.parametrize("workers", [2, 4])
def test_meta_train_is_independent_of_number_of_processes(
    whole: tuple[MetaState, list[maml.MetaStep]], sampler: TaskSampler, workers: int
) -> None:
    state = initial_state()
    training = train(state, sampler, workers)
    records = [next(training)]
    assert len(multiprocessing.active_children()) == min(workers, SETTINGS.batches_per_step) - 1
    records += training
    assert records == whole[1]
    assert_equal(state, whole[0])
    assert not multiprocessing.active_children()
    assert not torch.distributed.is_initialized()


def test_meta_train_killed_process_is_named_and_run_resumes(
    whole: tuple[MetaState, list[maml.MetaStep]], sampler: TaskSampler, tmp_path: Path
) -> None:
    """The run continues from its checkpoint with another number of processes and ends with the same numbers."""
    killed = initial_state()
    training = train(killed, sampler, 3)
    next(training)
    killed.save(tmp_path / "state.safetensors")
    (second,) = [process for process in multiprocessing.active_children() if process.name == "rank 1"]
    second.kill()
    second.join()
    with pytest.raises(WorkerProcessError, match=r"process 2 of 3 \(rank 1\) ended.*last checkpoint is stored"):
        list(training)
    assert not multiprocessing.active_children()
    resumed, _ = MetaState.load(tmp_path / "state.safetensors")
    list(train(resumed, sampler, 2))
    assert_equal(resumed, whole[0])


def test_meta_train_error_in_another_process_names_it(sampler: TaskSampler, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WorkerProcessError, match=r"process 2 of 2 \(rank 1\) ended"):
        list(train(initial_state(), FailingSampler(sampler, os.getpid()), 2))
    assert "No batch here." in capfd.readouterr().err, "the other process prints its error"
    assert not multiprocessing.active_children()


def test_meta_train_closed_early_ends_the_processes(sampler: TaskSampler) -> None:
    training = train(initial_state(), sampler, 2)
    next(training)
    training.close()
    assert not multiprocessing.active_children()
    assert not torch.distributed.is_initialized()


@pytest.mark.skipif(not Path("/proc/self/net/tcp").is_file(), reason="reads the sockets of Linux")
def test_open_group_listens_on_the_loopback_only() -> None:
    with open_group(2):
        inodes = {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and link.exists()}
        rows = [line.split() for table in ("tcp", "tcp6") for line in _read_table(table)]
        listening = [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]
    loopback = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
    assert listening
    assert set(listening) <= loopback


def _read_table(name: str) -> list[str]:
    path = Path("/proc/self/net") / name
    return path.read_text(encoding="ascii").splitlines()[1:] if path.is_file() else []


AFTER_A_GROUP = """
from pathlib import Path

import torch

from metagui.learning.torch_utils.process_group import open_group

with open_group(2) as group:
    weight = torch.ones(2, requires_grad=True)
    optimiser = torch.optim.Adam([weight])  # imports modules of torch.distributed
print([task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")])
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the threads of Linux")
def test_open_group_ends_its_threads() -> None:
    """A thread of gloo that lives when the interpreter ends may abort the process."""
    run = subprocess.run([sys.executable, "-c", AFTER_A_GROUP], capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    assert "gloo" not in run.stdout
    assert not run.stderr, "the other process ends without an error, too"
