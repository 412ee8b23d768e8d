"""Coverage-guided fuzzing of the readers by Atheris: ``python -m benchmarks.fuzzing --seconds 600``.

``benchmarks.hostile`` changes files blindly; Atheris keeps the changes that reach new code of metagui. Each reader of
one file runs in a process of its own. It fails if an exception is none of this program's, or if a message quotes the
words of a library. Prints the number of inputs per reader; the input of a failure is kept in ``build/fuzzing``.
``pip install atheris``, which has wheels for Linux.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Figure, Report, add_json_option, print_report

ROOT = Path(__file__).resolve().parents[1]
FUZZED_FILES = {
    "calibration": "*.json",
    "programs": "*.json",
    "undo history": ".metagui/history.json",
    "encoder": "*.safetensors",
    "policy": "*",
    "journal": ".scratch/*",
}
"""The file of each reader that is fuzzed."""
MAX_INPUT_BYTES = 20_000


def run_child(name: str, folder: Path, seconds: int, seed: int) -> None:
    """Fuzz one reader until the time is over, then end the process as libFuzzer does."""
    import atheris

    with atheris.instrument_imports(include=["metagui"]):
        from benchmarks import hostile, hostile_readers

    reader = hostile_readers.READERS[name]
    root, corpus = folder / "input", folder / "corpus"
    os.environ["METAGUI_CACHE"], os.environ["METAGUI_RECORDINGS"] = str(folder / "cache"), str(folder / "none")
    hostile_readers.make_samples(folder / "samples", [name])
    hostile.copy_sample(folder / "samples" / name, root)
    (target,) = [path for path in root.glob(FUZZED_FILES[name]) if path.is_file()][:1]
    corpus.mkdir()
    (corpus / "sound").write_bytes(target.read_bytes()[:MAX_INPUT_BYTES])

    def read(data: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        try:
            message = reader.read(root, folder / "scratch") or ""
        except Exception as error:
            if not hostile.is_own_error(error) or type(error).__module__ == "builtins":
                raise
            message = hostile.format_error(error)
        if message and (problem := hostile.check_message(message, [*reader.names, target.name, root.name])):
            raise AssertionError(f"message {problem}: {message}")

    kept = ROOT / "build" / "fuzzing"
    kept.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}", f"-seed={seed + 1}"]
    options += ["-print_final_stats=1", f"-artifact_prefix={kept / name.replace(' ', '-')}-", "-timeout=60"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], read)
    atheris.Fuzz()


def fuzz(name: str, seconds: int, seed: int) -> tuple[int, str]:
    """Fuzz one reader in a process of its own; return the number of inputs, and what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.fuzzing", "--child", name, "--folder", folder]
        command += ["--seconds", str(seconds), "--seed", str(seed)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 600)
    output = done.stdout + done.stderr
    found = re.search(r"number_of_executed_units: (\d+)", output)
    return int(found[1]) if found else 0, "" if done.returncode == 0 else output[-1500:]


def main() -> int:
    """Fuzz every reader and print; return 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--seconds", type=int, default=600, help="time for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=list(FUZZED_FILES), action="append", help="only these readers")
    add_json_option(parser)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        run_child(given.child, given.folder, given.seconds, given.seed)
        return 0
    report = Report("fuzzing", settings={"seconds": given.seconds, "seed": given.seed}, details={})
    if importlib.util.find_spec("atheris") is None:
        report.skipped["atheris"] = "it is not installed"
        print_report(report, given.json)
        return 0
    names = given.reader or list(FUZZED_FILES)
    for name in names:
        count, problem = fuzz(name, max(1, given.seconds // len(names)), given.seed)
        report.figures.append(Figure(f"{name}: inputs", count))
        report.figures.append(Figure(f"{name}: failures", int(bool(problem)), bar=0))
        if problem:
            report.details[name] = problem
            print(f"{name}:\n{problem}\n", file=sys.stderr, flush=True)
    print_report(report, given.json)
    return int(bool(report.details))


if __name__ == "__main__":
    sys.exit(main())
