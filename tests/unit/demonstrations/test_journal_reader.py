"""Reading of journals in blocks: frames of any size, cut anywhere, and files that claim more than they hold."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from metagui.demonstrations.demonstration import Instruction
from metagui.demonstrations.json_codec import instruction_to_dict
from metagui.demonstrations.recording import journal_reader, take_columns
from metagui.demonstrations.recording.journal import FRAME, Journal
from metagui.demonstrations.recording.journal_reader import read_journal
from metagui.demonstrations.recording.take_builder import RecordingError, TakeHeader

if TYPE_CHECKING:
    from pathlib import Path

HEADER = TakeHeader("task", "arm", ("a", "b"), (), state_size=5)


def make_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.zeros(count, HEADER.row_dtype())
    rng = np.random.default_rng(seed)
    for key in rows.dtype.names:
        kind = rows.dtype[key].base.kind
        shape = rows[key].shape
        rows[key] = rng.normal(size=shape) if kind == "f" else rng.integers(0, 2, shape)
    return rows


@pytest.fixture(params=[1, 64, 4096, 1 << 20])
def block_bytes(request, monkeypatch) -> int:
    monkeypatch.setattr(journal_reader, "_BLOCK_BYTES", request.param)
    monkeypatch.setattr(take_columns, "_BLOCK_BYTES", request.param)
    return request.param


def test_frames_of_any_size_come_back(tmp_path: Path, block_bytes: int) -> None:
    rows, written = make_rows(400), Journal(tmp_path, HEADER)
    instructions = [Instruction("reach", "red cube", None, {"offset": (0.0, 0.0, i / 10)}) for i in range(3)]
    sizes, start = [1] * 60 + [7, 1, 1, 90, 1, 30] + [1] * 211, 0
    for index, size in enumerate(sizes):
        written.append(rows[start : start + size], instructions[index // 50 :][:1] if index in (0, 50, 100) else [])
        start += size
    written.close()
    header, columns, found = read_journal(written.path)
    assert header == HEADER
    assert found == instructions
    for key, column in columns.finish().items():
        np.testing.assert_array_equal(column, rows[key].astype(column.dtype), err_msg=key)


def test_every_cut_gives_the_complete_rows(tmp_path: Path, block_bytes: int) -> None:
    rows, written = make_rows(6), Journal(tmp_path, HEADER)
    for start, stop in ((0, 1), (1, 2), (2, 5), (5, 6)):
        written.append(rows[start:stop], [])
    written.close()
    whole = written.path.read_bytes()
    begin = whole.find(b"\n") + 1
    ends = begin + np.cumsum([FRAME.size + n * rows.itemsize for n in (1, 1, 3, 1)])
    for length in range(begin, len(whole) + 1):
        written.path.write_bytes(whole[:length])
        assert len(read_journal(written.path).columns) == [0, 1, 2, 5, 6][int((ends <= length).sum())]


@pytest.mark.parametrize(
    "tail",
    [
        FRAME.pack(b"R", 0xFFFFFFFF, 0),
        FRAME.pack(b"C", 0x7FFFFFFF, 0) + b"x" * 99,
        FRAME.pack(b"X", 1, 0) + b"x",
        FRAME.pack(b"R", 3, 1) + b"abc",
        b"R",
    ],
)
def test_frames_that_claim_too_much_end_the_take(tmp_path: Path, tail: bytes, block_bytes: int) -> None:
    rows, written = make_rows(3), Journal(tmp_path, HEADER)
    written.append(rows, [])
    written.close()
    written.path.write_bytes(written.path.read_bytes() + tail)
    assert len(read_journal(written.path).columns) == 3


def test_rows_that_do_not_fit_the_header_are_an_error(tmp_path: Path) -> None:
    payload = b"abc"
    written = Journal(tmp_path, HEADER)
    written.close()
    frame = struct.pack("<cII", b"R", len(payload), zlib.crc32(payload)) + payload
    written.path.write_bytes(written.path.read_bytes() + frame)
    with pytest.raises(RecordingError, match="do not fit its header"):
        read_journal(written.path)


def test_large_file_without_a_header_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_reader, "_MAX_HEADER_BYTES", 1000)
    path = tmp_path / "x.journal"
    path.write_bytes(b"{" * 5000)
    with pytest.raises(RecordingError, match="its header is damaged"):
        read_journal(path)


def test_instruction_that_is_no_instruction_is_an_error(tmp_path: Path) -> None:
    payload = json.dumps({**instruction_to_dict(Instruction("press", "red cube")), "action": 3}).encode()[:-1]
    written = Journal(tmp_path, HEADER)
    written.close()
    written.path.write_bytes(written.path.read_bytes() + FRAME.pack(b"C", len(payload), zlib.crc32(payload)) + payload)
    with pytest.raises(RecordingError, match="do not fit its header"):
        read_journal(written.path)
