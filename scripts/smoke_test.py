"""Install a wheel or sdist in a clean environment and use it: ``python scripts/smoke_test.py dist/*.whl``.

For every file, and every interpreter after ``--python``, a virtual environment is created in a temporary folder, away
from the checkout. There the program prints its version, records two takes in real time, adapts to
them, compares and runs them, exports and imports them, and opens its window. ``--keep FOLDER`` keeps the environments.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASK = "hover above red"
PROGRAM = """{"format": 1, "programs": [{"name": "hover above red", "family": "reach",
"clicks": [{"verb": "reach", "anchor": "red cube", "offset": [0.0, 0.0, 0.06]}]}]}"""
WINDOW = """
import os, sys, time
from metagui import app
app.prepare_process()
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from metagui.gui.theme.theme import Theme
from metagui.paths import is_source_checkout
assert not is_source_checkout()
application = QApplication([])
theme = Theme("light")
theme.apply()
window = app.make_window(theme, QSettings("settings.ini", QSettings.Format.IniFormat))
window.show()
until = time.monotonic() + 120
while "Ready" not in window.status_bar.state_label.text():
    assert time.monotonic() < until, "the window is not ready"
    application.processEvents()
    time.sleep(0.01)
window.close()
print("the window is ready")
"""


def main() -> int:
    """Test every file with every interpreter; return 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="wheels and sdists")
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="interpreters")
    parser.add_argument("--keep", type=Path, help="folder of the environments, which are made once")
    given = parser.parse_args()
    failed = 0
    for python in given.python:
        with tempfile.TemporaryDirectory() as folder:
            for file in given.files:
                began = time.perf_counter()
                problem = test_file(file.resolve(), python, (given.keep or Path(folder)).resolve())
                version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
                print(f"{file.name}, {version.strip()}: {problem or 'passed'}, {time.perf_counter() - began:.0f} s")
                failed += bool(problem)
    return int(bool(failed))


def test_file(file: Path, python: str, folder: Path) -> str:
    """Install a file in an environment and use the program; return what went wrong, empty if nothing did."""
    version = subprocess.run([python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
    environment = folder / "".join(c for c in version.stdout if c.isdigit())
    if not environment.exists():
        subprocess.run([python, "-m", "venv", environment], check=True)
    binaries = environment / ("Scripts" if os.name == "nt" else "bin")
    with tempfile.TemporaryDirectory() as work:
        variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        for name in ("METAGUI_CACHE", "METAGUI_RECORDINGS", "XDG_CONFIG_HOME"):
            variables[name] = str(Path(work) / name.lower())
        variables |= {"METAGUI_LOG": str(Path(work) / "log"), "QT_QPA_PLATFORM": "offscreen"}
        Path(work, "programs.json").write_text(PROGRAM, encoding="utf-8")
        for arguments in list_commands(binaries, file):
            done = subprocess.run(arguments, cwd=work, env=variables, capture_output=True, text=True)
            if done.returncode:
                return f"failed in {' '.join(map(str, arguments[:4]))}: {(done.stdout + done.stderr)[-800:]}"
    return ""


def list_commands(binaries: Path, file: Path) -> list[list[str | Path]]:
    """Return the commands of the test: the installation, then a short use of every part."""
    python, metagui = binaries / "python", binaries / "metagui"
    record: list[str | Path] = [metagui, "record", TASK, "--program", "programs.json"]
    return [
        [python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", file],
        [python, "-m", "pip", "install", "--quiet", file],
        [python, "-m", "pip", "check"],
        [metagui, "--version"],
        [metagui, "check"],
        [*record, "--seed", "1"],
        [*record, "--seed", "2"],
        [metagui, "adapt", TASK],
        [metagui, "run", TASK, "--seed", "3"],
        [metagui, "similar", TASK, "--json"],
        [metagui, "export", "takes.hdf5"],
        [metagui, "import", "takes.hdf5", "--library", "copy"],
        [metagui, "list", "--library", "copy"],
        [python, "-c", WINDOW],
    ]


if __name__ == "__main__":
    sys.exit(main())
