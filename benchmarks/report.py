"""The common form in which benchmarks report: figures with median, spread and bar, printed as a table or as JSON.

A benchmark collects ``Figure`` objects in a ``Report`` and ends with ``print_report``. ``python -m benchmarks`` runs
benchmarks with ``--json``, finds the report at the end of what they print, and puts all of them in one document.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

REPORT_KEY = "benchmark"
"""Key that every report has and no other line of JSON."""


@dataclass(frozen=True)
class Figure:
    """One measured value, with its spread and the bar it is compared with."""

    name: str
    value: float
    """Median of what was measured, or a single value."""
    unit: str = ""
    low: float | None = None
    """Lower quartile; None if there is no spread. The lower end of the interval if the value is a rate."""
    high: float | None = None
    """Upper quartile, or the upper end."""
    count: int = 1
    """Number of repetitions or episodes."""
    bar: float | None = None
    """Value that is aimed at, in the same unit; None if there is none."""
    at_least: bool = False
    """True if larger is better, so that the bar is a minimum; otherwise it is a maximum."""

    @property
    def is_met(self) -> bool | None:
        """True if the bar is met, None if there is none; a value that is not finite misses it."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    @property
    def missed_by(self) -> float:
        """How far the bar is missed, as a fraction of it (of 1 if it is 0); 0 if it is met or there is none."""
        if self.is_met is not False or self.bar is None:
            return 0.0
        gap = abs(self.value - self.bar)
        return gap / abs(self.bar) if self.bar else gap

    def describe_bar(self) -> str:
        """Return the bar and whether it is met, as a text."""
        if self.bar is None:
            return ""
        bar = f"{'≥' if self.at_least else '≤'} {format_number(self.bar)}"
        if self.is_met:
            return f"{bar}: met"
        return f"{bar}: missed by {self.missed_by:.0%}" if self.bar else f"{bar}: missed"

    def to_dict(self) -> dict[str, Any]:
        """Return the figure with what follows from it."""
        found = asdict(self)
        if self.bar is not None:
            found |= {"met": self.is_met, "missed_by": self.missed_by}
        return found


@dataclass
class Report:
    """What one benchmark measured."""

    benchmark: str
    figures: list[Figure] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    """Seeds, sizes and other options."""
    skipped: dict[str, str] = field(default_factory=dict)
    """What was not measured, with the reason."""
    details: Any = None
    """Further results in a form of the benchmark's own."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON value."""
        found = {REPORT_KEY: self.benchmark, "figures": [each.to_dict() for each in self.figures]}
        return found | {"settings": self.settings, "skipped": self.skipped, "details": self.details}


def summarise(
    name: str, samples: Sequence[float], unit: str = "", bar: float | None = None, *, at_least: bool = False
) -> Figure:
    """Return the median and the quartiles of repeated measurements."""
    low, median, high = (float(each) for each in np.quantile(samples, (0.25, 0.5, 0.75)))
    return Figure(name, median, unit, low, high, len(samples), bar, at_least)


def summarise_rate(name: str, successes: int, count: int, bar: float | None = None) -> Figure:
    """Return a success rate in per cent with its 95 % Wilson interval; ``bar`` is a minimum, per cent."""
    z, rate = 1.96, successes / count
    centre, half = rate + z * z / (2 * count), z * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    low, high = (min(100.0, max(0.0, (centre + sign * half) / (1 + z * z / count) * 100)) for sign in (-1, 1))
    return Figure(name, rate * 100, "%", low, high, count, bar, at_least=True)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option with which ``python -m benchmarks`` calls a benchmark."""
    parser.add_argument("--json", action="store_true", help="print the report as one JSON document")


def print_report(report: Report, as_json: bool) -> None:
    """Print the report: one line of JSON, or one line per figure."""
    if as_json:
        print(json.dumps(_replace_infinite(report.to_dict())), flush=True)
        return
    print("\n".join(format_figures(report.figures)))
    for name, reason in report.skipped.items():
        print(f"{name}: not measured, because {reason}")


def format_figures(figures: Sequence[Figure]) -> list[str]:
    """Return one line per figure: name, value, spread, number of measurements, bar."""
    width = max((len(each.name) for each in figures), default=0)
    return [
        f"{each.name:{width}}  {format_number(each.value):>10} {each.unit:5} {_format_spread(each):22} "
        f"{each.describe_bar()}".rstrip()
        for each in figures
    ]


def parse_report(output: str) -> Report | None:
    """Return the report at the end of what a benchmark printed; None if there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith("{") and REPORT_KEY in (found := _parse_line(line)):
            known = Figure.__dataclass_fields__
            figures = [Figure(**{k: v for k, v in each.items() if k in known}) for each in found["figures"]]
            return Report(found[REPORT_KEY], figures, found["settings"], found["skipped"], found["details"])
    return None


def format_number(value: float | None) -> str:
    """Return a value with three significant digits, without an exponent where it can be read without."""
    if value is None:
        return "none"
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}" if digits <= 6 else f"{value:.1e}"


def _format_spread(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return f"n={figure.count}" if figure.count > 1 else ""
    return f"{format_number(figure.low)}-{format_number(figure.high)} n={figure.count}"


def _parse_line(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _replace_infinite(value: Any) -> Any:
    """Return a JSON value with None for numbers that are not finite, which JSON does not have."""
    if isinstance(value, dict):
        return {str(key): _replace_infinite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_infinite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
