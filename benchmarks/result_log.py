"""Results of a long benchmark as JSON lines in a file, so that a killed run continues where it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path


class ResultLog:
    """Rows of one benchmark run, read from a file and appended to it; without a file they are only printed.

    ``about`` says what was measured with which options: the first line of the file. Raises SystemExit if the file was
    made with others.
    """

    def __init__(self, path: Path | None, about: Mapping[str, Any]) -> None:
        self._path = path
        self.rows: list[dict[str, Any]] = []
        """The rows of an earlier run."""
        header = json.dumps({"about": about}, sort_keys=True)
        if path is None:
            return
        lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
        if len(lines) < 2:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(header + "\n", encoding="utf-8")
        elif lines[0] != header:
            raise SystemExit(
                f"{path} holds results of other options or of another prior. Nothing was changed; name another file "
                "with --resume, or remove that one."
            )
        else:  # the last line may have been cut off when the run was killed
            self.rows = [json.loads(line) for line in lines[1:-1]]
            path.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")

    def find_known(self, *names: str) -> set[tuple[Hashable, ...]]:
        """Return the values of some columns in all rows of the earlier run."""
        return {tuple(row[name] for name in names) for row in self.rows}

    def add(self, row: Mapping[str, Any]) -> None:
        """Print a row and store it."""
        line = json.dumps(row)
        print(line, flush=True)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
