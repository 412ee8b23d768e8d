"""Tables by name: JSON files in the user's settings, which a person may write or another program may damage."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from metagui.arms.tables.object_codec import object_from_dict, object_to_dict
from metagui.arms.tables.table import DEFAULT_TABLE, MAX_OBJECTS, Table, TableError
from metagui.atomic_write import write_atomically
from metagui.checked_json import FileReasonError, read_json

DEFAULT_TABLE_NAME = "default"
"""Name of the table that cannot be replaced or deleted."""
TABLE_FORMAT_VERSION = 1
"""Format version of table files."""
_SUFFIX = ".json"
_TABLE_NAME_PATTERN = re.compile(r"\w[\w .+-]{0,59}")


class TableStore:
    """Stores tables by name in ``folder``, one file each; the default table is always there."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or user_config_path("metagui") / "tables"

    def list_names(self) -> tuple[str, ...]:
        """Return the names of all tables, the default one first, damaged ones included."""
        try:
            files = sorted(path.stem for path in self.folder.glob(f"*{_SUFFIX}") if _is_table_name(path.stem))
        except OSError:
            files = []
        return (DEFAULT_TABLE_NAME, *(name for name in files if name.casefold() != DEFAULT_TABLE_NAME))

    def load(self, name: str) -> Table:
        """Return a stored table. Raises TableError, which lists the names or states the reason."""
        if name == DEFAULT_TABLE_NAME:
            return DEFAULT_TABLE
        if name not in self.list_names():
            raise TableError(
                f"There is no table {name!r}. Nothing was changed; choose from {', '.join(self.list_names())}, or give "
                "the path of a file that ends in .json."
            )
        return load_table(self._path(name))

    def save(self, name: str, table: Table) -> Path:
        """Store a table under a name, in place of an older one; return its file. Raises TableError."""
        check_table_name(name)
        path = self._path(name)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_table(path, table)
        except OSError as error:
            raise TableError(
                f"The table {name!r} was not stored: the disk refuses to write {path} ({error.strerror or error}). "
                "Older tables are as they were; free some space or check the folder's permissions."
            ) from error
        return path

    def delete(self, name: str) -> None:
        """Delete a stored table. Raises TableError."""
        if name == DEFAULT_TABLE_NAME or name not in self.list_names():
            reason = "is always there" if name == DEFAULT_TABLE_NAME else "does not exist"
            raise TableError(f"The table {name!r} {reason}, so it cannot be deleted. Nothing was changed.")
        try:
            self._path(name).unlink()
        except OSError as error:
            raise TableError(
                f"The table {name!r} was not deleted ({error.strerror or error}). Nothing was changed; check the "
                "permissions of its folder."
            ) from error

    def resolve(self, name_or_path: str) -> Table:
        """Return the table with a name, or of a file if the text ends in ``.json``. Raises TableError."""
        if name_or_path.endswith(_SUFFIX):
            return load_table(Path(name_or_path).expanduser())
        return self.load(name_or_path)

    def find_name(self, table: Table) -> str | None:
        """Return the name under which an equal table is stored, None if there is none."""
        for name in self.list_names():
            try:
                if self.load(name) == table:
                    return name
            except TableError:
                continue
        return None

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


def check_table_name(name: str) -> None:
    """Raise TableError unless ``name`` is valid for a table and its file."""
    if not _is_table_name(name):
        raise TableError(
            f"{name[:80]!r} cannot name a table. Nothing was changed; use letters, digits, spaces and -, _, + or a dot."
        )
    if name.casefold() == DEFAULT_TABLE_NAME:
        raise TableError("The default table cannot be replaced. Nothing was changed; choose another name.")


def load_table(path: Path) -> Table:
    """Return the table of a file. Raises TableError with the reason."""
    try:
        return _parse_table(read_json(path))
    except (FileReasonError, TableError) as error:
        reason = str(error).split(" Nothing was changed", maxsplit=1)[0].rstrip(".")
        raise TableError(
            f"{path} cannot be used as a table: {reason[:1].lower() + reason[1:]}. Nothing was changed; correct the "
            "file, or make the table again."
        ) from error


def save_table(path: Path, table: Table) -> None:
    """Write a file that ``load_table`` reads. Raises OSError."""
    rows = ",\n  ".join(json.dumps(object_to_dict(each)) for each in table.objects)
    text = f'{{"format": {TABLE_FORMAT_VERSION}, "objects": [\n  {rows}\n]}}\n'
    write_atomically(path, text.encode("utf-8"), replace=True)


def _parse_table(document: Any) -> Table:
    """Return the table of a file's contents. Raises FileReasonError, TableError."""
    if not isinstance(document, dict) or not isinstance(document.get("objects"), list):
        raise FileReasonError("it needs an object with a list called objects")
    if document.get("format") != TABLE_FORMAT_VERSION:
        found = repr(document.get("format"))[:40]
        raise FileReasonError(f"it has the format {found}; this metagui reads format {TABLE_FORMAT_VERSION}")
    entries = document["objects"]
    if len(entries) > MAX_OBJECTS:
        raise FileReasonError(f"it lists {len(entries)} objects; a table has at most {MAX_OBJECTS}")
    objects = []
    for index, entry in enumerate(entries):
        try:
            objects.append(object_from_dict(entry))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise FileReasonError(
                f"object {index + 1} needs a name, a kind, a colour (three numbers) and dimensions (three numbers, m)"
            ) from error
    return Table(tuple(objects))


def _is_table_name(name: str) -> bool:
    return bool(_TABLE_NAME_PATTERN.fullmatch(name)) and name == name.strip(" .")
