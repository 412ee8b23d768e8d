"""Import of HDF5 files: metagui's own exports and takes, unchanged, and robomimic's, robosuite's and Isaac Lab's."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError
from metagui.demonstrations.formats.exchange import (
    ExchangeError,
    ImportedTake,
    LeftOut,
    MissingAnswerError,
    make_sentence,
)
from metagui.demonstrations.formats.robomimic.foreign import ForeignFile, read_foreign_take
from metagui.demonstrations.storage.checked_file import open_checked
from metagui.demonstrations.storage.errors import ContentError, CorruptFileError, LibraryError, NewerFormatError
from metagui.demonstrations.storage.extra_data import METAGUI_GROUP, read_extra_data
from metagui.demonstrations.storage.hdf5 import open_take
from metagui.demonstrations.storage.take_decoding import check_format_version, decode_take, is_take

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from metagui.demonstrations.formats.exchange import ImportOptions
    from metagui.demonstrations.storage.checked_file import CheckedGroup


def read_hdf5(path: Path, options: ImportOptions) -> Iterator[ImportedTake | LeftOut]:
    """Yield every demonstration of a file, or why one cannot be imported.

    Raises CorruptFileError, NewerFormatError, MissingAnswerError, ExchangeError; then nothing of it was yielded.
    """
    is_own, names = _list_demonstrations(path)
    if is_own:
        yield from read_own_takes(path)
        return
    with _open(path) as file:
        context = ForeignFile(path.name, file, options)
    for name in names:
        try:
            with open_checked(path) as file:
                demo = file.open_group("data").open_group(name)
                if METAGUI_GROUP in demo:
                    yield _decode_own(demo, f"{path.name}, {name}", name)
                else:
                    yield read_foreign_take(context, demo, name)
        except MissingAnswerError:
            raise
        except (ContentError, LibraryError, ArmError) as error:
            yield LeftOut(name, make_sentence(f"{path.name}, {name}: {error}"))


def read_own_takes(path: Path) -> Iterator[ImportedTake | LeftOut]:
    """Yield every take of a file that metagui exported, or that of a take's own file, unchanged.

    Raises CorruptFileError, NewerFormatError, ExchangeError.
    """
    with _open(path) as file:
        is_single = is_take(file)
        names = [] if is_single else sorted(file.open_group("data").list_names(), key=parse_demo_number)
    if is_single:
        with open_take(path) as file:
            demo = file.open_group("data/demo_0")
            extra = read_extra_data(demo, file)
            take = decode_take(demo, file, path.stem)
        yield ImportedTake(take, path.stem, extra, _describe_left_out(extra.left_out))
        return
    for name in names:
        try:
            with open_checked(path) as file:
                demo = file.open_group("data").open_group(name)
                found = _decode_own(demo, f"{path.name}, {name}", name)
        except (ContentError, NewerFormatError) as error:
            yield LeftOut(name, make_sentence(f"{path.name}, {name} cannot be read: {error}"))
            continue
        yield found


def _decode_own(demo: CheckedGroup, label: str, name: str) -> ImportedTake:
    """Return a take that metagui exported. Raises ContentError, NewerFormatError."""
    attributes = demo.open_group(METAGUI_GROUP)
    check_format_version(attributes, label)
    extra = read_extra_data(demo, attributes)
    extra = replace(extra, attributes={key: v for key, v in extra.attributes.items() if key != "take"})
    return ImportedTake(decode_take(demo, attributes, name), name, extra, _describe_left_out(extra.left_out))


def _describe_left_out(names: tuple[str, ...]) -> tuple[str, ...]:
    return (f"Not carried along, because they are not numbers: {', '.join(names)}.",) if names else ()


def _list_demonstrations(path: Path) -> tuple[bool, list[str]]:
    """Return whether all takes are metagui's own, and the names of the demonstrations in order.

    Raises CorruptFileError, NewerFormatError, ExchangeError.
    """
    with _open(path) as file:
        if is_take(file):
            return True, []
        names = sorted(file.open_group("data").list_names(), key=parse_demo_number) if "data" in file else []
        if not names:
            raise ExchangeError(
                f"{path.name} holds no demonstrations (data/demo_0, data/demo_1, …). Nothing was imported; choose a "
                "file of metagui, robomimic, robosuite or Isaac Lab."
            )
        own = [name for name in names if METAGUI_GROUP in file.open_group("data").open_group(name)]
        for name in own:
            check_format_version(file.open_group(f"data/{name}/{METAGUI_GROUP}"), f"{path.name}, {name}")
        return len(own) == len(names), names


def parse_demo_number(name: str) -> tuple[int, str]:
    """Return the key by which demonstrations are sorted: their number, and last those without one."""
    digits = name.removeprefix("demo_")
    is_number = digits.isascii() and digits.isdigit() and len(digits) < 16
    return (int(digits) if is_number else 1 << 60, name)


@contextlib.contextmanager
def _open(path: Path) -> Iterator[CheckedGroup]:
    """Open a file. Raises CorruptFileError, also in the block, for contents that are not as expected."""
    try:
        with open_checked(path) as file:
            yield file
    except ContentError as error:
        reason = f"{path.name} cannot be read: {error}. Nothing was imported; choose another file."
        raise CorruptFileError(reason) from error
