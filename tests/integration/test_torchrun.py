"""Training started by torchrun: every number of processes makes the same prior."""

import json
import os
import subprocess
import sys

import pytest

from metagui.demonstrations.programs.program import save_programs
from tests.helpers.takes import EXAMPLE_PROGRAMS

SHORT = ("--takes", "2", "--people", "0", "--length", "0.002", "--workers", "1", "--json")


def train(folder, name, *launcher):
    """Train a prior in a new process; return the completed process and the prior's file."""
    out = folder / f"{name}.safetensors"
    paths = ("--programs", folder / "programs.json", "--out", out, "--checkpoint", folder / name)
    command = [sys.executable, "-m", *launcher, "metagui", "train", *map(str, paths), *SHORT]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    return done, out


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
    launcher = ("torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m")
    done, out = train(folder, f"torchrun-{count}", *launcher)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == alone
    assert json.loads(done.stdout)["prior"] == str(out), "only the leading process reports"
