"""Store of small records in an SQLite file that is never the truth: a record that is lost is computed again.

The file is in the user's cache folder, so that libraries that are read-only or on a network drive have one as well.
Processes may share it. A file that is damaged, locked for long or of another version is emptied or not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from typing import TYPE_CHECKING

from metagui.file_lock import hold_lock
from metagui.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_PATIENCE_S = 2.0
"""Time to wait for another process that writes, s."""


class RecordStore:
    """Records by key, each with the version of what it describes. No method raises for a file that cannot be used."""

    def __init__(self, path: Path, schema: str) -> None:
        """Use the file ``path``; records that were written under another ``schema`` are deleted."""
        self.path, self._schema = path, schema

    @classmethod
    def for_folder(cls, folder: Path, kind: str, schema: str) -> RecordStore:
        """Return the store of a ``kind`` for the contents of a folder."""
        name = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        return cls(cache_dir() / kind / f"{name}.sqlite", schema)

    def read(self) -> dict[str, tuple[str, bytes]]:
        """Return version and value of every record by its key."""
        with contextlib.suppress(sqlite3.Error, OSError), self._connect() as connection:
            rows = connection.execute("SELECT key, version, value FROM records").fetchall()
            return {key: (version, value) for key, version, value in rows}
        return {}

    def write(self, records: Mapping[str, tuple[str, bytes]], removed: Iterable[str] = ()) -> None:
        """Add or replace records, and remove those with the keys ``removed``."""
        rows = [(key, version, value) for key, (version, value) in records.items()]
        with contextlib.suppress(sqlite3.Error, OSError, UnicodeEncodeError), self._connect() as connection:
            connection.executemany("DELETE FROM records WHERE key = ?", [(key,) for key in removed])
            connection.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", rows)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction. Raises sqlite3.Error, OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = self._open()
        except sqlite3.OperationalError:
            raise  # locked, or the disk refuses
        except sqlite3.DatabaseError:  # damaged
            self._delete()
            connection = self._open()
        with contextlib.closing(connection), connection:
            yield connection

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_PATIENCE_S)
        try:
            if not self._has_schema(connection):
                with hold_lock(self.path.with_suffix(".lock"), _PATIENCE_S):  # SQLite does not wait for the next line
                    connection.execute("PRAGMA journal_mode = WAL")
                    self._create_tables(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _has_schema(self, connection: sqlite3.Connection) -> bool:
        """Whether the tables are those of this schema, which is the name of one of them."""
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name for (name,) in found} == {self._schema, "records"}

    def _create_tables(self, connection: sqlite3.Connection) -> None:
        """Delete all tables of other schemas and create those of this one."""
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if self._has_schema(connection):  # another process was quicker
                return
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f'DROP TABLE "{name}"')
            connection.execute(f'CREATE TABLE "{self._schema}" (key TEXT)')
            connection.execute("CREATE TABLE records (key TEXT PRIMARY KEY, version TEXT, value BLOB) WITHOUT ROWID")

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
