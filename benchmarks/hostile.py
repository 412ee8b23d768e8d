"""Damaged, hostile and foreign files for every reader: ``python -m benchmarks.hostile --inputs 2000``.

Every reader reads its files in a process of its own, whose memory is limited. An input passes if it is read, or refused
in one clear sentence of this program, in less than 2 s of processor time, below 500 MB of memory, and without a change
of any file. The status is 1 if one does not pass. ``--reader NAME --only NUMBER`` repeats one input.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.hostile_inputs import change_file, copy_sample
from benchmarks.hostile_readers import READERS, make_samples
from benchmarks.report import Figure, Report, add_json_option, print_report, summarise_rate
from metagui.cli.app import format_error, is_own_error

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SECONDS, MAX_MB = 2.0, 500
PATIENCE_S = 60.0
"""Time in which an answer comes on a busy machine, by the wall clock, s; more is called hanging."""
ROOM_BYTES = 2 << 30
"""Address space that a reader's process may add to what the sound sample needs: protects the machine."""
FOREIGN_WORDS = (
    "Traceback", "Errno", "errno", "NoneType", "h5py", "numpy", "pyarrow", "sqlite", "invalid literal", "positional",
    "keyword argument", "unexpected keyword", "codec", "0x", "Unable to", "KeyError", "not subscriptable", "unhashable",
    "expected str", "has no attribute", "Expecting ", "Extra data", "safetensor", "HeaderTooLarge", "InvalidHeader",
)  # fmt: skip
"""Parts of messages of Python, numpy, HDF5 and other libraries, which no message for a person may quote."""
MAX_MESSAGE = 900


@dataclass(frozen=True)
class Outcome:
    """What became of one input."""

    number: int
    change: str
    verdict: str
    """``read``, ``refused``, or what is wrong."""
    message: str
    seconds: float
    megabytes: int


def check_message(message: str, names: list[str]) -> str:
    """Return what is wrong with a message; empty if nothing is."""
    text = message
    for name in names:
        text = text.replace(name, "")
    if quoted := [word for word in FOREIGN_WORDS if word in text]:
        return f"quotes {quoted[0]!r}"
    if "\n" in message.strip() or not message.strip() or len(message) > MAX_MESSAGE:
        return "is no clear sentence"
    return "" if any(name in message for name in names) else "names no file"


def hash_files(root: Path) -> dict[str, str]:
    """Return kind and content of everything in a folder by path."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path)] = f"link to {os.readlink(path)}"
        else:
            is_file = path.is_file()
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if is_file else str(path.is_dir())
    return found


def try_input(name: str, sample: Path, folder: Path, number: int, seed: int) -> Outcome:
    """Make one input and let the reader read it."""
    reader, rng = READERS[name], random.Random(f"{seed} {name} {number}")
    root = folder / "input"
    copy_sample(sample, root)
    target = rng.choice([path for pattern in reader.patterns for path in sorted(root.glob(pattern)) if path.is_file()])
    change = f"{target.relative_to(root)}: {change_file(target, rng)}"
    before, used = hash_files(root), time.process_time()
    message = ""
    try:
        message = reader.read(root, folder / "scratch") or ""
        verdict = "refused" if message else "read"
    except Exception as error:  # noqa: BLE001 - that is what is examined
        verdict, message = "refused", format_error(error)
        if not is_own_error(error) or type(error).__module__ == "builtins":
            verdict = f"raised {type(error).__name__}"
    seconds = time.process_time() - used
    if verdict == "refused" and (problem := check_message(message, [*reader.names, target.name, root.name])):
        verdict = f"message {problem}"
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    if seconds > MAX_SECONDS:
        verdict = f"took {seconds:.1f} s"
    elif megabytes > MAX_MB:
        verdict = f"needed {megabytes} MB"
    elif hash_files(root) != before:
        verdict = "changed a file"
    return Outcome(number, change, verdict, message, seconds, megabytes)


def run_child(name: str, numbers: range, seed: int, samples: Path) -> None:
    """Try inputs, and print one line of JSON before and after each."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["METAGUI_CACHE"], os.environ["METAGUI_RECORDINGS"] = str(folder / "cache"), str(folder / "none")
        copy_sample(samples / name, folder / "input")
        if problem := READERS[name].read(folder / "input", folder / "scratch"):
            raise SystemExit(f"{name}: the sound sample is refused: {problem}")
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM_BYTES, resource.RLIM_INFINITY))
        for number in numbers:
            print(json.dumps({"start": number}), flush=True)
            print(json.dumps(vars(try_input(name, samples / name, folder, number, seed))), flush=True)


def run_reader(name: str, numbers: range, seed: int, samples: Path) -> Iterator[Outcome]:
    """Yield what became of every input of a reader; a process that dies or hangs is replaced."""
    start = numbers.start
    while start < numbers.stop:
        command = [sys.executable, "-m", "benchmarks.hostile", "--child", name, "--samples", str(samples)]
        command += ["--seed", str(seed), "--range", str(start), str(numbers.stop)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)  # for select
        assert child.stdout is not None and child.stderr is not None  # noqa: PT018 - not a test
        current = None
        while select.select([child.stdout], [], [], PATIENCE_S)[0] and (line := child.stdout.readline()):
            values = json.loads(line)
            if "start" in values:
                current = values["start"]
            else:
                start, current = values["number"] + 1, None
                yield Outcome(**values)
        child.kill()
        error = child.stderr.read().decode(errors="replace")[-400:]
        child.wait()
        if current is not None:
            start = current + 1
            yield Outcome(current, "", f"ended its process or hung ({child.returncode})", error, 0.0, 0)
        elif start < numbers.stop:
            raise SystemExit(f"{name}: {error}")


def main() -> int:
    """Print a table of the readers and every input that does not pass; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--inputs", type=int, default=2000, help="number of inputs, for all readers together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", choices=list(READERS), action="append", help="only these readers")
    parser.add_argument("--only", type=int, help="number of a single input")
    add_json_option(parser)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--range", type=int, nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        run_child(given.child, range(*given.range), given.seed, given.samples)
        return 0
    names, failed, rows = given.reader or list(READERS), [], {}
    with tempfile.TemporaryDirectory() as samples:
        make_samples(Path(samples), names)
        for index, name in enumerate(names):
            count = given.inputs // len(names) + (index < given.inputs % len(names))
            numbers = range(count) if given.only is None else range(given.only, given.only + 1)
            found = list(run_reader(name, numbers, given.seed, Path(samples)))
            rows[name] = _summarise(found)
            failed += [(name, each) for each in found if each.verdict not in ("read", "refused")]
            if not given.json:
                print(f"{name:22}" + "".join(f"{key} {value}  " for key, value in rows[name].items()), flush=True)
        shutil.rmtree(samples, ignore_errors=True)
        Path(samples).mkdir()
    if given.json:
        print_report(_make_report(rows, [{"reader": n, **vars(each)} for n, each in failed], given.seed), as_json=True)
    for name, each in failed if not given.json else []:
        print(f"\n{name} {each.number} ({each.change}): {each.verdict}\n  {each.message[:400]}")
    total = Counter[str]()
    for row in rows.values():
        total.update({key: int(row[key]) for key in ("inputs", "read", "refused")})
    if not given.json:
        print(f"\n{total['inputs']} inputs: {total['read']} read, {total['refused']} refused, {len(failed)} not passed")
    return 1 if failed else 0


def _make_report(rows: dict[str, dict[str, Any]], failed: list[dict[str, Any]], seed: int) -> Report:
    """Return the results in the common form."""
    count = sum(int(row["inputs"]) for row in rows.values())
    figures = [
        summarise_rate("inputs that are read or refused in one sentence", count - len(failed), count, bar=100),
        Figure("longest time", max(float(row["s"]) for row in rows.values()), "s", bar=MAX_SECONDS),
        Figure("largest memory", max(float(row["MB"]) for row in rows.values()), "MB", bar=MAX_MB),
    ]
    return Report("hostile", figures, {"seed": seed}, details={"readers": rows, "failed": failed})


def _summarise(found: list[Outcome]) -> dict[str, Any]:
    """Return counts and maxima of one reader."""
    verdicts = Counter(each.verdict if each.verdict in ("read", "refused") else "not passed" for each in found)
    return {
        "inputs": len(found),
        **{key: verdicts[key] for key in ("read", "refused", "not passed")},
        "s": round(max((each.seconds for each in found), default=0.0), 2),
        "MB": max((each.megabytes for each in found), default=0),
    }


if __name__ == "__main__":
    sys.exit(main())
