"""Log file of episodes, one line per program, so that a killed evaluation can continue."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from metagui.learning.evaluation.success_rates import Episode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class EpisodeLogError(Exception):
    """An episode log belongs to another evaluation, or cannot be read."""


class EpisodeLog:
    """JSON lines: the configuration of the evaluation, then each program's name and episodes."""

    def __init__(self, path: Path, configuration: Mapping[str, Any]) -> None:
        """Open or create a log. Raises EpisodeLogError if it has another configuration, OSError."""
        self._path = path
        self.episodes_by_program: dict[str, list[Episode]] = {}
        header = json.loads(json.dumps({"measured": dict(configuration)}))
        if path.exists() and path.stat().st_size:
            self._read(header)
        else:
            path.write_text(json.dumps(header) + "\n", encoding="utf-8")

    def _read(self, header: dict[str, Any]) -> None:
        try:
            text = self._path.read_text(encoding="utf-8")
            first, *lines = text.split("\n")
            if json.loads(first) != header:
                raise EpisodeLogError(
                    f"{self._path} was measured with other programs, priors or settings. Nothing was changed; choose "
                    "another file, or delete that one."
                )
            for line in lines[:-1]:
                row = json.loads(line)
                self.episodes_by_program[row["program"]] = [Episode(**episode) for episode in row["episodes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise EpisodeLogError(
                f"{self._path} is not an episode log ({error}). Nothing was changed; choose another file."
            ) from error
        if lines[-1]:  # killed while writing: that program is run again
            self._path.write_text(text[: -len(lines[-1])], encoding="utf-8")

    def append(self, program: str, episodes: Sequence[Episode]) -> None:
        """Append a program's episodes. Raises OSError."""
        line = json.dumps({"program": program, "episodes": [asdict(episode) for episode in episodes]})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.episodes_by_program[program] = list(episodes)
