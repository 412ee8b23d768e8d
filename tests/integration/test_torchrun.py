"""Training started by torchrun: every number of processes makes the same prior."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metagui.demonstrations.programs.program import save_programs
from tests.helpers.clocks import wait_until
from tests.helpers.takes import EXAMPLE_PROGRAMS

SHORT = ("--takes", "2", "--people", "0", "--length", "0.002", "--workers", "1", "--json")


def start(folder, name, *launcher):
    """Start to train a prior in a new process; return the process and the prior's file."""
    out = folder / f"{name}.safetensors"
    paths = ("--programs", folder / "programs.json", "--out", out, "--checkpoint", folder / name)
    command = [sys.executable, "-m", *launcher, "metagui", "train", *map(str, paths), *SHORT]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment), out


def train(folder, name, *launcher):
    """Train a prior; return the exit status, what was printed, and the prior's file."""
    process, out = start(folder, name, *launcher)
    with process:
        printed, errors = process.communicate(timeout=280)
    return subprocess.CompletedProcess(process.args, process.returncode, printed, errors), out


def under_torchrun(count):
    return "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m"


def find_rank(rank, launcher):
    """Return the process of a rank that ``launcher`` started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text(encoding="ascii").split()
    return next(
        int(child) for child in children if f"\0RANK={rank}\0".encode() in Path(f"/proc/{child}/environ").read_bytes()
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("torchrun")
    save_programs(made / "programs.json", EXAMPLE_PROGRAMS)
    return made


@pytest.fixture(scope="module")
def alone(folder):
    done, out = train(folder, "alone")
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


@pytest.mark.parametrize("count", [2, 4])
def test_train_under_torchrun_makes_the_same_bytes(folder, alone, count):
    done, out = train(folder, f"torchrun-{count}", *under_torchrun(count))
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == alone
    assert json.loads(done.stdout)["prior"] == str(out), "only the leading process reports"


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the processes of Linux")
def test_killed_rank_is_named_and_the_run_resumes_with_fewer_processes(folder, alone):
    process, out = start(folder, "killed", *under_torchrun(3))
    with process:
        wait_until((folder / "killed" / "encoder.safetensors").is_file, 240)
        os.kill(find_rank(2, process.pid), signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "rank      : 2" in errors
    assert not out.exists()
    done, out = train(folder, "killed", *under_torchrun(2))
    assert done.returncode == 0, done.stderr
    assert "encoder" not in done.stderr, "the first phase was finished"
    assert out.read_bytes() == alone
