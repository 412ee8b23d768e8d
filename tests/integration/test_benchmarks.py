"""``python -m benchmarks``: it runs tables in processes of their own, keeps their results, and names missed bars."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import pytest

from benchmarks import __main__ as runner
from benchmarks.__main__ import TABLES, Table, choose_tables, find_missed, format_document, run_tables
from benchmarks.report import Figure, Report, format_figures, parse_report, print_report, summarise, summarise_rate

if TYPE_CHECKING:
    from pathlib import Path

CONNECTS = Table("connects", "--count 9 --json", "")


def test_figure_says_by_how_much_a_bar_is_missed() -> None:
    slow, fast = Figure("time", 300.0, "ms", bar=200.0), Figure("ratio", 9.0, bar=6.0, at_least=True)
    assert (slow.is_met, slow.missed_by, fast.is_met, fast.missed_by) == (False, 0.5, True, 0.0)
    assert "≤ 200: missed by 50%" in format_figures([slow])[0]
    assert "≥ 6.00: met" in format_figures([fast])[0]
    assert Figure("time", math.nan, bar=1.0).is_met is False


def test_summaries_have_median_and_spread() -> None:
    assert summarise("time", [1, 2, 3, 4, 100]) == Figure("time", 3.0, low=2.0, high=4.0, count=5)
    rate = summarise_rate("success", 20, 20, bar=95)
    assert (rate.value, rate.high, rate.is_met) == (100.0, pytest.approx(100.0), True)
    assert rate.low == pytest.approx(83.9, abs=0.1)


def test_report_is_read_from_the_end_of_an_output(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("x", [Figure("a", 1.0, bar=2.0), Figure("b", 2.5, "ms", 2.0, 3.0, 7)], {"seed": 3}, {"y": "none"})
    sys.stdout.write('{"not": "a report"}\n{ neither\n')
    print_report(report, as_json=True)
    sys.stdout.write("the end\n")
    assert parse_report(capsys.readouterr().out) == report
    print_report(Report("x", [Figure("a", math.nan)]), as_json=True)
    assert "NaN" not in capsys.readouterr().out
    assert parse_report("nothing\n{}\n[]") is None


def test_every_table_exists_and_accepts_its_options() -> None:
    """Options are looked for in the source; each name is there once."""
    assert len({table.name for table in TABLES}) == len(TABLES)
    for table in TABLES:
        assert table.exists(), table.name
        source = (runner.ROOT / "benchmarks" / f"{table.module or table.name}.py").read_text(encoding="utf-8")
        for option in f"{table.quick or ''} {table.full}".split():
            if option == "--json":
                assert "add_json_option(parser)" in source, table.name
            elif option.startswith("--"):
                assert f'"{option}"' in source, (table.name, option)


def test_run_keeps_results_of_the_same_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "describe_commit", lambda: "one")
    first = run_tables([CONNECTS], full=False, folder=tmp_path)
    table = first["tables"]["connects"]
    assert table["status"] == "done"
    assert table["report"]["figures"][0]["count"] == 9
    assert find_missed(first) == []
    assert run_tables([CONNECTS], full=False, folder=tmp_path)["tables"]["connects"] == table
    monkeypatch.setattr(runner, "describe_commit", lambda: "two")
    assert run_tables([CONNECTS], full=False, folder=tmp_path)["tables"]["connects"]["seconds"] != table["seconds"]


def test_table_that_fails_does_not_end_the_run(tmp_path: Path) -> None:
    tables = [Table("none", "", "", "there_is_none"), Table("wrong", "--cuont 9", "", "connects"), CONNECTS]
    document = run_tables(tables, full=False, folder=tmp_path)
    assert [each["status"][:6] for each in document["tables"].values()] == ["failed", "failed", "done"]
    assert "--cuont" in document["tables"]["wrong"]["error"]
    text = "\n".join(format_document(document))
    assert "there is no such benchmark" in text
    assert "1 of 1 bars met" in text
    json.dumps(document)


def test_missed_bar_is_named_with_its_table() -> None:
    figures = [Figure("p99", 3.0, "ms", bar=2.0), Figure("p50", 1.0, "ms", bar=2.0)]
    table = {"status": "done", "seconds": 1.0, "command": ["-m", "x"], "report": Report("x", figures).to_dict()}
    document = {"machine": runner.describe_machine(), "versions": {}, "commit": "c", "tables": {"x": table}}
    assert [(name, each.name) for name, each in find_missed(document)] == [("x", "p99")]
    assert format_document(document)[-2:] == ["1 of 2 bars met, missed:", "  x: p99, ≤ 2.00: missed by 50%"]


def test_tables_are_chosen_by_name() -> None:
    assert {table.quick is None for table in choose_tables(TABLES, full=False, only=None)} == {False}
    assert len(choose_tables(TABLES, full=True, only=None)) == len(TABLES)
    assert [each.name for each in choose_tables(TABLES, full=False, only=["rehearsal", "bus"])] == ["bus", "rehearsal"]
    with pytest.raises(SystemExit, match="no table nothing"):
        choose_tables(TABLES, full=False, only=["nothing"])
