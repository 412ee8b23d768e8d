"""The shape of the program: who may import what, and how quickly the command answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> str:
    """Run a Python in a fresh process and return what it printed."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_import_contracts_are_kept():
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    assert "0 broken" in run("-c", lint)


@pytest.mark.parametrize(
    "module", ["metagui.learning.maml.maml", "metagui.cli", "metagui.demonstrations.programs.program"]
)
def test_nothing_below_the_window_knows_qt(module):
    loaded = run("-c", f"import sys, {module}; print(*sys.modules, sep='\\n')").splitlines()
    assert not {"PySide6", "pyqtgraph", "qtpy", "superqt"} & set(loaded)


def test_help_loads_nothing_heavy():
    code = "import sys, metagui.cli; print(*sys.modules, sep='\\n')"
    assert not {"torch", "mujoco", "h5py", "numpy", "PySide6"} & set(run("-c", code).splitlines())


def test_every_module_says_why_it_exists():
    silent = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "metagui").rglob("*.py")
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert not silent


def test_both_ways_in_are_the_same_program():
    versions = {run("-m", "metagui", "--version")}
    script = Path(sys.executable).parent / ("metagui.exe" if os.name == "nt" else "metagui")
    versions.add(subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout)
    assert len(versions) == 1
