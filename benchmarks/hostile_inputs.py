"""Damaged, hostile and foreign inputs: sound samples of every format, and random changes of them by seed."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import shutil
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, Any, cast

import h5py
import numpy as np

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

FOREIGN = (
    b"", b"\x00" * 4096, b"{}", b"[]", b"null", b"NaN", b"{" * 100_000, b"[" * 100_000, b'{"a": 1e999}',
    b"\xff\xfe{\x00",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", b"PAR1" + bytes(99) + b"PAR1",
    b"PK\x03\x04" + bytes(99), b"\x1f\x8b" + bytes(99), b"\x89HDF\r\n\x1a\n" + bytes(999), b"\x89MCAP0\r\n" + bytes(99),
    b"\x80\x04\x95" + bytes(99), b"\x89PNG\r\n\x1a\n" + bytes(99), b"\x00\x00\x00\x20ftypisom" + bytes(99),
    b"SQLite format 3\x00" + bytes(99), b"#!/bin/sh\nexit 1\n", b"%PDF-1.7\n", b"a,b\n1,2\n", "ünï".encode("utf-16"),
    struct.pack("<Q", 1 << 62) + b"{}", struct.pack("<Q", 2) + b"{}", b"\x93NUMPY\x01\x00" + bytes(99),
)  # fmt: skip
"""Contents that another program may have written to a file of that name, or that a person may have mistaken for one."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 31, 1 << 63, 1 << 400, 1e308, float("nan"), float("inf"), "", "x" * 10_000, "\ud800",
    "\x00",
    "../../etc/passwd", [], {}, [[]], [None] * 1000, {"a": {"b": []}}, "nan", [1e308] * 9,
)  # fmt: skip
"""Values put in the place of others."""


def change_file(path: Path, rng: random.Random) -> str:
    """Replace a file by something that is damaged, hostile or foreign; return what was done."""
    content = path.read_bytes()
    ways: list[Callable[[Path, bytes, random.Random], str]] = [
        _cut,
        _flip,
        _flip_start,
        _insert,
        _put_foreign,
        _put_special,
    ]
    structured = _STRUCTURED.get(path.suffix)
    if structured is not None:
        ways += [structured] * 8
    for _ in range(9):
        done = rng.choice(ways)(path, content, rng)
        if done and (path.is_dir() or not path.is_file() or path.read_bytes() != content):
            return done
    path.write_bytes(b"")
    return "emptied"


def _cut(path: Path, content: bytes, rng: random.Random) -> str:
    length = rng.randrange(max(len(content), 1))
    path.write_bytes(content[:length])
    return f"cut to {length} bytes"


def _flip(path: Path, content: bytes, rng: random.Random, limit: int = 1 << 40) -> str:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3, 20, 200))):
        if changed:
            changed[rng.randrange(min(len(changed), limit))] = rng.choice((0, 255, rng.randrange(256)))
    path.write_bytes(changed)
    return "bytes changed"


def _flip_start(path: Path, content: bytes, rng: random.Random) -> str:
    return _flip(path, content, rng, 2048) + " at the start"


def _insert(path: Path, content: bytes, rng: random.Random) -> str:
    place, length = rng.randrange(len(content) + 1), rng.choice((1, 8, 512, 70_000))
    block = rng.choice((bytes(length), rng.randbytes(length), content[:length]))
    path.write_bytes(content[:place] + block + content[place + rng.choice((0, length)) :])
    return f"{length} bytes inserted or replaced"


def _put_foreign(path: Path, _content: bytes, rng: random.Random) -> str:
    path.write_bytes(rng.choice(FOREIGN))
    return "another program's content"


def _put_special(path: Path, _content: bytes, rng: random.Random) -> str:
    """Put a pipe, a folder or a link in the file's place."""
    path.unlink()
    kind = rng.choice(("pipe", "folder", "link to nowhere", "link to itself"))
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "link to itself" else path.with_name("nowhere"))
    return kind


# Formats


def change_value(document: Any, rng: random.Random) -> Any:
    """Return a JSON value with one value in it replaced, removed or added."""
    place, parent, key = document, None, cast("Any", None)
    while isinstance(place, dict | list) and place and (parent is None or rng.random() < 0.8):
        parent, key = place, rng.choice(list(place) if isinstance(place, dict) else range(len(place)))
        place = parent[key]
    if parent is None:
        return copy.deepcopy(rng.choice(VALUES))
    if rng.random() < 0.2:
        del parent[key]
    elif rng.random() < 0.1 and isinstance(parent, dict):
        parent["unknown key"] = copy.deepcopy(rng.choice(VALUES))
    else:
        parent[key] = copy.deepcopy(rng.choice(VALUES))
    return document


def _change_json(path: Path, content: bytes, rng: random.Random) -> str:
    document = json.loads(content)
    for _ in range(rng.choice((1, 1, 3))):
        document = change_value(document, rng)
    path.write_text(json.dumps(document))
    return "JSON value changed"


def _change_lines(path: Path, content: bytes, rng: random.Random) -> str:
    lines = content.decode().splitlines()
    index = rng.randrange(len(lines))
    lines[index] = rng.choice((json.dumps(change_value(json.loads(lines[index]), rng)), lines[index][:9], "", lines[0]))
    path.write_text("\n".join(lines))
    return "JSON line changed"


def _change_tensors(path: Path, content: bytes, rng: random.Random) -> str:
    """Change the header of a safetensors file, and in it what is JSON in texts."""
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    metadata = header.get("__metadata__", {})
    key = rng.choice(list(metadata)) if metadata else None
    if key is not None and rng.random() < 0.6:
        try:
            metadata[key] = json.dumps(change_value(json.loads(metadata[key]), rng))
        except ValueError:
            metadata[key] = rng.choice(("", "-1", "9" * 30, "x"))
    else:
        header = change_value(header, rng)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", rng.choice((len(text),) * 5 + (len(text) - 1, 1 << 40))) + text + data)
    return "header of tensors changed"


def _change_journal(path: Path, content: bytes, rng: random.Random) -> str:
    """Change the header of a journal under a right checksum, or a frame."""
    first, _, rest = content.partition(b"\n")
    text = json.dumps(change_value(json.loads(first.partition(b"\t")[0]), rng)).encode()
    if rng.random() < 0.3:
        payload = json.dumps(copy.deepcopy(rng.choice(VALUES))).encode()
        rest = struct.pack("<cII", b"C", len(payload), zlib.crc32(payload)) + payload + rest
    path.write_bytes(text + b"\t%08x\n" % zlib.crc32(text) + rest)
    return "header of the journal changed"


def _change_hdf5(path: Path, content: bytes, rng: random.Random) -> str:
    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        holder = file if rng.random() < 0.4 else file[name]
        if len(holder.attrs) and rng.random() < 0.5:
            key = rng.choice(list(holder.attrs))
            done = f"attribute {key} changed"
            _change_attribute(holder.attrs, key, rng)
        else:
            done = f"{name} {_change_member(file, name, rng)}"
    path.write_bytes(buffer.getvalue())
    return done


def _change_attribute(attributes: Any, key: str, rng: random.Random) -> None:
    old = attributes[key]
    del attributes[key]
    if isinstance(old, str) and old[:1] in "{[" and rng.random() < 0.7:
        attributes[key] = json.dumps(change_value(json.loads(old), rng))
        return
    new = rng.choice(
        ("", "x" * 60_000, "nan", -1, 1 << 62, np.nan, np.inf, np.zeros(7), np.zeros((3, 3)), [b"\xff\xfe"], None)
    )
    if new is not None:
        attributes[key] = new


def _change_member(file: Any, name: str, rng: random.Random) -> str:
    """Replace a group or data set by another one, a link, or one whose numbers are elsewhere."""
    old = file[name]
    values = old[()] if isinstance(old, h5py.Dataset) else None
    shape = values.shape if values is not None and values.ndim else (9,)
    del file[name]
    kind = rng.randrange(11)
    if kind == 0:
        return "removed"
    if kind == 1:
        file[name] = h5py.ExternalLink("/etc/passwd", "x")
    elif kind == 2:
        file[name] = h5py.SoftLink("/data")
    elif kind == 3:
        length = rng.choice((1 << 28, 1 << 34, 1 << 50))
        file.create_dataset(name, (length, *shape[1:]), "f8", chunks=(65_536, *shape[1:]), compression="gzip")
    elif kind == 4:
        file.create_dataset(name, (1 << 40,), "f8")
    elif kind == 5:
        layout = h5py.VirtualLayout(shape, "f8")
        layout[...] = h5py.VirtualSource("other.hdf5", "x", shape)
        file.create_virtual_dataset(name, layout)
    elif kind == 6:
        file.create_dataset(name, shape, "f8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])
    elif kind == 7:
        file[name] = np.full(shape, rng.choice((np.nan, np.inf, -1e300)))
    elif kind == 8:
        file[name] = [b"text"] * shape[0]
    elif kind == 9:
        file[name] = np.zeros((*shape[:-1], shape[-1] + 1))
    else:
        file.create_group(name)
    return ("", "is a link", "is a link", "is huge", "is huge", "is virtual", "is external", "is not finite", "is text",
            "has another shape", "is a group")[kind]  # fmt: skip


def _change_parquet(path: Path, _content: bytes, rng: random.Random) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    index = rng.randrange(table.num_columns)
    name, count = table.column_names[index], table.num_rows
    new = rng.choice(
        (
            pa.array([None] * count, pa.float64()),
            pa.array(["x"] * count),
            pa.array([[0.0] * (i % 3) for i in range(count)]),
            pa.array([1 << 62] * count, pa.int64()),
            pa.array([float("nan")] * count),
            pa.array([[[1.0]]] * count),
            pa.array([b"\xff"] * count),
            None,
        )
    )
    table = table.remove_column(index)
    if new is not None:
        table = table.add_column(index, rng.choice((name, name, name, "other")), new)
    if rng.random() < 0.2:
        table = table.slice(0, rng.randrange(count + 1))
    pq.write_table(table, path)
    return f"column {name} changed"


def _change_ini(path: Path, content: bytes, rng: random.Random) -> str:
    lines = content.decode().splitlines()
    index = rng.randrange(len(lines))
    key = lines[index].partition("=")[0]
    lines[index] = (
        f"{key}={rng.choice(('', '-1', 'x' * 9999, '@ByteArray(x)', '@Variant(xxxx)', '99999999999999', 'nan'))}"
    )
    path.write_text("\n".join(lines))
    return f"setting {key} changed"


def _change_arrays(path: Path, _content: bytes, rng: random.Random) -> str:
    """Change one array of an ``.npz`` file, or the whole archive."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    name = rng.choice(list(arrays))
    old = arrays[name]
    scalar = not old.ndim
    others: list[Any] = [
        old.astype("f4") if old.dtype.kind == "f" else np.full(old.shape, -1),
        np.array(["x"] * 9),
        np.zeros(3),
    ]
    others += [np.full(old.shape, np.nan), np.full(old.shape, 1 << 40)]
    others += [np.array("{}"), np.array("[" * 9999)] if scalar else [old[..., :1], old[:0]]
    kind = rng.randrange(len(others) + 5)
    if kind < len(others):
        arrays[name] = others[kind]
    elif kind == len(others):
        del arrays[name]
    if kind == len(others) + 1:
        np.savez_compressed(path, **arrays | {name: np.zeros(1 << 26)})
        return f"{name} is compressed zeros"
    np.savez(path, **arrays)
    if kind == len(others) + 2:
        _state_shape(path, f"{name}.npy", rng.choice((1 << 30, 1 << 50, -1)))
    elif kind == len(others) + 3:
        with zipfile.ZipFile(path, "a") as archive:
            for number in range(20_000):
                archive.writestr(f"{number}.npy", b"")
    return f"array {name} changed ({kind})"


def _state_shape(path: Path, member: str, length: int) -> None:
    """Write an archive in which one array has a header that states another length than it has."""
    with zipfile.ZipFile(path) as archive:
        contents = {each: archive.read(each) for each in archive.namelist()}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (length,)})
    contents[member] = header.getvalue() + contents[member][-100:]
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in contents.items():
            archive.writestr(each, content)


_STRUCTURED: dict[str, Callable[[Path, bytes, random.Random], str]] = {
    ".json": _change_json,
    ".jsonl": _change_lines,
    ".safetensors": _change_tensors,
    ".journal": _change_journal,
    ".hdf5": _change_hdf5,
    ".parquet": _change_parquet,
    ".ini": _change_ini,
    ".npz": _change_arrays,
}


def copy_sample(sample: Path, target: Path) -> None:
    """Copy a sample's folder to an empty one."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(target)
    shutil.copytree(sample, target, symlinks=True)
