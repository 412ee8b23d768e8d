"""LeRobot data sets as LeRobot itself writes them, and a check of one against its published format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

_NAMES = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
JOINTS = [f"{name}.pos" for name in _NAMES]
STATISTICS = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}


def make_motion(frames: int, seed: int) -> np.ndarray:
    """Return joint values (frames, 6) float32 in LeRobot's degrees: a smooth motion."""
    rng = np.random.default_rng(seed)
    start, stop = rng.uniform(-40, 40, 6), rng.uniform(-40, 40, 6)
    start[-1], stop[-1] = 10, 60
    ease = (1 - np.cos(np.linspace(0, np.pi, frames)))[:, None] / 2
    return (start + ease * (stop - start)).astype(np.float32)


def write_v30(root: Path, lengths: tuple[int, ...] = (30, 40), fps: int = 30, **changes: Any) -> Path:
    """Write a data set of version 3.0, as LeRobot's recorder for an SO-101 without cameras does."""
    rows = [row for index, length in enumerate(lengths) for row in _make_rows(index, length, fps)]
    for number, row in enumerate(rows):
        row["index"] = number
    _write_table(root / "data/chunk-000/file-000.parquet", rows)
    starts = np.cumsum([0, *lengths]).tolist()
    episodes = [
        {"episode_index": i, "tasks": ["Put the cube away"], "length": n, "data/chunk_index": 0, "data/file_index": 0,
         "dataset_from_index": starts[i], "dataset_to_index": starts[i + 1]}
        for i, n in enumerate(lengths)
    ]  # fmt: skip
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(episodes), path)
    tasks = pa.table({"task_index": [0], "__index_level_0__": ["Put the cube away"]})
    pandas = json.dumps({"index_columns": ["__index_level_0__"], "columns": [], "column_indexes": []})
    pq.write_table(tasks.replace_schema_metadata({"pandas": pandas}), root / "meta/tasks.parquet")
    _write_info(root, "v3.0", lengths, fps, changes)
    return root


def write_v21(root: Path, lengths: tuple[int, ...] = (30, 40), fps: int = 30, **changes: Any) -> Path:
    """Write a data set of version 2.1."""
    for index, length in enumerate(lengths):
        _write_table(root / f"data/chunk-000/episode_{index:06d}.parquet", _make_rows(index, length, fps))
    (root / "meta").mkdir(parents=True)
    episodes = [{"episode_index": i, "tasks": ["Put the cube away"], "length": n} for i, n in enumerate(lengths)]
    (root / "meta/episodes.jsonl").write_text("".join(json.dumps(each) + "\n" for each in episodes))
    (root / "meta/tasks.jsonl").write_text(json.dumps({"task_index": 0, "task": "Put the cube away"}) + "\n")
    _write_info(root, "v2.1", lengths, fps, changes)
    return root


def _make_rows(episode: int, length: int, fps: int) -> list[dict[str, Any]]:
    states = make_motion(length, episode)
    actions = np.concatenate([states[1:], states[-1:]])
    return [
        {"action": actions[k].tolist(), "observation.state": states[k].tolist(), "timestamp": k / fps, "frame_index": k,
         "episode_index": episode, "index": k, "task_index": 0}
        for k in range(length)
    ]  # fmt: skip


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    vector = pa.list_(pa.float32(), 6)
    types = {"action": vector, "observation.state": vector, "timestamp": pa.float32()}
    types |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), pa.int64())
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(list(types.items()))), path)


def _write_info(root: Path, version: str, lengths: tuple[int, ...], fps: int, changes: dict[str, Any]) -> None:
    vector = {"dtype": "float32", "shape": [6], "names": JOINTS}
    scalar = {"dtype": "int64", "shape": [1], "names": None}
    features = {"action": vector, "observation.state": vector, "timestamp": scalar | {"dtype": "float32"}}
    features |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), scalar)
    info = {
        "codebase_version": version, "robot_type": "so101_follower", "total_episodes": len(lengths),
        "total_frames": sum(lengths), "total_tasks": 1, "chunks_size": 1000, "fps": fps, "features": features,
        "splits": {"train": f"0:{len(lengths)}"}, "data_path": "../../outside.parquet", "video_path": None,
    }  # fmt: skip
    (root / "meta/info.json").write_text(json.dumps(info | changes, indent=4))


def check_v30(root: Path) -> dict[str, Any]:
    """Assert that a data set keeps the published format of version 3.0; return its description."""
    info = json.loads((root / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert isinstance(info["fps"], int)
    data = pa.concat_tables([pq.read_table(path) for path in sorted(root.glob("data/*/*.parquet"))])
    episodes = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert info["total_frames"] == data.num_rows
    assert info["total_episodes"] == len(episodes)
    numeric = {name: each for name, each in info["features"].items() if each["dtype"] != "video"}
    assert set(data.column_names) == set(numeric)
    for name, feature in numeric.items():
        _check_column(data.schema.field(name).type, feature)
    assert data["index"].to_pylist() == list(range(data.num_rows))
    expected = (data["frame_index"].to_numpy() / info["fps"]).astype(np.float32)
    np.testing.assert_array_equal(data["timestamp"].to_numpy(), expected)
    _check_tasks(root, info, data)
    _check_episodes(episodes, info, data)
    stats = json.loads((root / "meta/stats.json").read_text())
    assert set(stats) == set(info["features"])
    for name, each in stats.items():
        assert set(each) == STATISTICS
        size = [3, 1, 1] if info["features"][name]["dtype"] == "video" else info["features"][name]["shape"]
        assert list(np.shape(each["mean"])) == size
    return dict(info)


def _check_column(kind: Any, feature: dict[str, Any]) -> None:
    (size,) = feature["shape"]
    scalar = kind if size == 1 else kind.value_type
    assert str(scalar).replace("double", "float64").replace("float", "float32").startswith(feature["dtype"][:5])
    assert size == 1 or kind.list_size == size
    assert feature["names"] is None or len(feature["names"]) == size


def _check_tasks(root: Path, info: dict[str, Any], data: Any) -> None:
    """The tasks are the index of a pandas table; otherwise LeRobot reads the number 0 as the task."""
    tasks = pq.read_table(root / "meta/tasks.parquet")
    (index,) = json.loads(tasks.schema.metadata[b"pandas"])["index_columns"]
    assert index in tasks.column_names
    assert tasks["task_index"].to_pylist() == list(range(info["total_tasks"]))
    assert set(data["task_index"].to_pylist()) == set(range(info["total_tasks"]))


def _check_episodes(episodes: list[dict[str, Any]], info: dict[str, Any], data: Any) -> None:
    numbers = data["episode_index"].to_numpy()
    start = 0
    for index, row in enumerate(episodes):
        assert (row["episode_index"], row["dataset_from_index"]) == (index, start)
        start = row["dataset_to_index"]
        assert row["length"] == start - row["dataset_from_index"] == int((numbers == index).sum())
        assert {"data/chunk_index", "data/file_index", "tasks"} <= set(row)
        for name in info["features"]:
            assert {key.rsplit("/", 1)[1] for key in row if key.startswith(f"stats/{name}/")} == STATISTICS
