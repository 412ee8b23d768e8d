"""All benchmarks in one run: ``python -m benchmarks`` (quick), ``python -m benchmarks --full`` (hours).

Each table runs in a process of its own, one after the other. What a table printed is kept in ``build/benchmarks``, so
that a run that was stopped goes on where it was, as long as the commit is the same; ``--again`` repeats what is there.
At the end all figures are printed with median, quartiles and bar, and are together in one JSON document.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Figure, format_figures, parse_report
from metagui.atomic_write import write_atomically

ROOT = Path(__file__).resolve().parents[1]
REPORTED_PACKAGES = ("metagui", "torch", "numpy", "mujoco", "h5py", "PySide6_Essentials", "pyqtgraph")
KEPT_OUTPUT = 12_000
"""Characters of a table's output that the document contains, if the table has no figures."""


@dataclass(frozen=True)
class Table:
    """A benchmark, and how it is called."""

    name: str
    quick: str | None
    """Options of a quick run; None if it is part of the full one only."""
    full: str
    module: str = ""
    """Module below ``benchmarks``; the table's name if empty."""
    minutes: float = 15.0
    """Time after which the quick run is ended; the full one may take eight times as long."""

    def make_command(self, full: bool) -> list[str]:
        """Return the command with its options."""
        options = self.full if full else self.quick or ""
        return [sys.executable, "-m", f"benchmarks.{self.module or self.name}", *options.split()]

    def exists(self) -> bool:
        """Return whether the benchmark's module is there."""
        return importlib.util.find_spec(f"benchmarks.{self.module or self.name}") is not None


TABLES = (
    Table("meta_step", "--quick --repetitions 9 --json", "--repetitions 40 --json"),
    Table("adaptation", "--repetitions 3 --json", "--repetitions 9 --json"),
    Table("similarity_speed", "--tasks 20 --repetitions 5 --json", "--json"),
    Table("responsiveness", "--seconds 5 --json", "--seconds 60 --json"),
    Table("bus", "--bursts 10 --json", "--json"),
    Table("library", "--takes 100 1000 --samples 1000 --repeats 5 --json", "--json"),
    Table("camera", "--pictures 20 --arms 100 --emulated 20 --json", "--json"),
    Table("eyes_chain", "--runs 1 --json", "--full --json"),
    Table("connects", "--count 600 --json", "--json"),
    Table("hand_guiding", "--poses 10 --forces 4 --json", "--json"),
    Table("poses", "--poses 20 --json", "--json"),
    Table("scale", "--programs 12 --steps 4 --json", "--json"),
    Table("hostile", "--inputs 400 --json", "--inputs 10000 --json"),
    Table("durability", "--kills 30 --disk-failures 8 --power-cuts 100 --json", "--json"),
    Table("fuzzing", "--seconds 60 --json", "--seconds 3600 --json"),
    Table("soak", "--minutes 3 --json", "--minutes 30 --json"),
    Table("real_arm", "--scenes 2", "--scenes 100"),
    Table("rehearsal", None, "--stride 3 --scenes 10"),
    Table("people, seed 0", None, "--people held-out --seed 0", "people"),
    Table("people, seed 1", None, "--people held-out --seed 1", "people"),
    Table("outlier_takes", None, ""),
    Table("small_library", None, "--tasks 10 --scenes 8 --seed 3"),
    Table("similarity", None, ""),
    Table("sinusoid", None, ""),
)


def main() -> int:
    """Run the tables, print all figures, and write the document; return 1 if a table did not end well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition(":")[0])
    parser.add_argument("--full", action="store_true", help="every table, with all repetitions: takes hours")
    parser.add_argument("--only", nargs="+", metavar="TABLE", help="run only these tables")
    parser.add_argument("--again", action="store_true", help="repeat tables whose results are there")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks", help="folder of the results")
    parser.add_argument("--check", action="store_true", help="end with status 1 if a bar is missed, too")
    parser.add_argument("--list", action="store_true", help="print the commands of the tables and end")
    given = parser.parse_args()
    tables = choose_tables(TABLES, given.full, given.only)
    if given.list:
        for table in tables:
            print(" ".join(("python", *table.make_command(given.full)[1:])))
        return 0
    mode = "full" if given.full else "quick"
    document = run_tables(tables, given.full, given.out / mode, given.again)
    target = given.out / f"{mode}.json"
    write_atomically(target, json.dumps(document, indent=2).encode(), replace=True)
    print("\n".join(["", *format_document(document), "", f"Written to {target}."]))
    has_failed = any(each["status"] != "done" for each in document["tables"].values())
    return int(has_failed or (given.check and bool(find_missed(document))))


def choose_tables(tables: tuple[Table, ...], full: bool, only: list[str] | None) -> list[Table]:
    """Return the tables of a run. Raises SystemExit if a name is unknown."""
    if unknown := set(only or ()) - {each.name for each in tables}:
        names = ", ".join(each.name for each in tables)
        raise SystemExit(f"There is no table {', '.join(sorted(unknown))}. The tables are: {names}.")
    return [each for each in tables if (each.name in only if only else full or each.quick is not None)]


def run_tables(tables: list[Table], full: bool, folder: Path, again: bool = False) -> dict[str, Any]:
    """Run tables one after the other; return the document."""
    folder.mkdir(parents=True, exist_ok=True)
    commit = describe_commit()
    found: dict[str, Any] = {}
    for number, table in enumerate(tables):
        path = folder / f"{table.name.replace(', ', '-').replace(' ', '-')}.json"
        command = table.make_command(full)
        earlier = None if again else _read_result(path, commit, command[1:])
        print(f"[{number + 1}/{len(tables)}] {table.name}{': measured before' if earlier else ' …'}", flush=True)
        if earlier is None:
            earlier = run_table(table, command, table.minutes * (8 if full else 1)) | {"commit": commit}
            write_atomically(path, json.dumps(earlier, indent=2).encode(), replace=True)
            print(f"      {earlier['status']} after {earlier['seconds']:.0f} s", flush=True)
        found[table.name] = earlier
    return {"machine": describe_machine(), "versions": list_versions(), "commit": commit, "tables": found}


def run_table(table: Table, command: list[str], minutes: float) -> dict[str, Any]:
    """Run one table; return its report, or what it printed if it has none."""
    environment = {"QT_QPA_PLATFORM": "offscreen", "OMP_NUM_THREADS": "1"} | os.environ
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    loaded, began = os.getloadavg()[0] if hasattr(os, "getloadavg") else None, time.perf_counter()
    status, output, error = "done", "", ""
    if not table.exists():
        status = "failed: there is no such benchmark"
    else:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=minutes * 60
            )
            output, error = done.stdout, done.stderr
            status = "done" if done.returncode == 0 else f"failed: ended with status {done.returncode}"
        except subprocess.TimeoutExpired:
            status = f"failed: not done after {minutes:.0f} min"
    report = parse_report(output)
    if report is not None:
        status = "done"  # with status 1 where a bar is missed, as the figures say
    found = {"command": command[1:], "status": status, "seconds": time.perf_counter() - began, "load_before": loaded}
    if report is not None:
        return found | {"report": report.to_dict()}
    return found | {"output": output[-KEPT_OUTPUT:], "error": error[-2000:] if status != "done" else ""}


def format_document(document: dict[str, Any]) -> list[str]:
    """Return all figures as lines, and then the bars that are missed."""
    machine = document["machine"]
    lines = [f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; commit {document['commit']}"]
    lines.append(", ".join(f"{name} {version}" for name, version in document["versions"].items()))
    for name, table in document["tables"].items():
        lines += ["", f"{name}: {table['status']}, {table['seconds']:.0f} s, python {' '.join(table['command'])}"]
        if "report" in table:
            lines += [f"  {line}" for line in format_figures(_read_figures(table))]
            lines += [f"  {what}: not measured, because {why}" for what, why in table["report"]["skipped"].items()]
        else:
            lines += [f"  {line}" for line in (table["output"] + table["error"]).splitlines()[-40:]]
    missed, bars = find_missed(document), sum(_count_bars(each) for each in document["tables"].values())
    lines += ["", f"{bars - len(missed)} of {bars} bars met" + (", missed:" if missed else "")]
    return lines + [f"  {name}: {figure.name}, {figure.describe_bar()}" for name, figure in missed]


def find_missed(document: dict[str, Any]) -> list[tuple[str, Figure]]:
    """Return table and figure of every bar that is missed."""
    tables = document["tables"].items()
    return [(name, each) for name, table in tables for each in _read_figures(table) if each.is_met is False]


def describe_commit() -> str:
    """Return the commit, with “changed” if files differ from it; "unknown" outside a checkout."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=-changed", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory and system."""
    processor, memory = platform.processor(), None
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
        memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    except (OSError, ValueError, IndexError):
        pass
    return {
        "processor": processor or "unknown processor",
        "cores": os.cpu_count(),
        "memory_mb": memory,
        "system": platform.platform(),
        "python": platform.python_version(),
        "nice": os.nice(0) if hasattr(os, "nice") else None,
    }


def list_versions() -> dict[str, str]:
    """Return the versions of the packages on which the figures depend."""
    found = {}
    for name in REPORTED_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _read_result(path: Path, commit: str, command: list[str]) -> dict[str, Any] | None:
    """Return an earlier result of the same command and commit that ended well; None if there is none."""
    try:
        found = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None
    is_same = found.get("commit") == commit and found.get("command") == command and "changed" not in commit
    return found if is_same and found.get("status") == "done" else None


def _read_figures(table: dict[str, Any]) -> list[Figure]:
    known = Figure.__dataclass_fields__
    figures = table.get("report", {}).get("figures", [])
    return [Figure(**{key: value for key, value in each.items() if key in known}) for each in figures]


def _count_bars(table: dict[str, Any]) -> int:
    return sum(each.bar is not None for each in _read_figures(table))


if __name__ == "__main__":
    sys.exit(main())
