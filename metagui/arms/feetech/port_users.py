"""Other programs that have a serial port open: they do not lock it, so both would read each other's answers.

Only Linux tells which; programs of other users are visible only to root.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

PROCESS_FOLDER = Path("/proc")
"""Folder with a folder for each process on Linux."""
MAX_NAMED_USERS = 3
"""Largest number of programs that a message names."""
_TERMINAL_MASTERS = ("/dev/ptmx", "/dev/pts/ptmx")
"""Names of the other end of a pseudo-terminal: a process that has it serves the port."""


class PortUser(NamedTuple):
    """A program that has a port open."""

    name: str
    """Name of the program."""
    process_id: int
    """Number of its process."""

    def __str__(self) -> str:
        """Return the name and the number for a message."""
        return f"{self.name} (process {self.process_id})"


def find_port_users(device: str, folder: Path = PROCESS_FOLDER) -> list[PortUser]:
    """Return the other programs that have a device open; none where the system does not tell it."""
    target = os.path.realpath(device)
    found = []
    for process in folder.glob("[0-9]*") if folder.is_dir() else ():
        if int(process.name) != os.getpid() and _uses(process, target):
            found.append(PortUser(_read_name(process), int(process.name)))
    return sorted(found, key=lambda user: user.process_id)


def describe_users(users: Sequence[PortUser]) -> str:
    """Return the names of programs for a message; of many only the first, and how many more there are."""
    named = [str(user) for user in users[:MAX_NAMED_USERS]]
    more = len(users) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def _uses(process: Path, target: str) -> bool:
    """Return whether a process has the device open as a client."""
    opened = set()
    with contextlib.suppress(OSError):
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                opened.add(os.readlink(entry))
    return target in opened and not opened.intersection(_TERMINAL_MASTERS)


def _read_name(process: Path) -> str:
    """Return the name of a program: of a script, if an interpreter runs one."""
    with contextlib.suppress(OSError):
        arguments = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        names = [os.path.basename(argument) for argument in arguments if argument and not argument.startswith("-")]
        if names and names[0].startswith("python") and len(names) > 1:
            return names[1]
        if names:
            return names[0]
    return "a program"
