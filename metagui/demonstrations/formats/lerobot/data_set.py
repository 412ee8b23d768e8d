"""Reading of LeRobot data sets of version 3.0, 2.1 and 2.0: the description, the episodes, and their frames.

Paths are LeRobot's own, never those that a file states; everything is checked before it is used.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metagui.demonstrations.formats.lerobot import layout
from metagui.demonstrations.formats.lerobot.parquet import ParquetFile
from metagui.demonstrations.formats.named_file import parse_json, read_json_file, read_text_file
from metagui.demonstrations.storage.errors import ContentError, NewerFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

READABLE_VERSIONS = ("v2.0", "v2.1", "v3.0")
LEGACY_DATA_PATH = "data/chunk-{chunk:03d}/episode_{episode:06d}.parquet"
LEGACY_EPISODES_PATH, LEGACY_TASKS_PATH = "meta/episodes.jsonl", "meta/tasks.jsonl"
MAX_EPISODES = 1_000_000


@dataclass(frozen=True)
class Feature:
    """One feature of ``meta/info.json``."""

    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class DataSetInfo:
    """Checked contents of ``meta/info.json``."""

    version: str
    fps: float
    robot_type: str
    features: dict[str, Feature]
    chunk_size: int


@dataclass(frozen=True)
class EpisodePlace:
    """One episode and where its frames are."""

    index: int
    task: str
    length: int
    file: str
    """Path of its data file in the data set."""


class LeRobotDataSet:
    """A data set on disk. Every method raises ContentError for what is not as expected, NewerFormatError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.info = _parse_info(self._read_json(layout.INFO_PATH))
        self._columns: tuple[str, dict[str, NDArray[Any]]] = ("", {})

    def list_episodes(self) -> list[EpisodePlace]:
        """Return all episodes in order."""
        found = self._list_legacy() if self.info.version.startswith("v2") else self._list_present()
        if len(found) > MAX_EPISODES:
            raise ContentError(f"it has {len(found)} episodes")
        return sorted(found, key=lambda episode: episode.index)

    def read_frames(self, episode: EpisodePlace, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        """Return columns of one episode's frames, those of ``names`` that the data set has."""
        if self._columns[0] != episode.file:
            self._columns = (episode.file, self._read_columns(episode.file, names))
        columns = self._columns[1]
        rows = columns["episode_index"].reshape(-1) == episode.index
        if int(rows.sum()) != episode.length:
            raise ContentError(
                f"episode {episode.index} has {int(rows.sum())} frames where {episode.length} are declared"
            )
        return {name: values[rows] for name, values in columns.items() if name != "episode_index"}

    def read_own_info(self) -> dict[str, Any] | None:
        """Return what metagui wrote about units and objects; None for a data set of another program."""
        if not (self.root / layout.OWN_INFO_PATH).exists():
            return None
        found = self._read_json(layout.OWN_INFO_PATH)
        version = found.get("format") if isinstance(found, dict) else None
        if not isinstance(version, int):
            raise ContentError(f"{layout.OWN_INFO_PATH} is damaged")
        if version > layout.OWN_FORMAT_VERSION:
            raise NewerFormatError(
                f"{self.root.name} was exported by a newer metagui (format {version}). Nothing was imported; update "
                "metagui to import it."
            )
        return dict(found)

    def _read_columns(self, file: str, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
        try:
            with ParquetFile(self.root / file) as found:
                present = [name for name in ("episode_index", *names) if name in found.names]
                columns = {name: found.read_numbers(name) for name in present}
        except ContentError as error:
            raise ContentError(f"{file}: {error}") from error
        if "episode_index" not in columns:
            raise ContentError(f"{file}: its column 'episode_index' is missing")
        for name, feature in self.info.features.items():
            width = columns[name].reshape(len(columns[name]), -1).shape[1] if name in columns else None
            if width is not None and width != math.prod(feature.shape):
                raise ContentError(
                    f"{file}: {name!r} has {width} numbers where {layout.INFO_PATH} says {feature.shape}"
                )
        return columns

    def _list_present(self) -> list[EpisodePlace]:
        """Return the episodes of version 3.0."""
        tasks = self._read_tasks()
        folder, found = self.root / "meta/episodes", []
        for path in sorted(folder.glob("chunk-*/file-*.parquet")):
            label = path.relative_to(self.root)
            try:
                with ParquetFile(path) as file:
                    numbers = [
                        file.read_integers(name)
                        for name in ("episode_index", "length", "data/chunk_index", "data/file_index")
                    ]
                    texts = file.read_values("tasks") if "tasks" in file.names else [None] * file.row_count
            except ContentError as error:
                raise ContentError(f"{label}: {error}") from error
            for index, length, chunk, number, own in zip(*numbers, texts, strict=True):
                data = layout.DATA_PATH.format(chunk_index=chunk, file_index=number)
                found.append(EpisodePlace(index, _choose_task(own, tasks), length, data))
        if not found:
            raise ContentError("meta/episodes has no episodes")
        return found

    def _read_tasks(self) -> list[str]:
        path = self.root / layout.TASKS_PATH
        if not path.exists():
            return []
        with ParquetFile(path) as file:
            names = [name for name in file.names if name != "task_index"]
            return [str(text) for text in file.read_values(names[0])] if names else []

    def _list_legacy(self) -> list[EpisodePlace]:
        """Return the episodes of versions 2.0 and 2.1."""
        tasks = [str(each.get("task", "")) for each in self._read_lines(LEGACY_TASKS_PATH)]
        found = []
        for values in self._read_lines(LEGACY_EPISODES_PATH):
            index, length = values.get("episode_index"), values.get("length")
            if type(index) is not int or type(length) is not int or index < 0:
                raise ContentError(f"{LEGACY_EPISODES_PATH} is damaged")
            data = LEGACY_DATA_PATH.format(chunk=index // self.info.chunk_size, episode=index)
            found.append(EpisodePlace(index, _choose_task(values.get("tasks"), tasks), length, data))
        return found

    def _read_lines(self, name: str) -> list[dict[str, Any]]:
        try:
            lines = read_text_file(self.root / name).splitlines()
            values = [parse_json(line) for line in lines if line.strip()]
        except ContentError as error:
            raise ContentError(f"{name}: {error}") from error
        if not all(isinstance(each, dict) for each in values):
            raise ContentError(f"{name} is damaged")
        return values

    def _read_json(self, name: str) -> Any:
        try:
            return read_json_file(self.root / name)
        except ContentError as error:
            raise ContentError(f"{name}: {error}") from error


def find_data_set(path: Path) -> Path | None:
    """Return the folder of the data set that ``path`` is, or is part of; None if there is none."""
    for folder in (path, *path.parents)[:6]:
        with contextlib.suppress(OSError, ValueError):
            if (folder / layout.INFO_PATH).is_file():
                return folder
    return None


def _choose_task(own: Any, tasks: list[str]) -> str:
    """Return the task of an episode: its own first one, else the only one of the data set."""
    texts = [own] if isinstance(own, str) else own if isinstance(own, list) else []
    found = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
    return found[0] if found else (tasks[0].strip() if len(tasks) == 1 else "")


def _parse_info(values: Any) -> DataSetInfo:
    """Return the checked contents of ``meta/info.json``. Raises ContentError, NewerFormatError."""
    if not isinstance(values, dict) or not isinstance(values.get("codebase_version"), str):
        raise ContentError(f"{layout.INFO_PATH} does not describe a LeRobot data set")
    version, fps, features = values["codebase_version"], values.get("fps"), values.get("features")
    _check_version(version)
    if not isinstance(fps, int | float) or isinstance(fps, bool) or not 0 < fps < 100_000:
        raise ContentError(f"{layout.INFO_PATH}: fps is {json.dumps(fps)[:40]}, not a number above 0")
    if not isinstance(features, dict):
        raise ContentError(f"{layout.INFO_PATH} has no features")
    chunk_size = values.get("chunks_size", layout.FILES_PER_CHUNK)
    if type(chunk_size) is not int or chunk_size < 1:
        raise ContentError(f"{layout.INFO_PATH}: chunks_size is {json.dumps(chunk_size)[:40]}")
    parsed = {str(name): _parse_feature(str(name), each) for name, each in features.items()}
    return DataSetInfo(version, float(fps), str(values.get("robot_type") or "unknown"), parsed, chunk_size)


def _check_version(version: str) -> None:
    if version in READABLE_VERSIONS:
        return
    parts = version.removeprefix("v").split(".")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 6]
    if not numbers:
        raise ContentError(f"{layout.INFO_PATH} has the version {version[:40]!r}")
    if numbers >= [2]:
        raise NewerFormatError(
            f"The data set has LeRobot's format {version[:40]}; this version of metagui reads "
            f"{', '.join(READABLE_VERSIONS)}. Nothing was imported; update metagui, or convert the data set."
        )
    raise ContentError(f"it has LeRobot's format {version[:40]}; convert it to v3.0 with LeRobot's scripts first")


def _parse_feature(name: str, values: Any) -> Feature:
    shape = values.get("shape") if isinstance(values, dict) else None
    if not isinstance(shape, list) or not all(type(each) is int and each >= 0 for each in shape):
        raise ContentError(f"{layout.INFO_PATH}: the feature {name[:60]!r} has no shape")
    return Feature(str(values.get("dtype")), tuple(shape), _flatten_names(values.get("names")))


def _flatten_names(names: Any) -> tuple[str, ...] | None:
    """Return names as LeRobot's versions write them: a list, or a list in a dictionary."""
    if isinstance(names, dict) and names:
        names = next(iter(names.values()))
    if isinstance(names, list) and names and all(isinstance(each, str) for each in names):
        return tuple(names)
    return None
