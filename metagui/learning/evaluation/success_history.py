"""History of the success rates of a task's policies: a file next to the policy, one line per measurement."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

HISTORY_FILE_NAME = "success.jsonl"


@dataclass(frozen=True)
class SuccessRecord:
    """One measurement of one policy."""

    when: str
    """Local time, ISO 8601."""
    policy: str
    """Name of the policy, for users."""
    policy_id: str
    """Identifies the policy's file; empty for a policy without one."""
    seed: int
    """Seed of the scenes; negative for runs that were watched."""
    failures: tuple[str, ...]
    """As in ``SuccessCount``."""


def identify_policy(path: Path) -> str:
    """Return what identifies the content of a policy's file. Raises OSError."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def load_history(policy_path: Path) -> list[SuccessRecord]:
    """Return the measurements next to a policy, oldest first; damaged lines are left out."""
    found = (_parse(values) for values in load_lines(policy_path.parent / HISTORY_FILE_NAME))
    return [record for record in found if record is not None]


def append_history(policy_path: Path, *records: SuccessRecord) -> None:
    """Append measurements, also after a line that a power cut has shortened. Raises OSError."""
    append_lines(policy_path.parent / HISTORY_FILE_NAME, *map(asdict, records))


def load_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file's lines; damaged lines and missing files are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [values for values in found if isinstance(values, dict)]


def append_lines(path: Path, *values: dict[str, Any]) -> None:
    """Append objects as lines of JSON, also after a line that a power cut has shortened. Raises OSError."""
    is_cut = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
    text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in values)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * is_cut + text)
        file.flush()
        os.fsync(file.fileno())


def _parse(values: dict[str, Any]) -> SuccessRecord | None:
    try:
        record = SuccessRecord(**values | {"failures": tuple(map(str, values["failures"]))})
    except (ValueError, TypeError, KeyError):
        return None
    texts = (record.when, record.policy, record.policy_id)
    return record if all(isinstance(each, str) for each in texts) and isinstance(record.seed, int) else None
