"""Reads the tables of the documentation, so that tests can compare them with files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"


def read_table(page: str, heading: str) -> list[dict[str, str]]:
    """Return the rows of the first table below a line, by column."""
    text = (DOCS / page).read_text(encoding="utf-8")
    _, found, below = text.partition(f"{heading}\n")
    assert found, f"{page} has no {heading!r}"
    return next(find_tables(below))


def find_tables(text: str) -> Iterator[list[dict[str, str]]]:
    """Yield every table of a page as rows by column, without backticks."""
    for match in re.finditer(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = [[cell.strip(" `") for cell in line[1:-1].split("|")] for line in match[0].splitlines()]
        yield [dict(zip(header, row, strict=True)) for row in rows]


def read_keys(page: str, heading: str) -> set[str]:
    """Return the column "Key" of the first table below a line."""
    return {row["Key"] for row in read_table(page, heading)}


def split_shape(shape: str) -> list[str]:
    """Return the parts of a shape, such as "(N, A + 1)"."""
    return [part for part in re.split(r"[(), ]+", shape.replace(" + ", "+")) if part]


def match_shape(specified: str, shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Return whether a shape is the specified one; a letter gets its size from its first use."""
    names = split_shape(specified)
    return len(names) == len(shape) and all(
        _get_size(name, size, sizes) == size for name, size in zip(names, shape, strict=True)
    )


def _get_size(name: str, size: int, sizes: dict[str, int]) -> int:
    """Return the size that a part of a shape stands for: a number, a letter, or a letter and a number more."""
    if name.isdecimal():
        return int(name)
    letter, _, more = name.partition("+")
    return sizes.setdefault(letter, size - int(more or 0)) + int(more or 0)
