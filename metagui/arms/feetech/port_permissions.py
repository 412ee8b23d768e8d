"""Whether this user may open serial ports, what lets them, and which other programs are known to take ports away.

Linux alone is strict about it; elsewhere whoever is logged in may.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SERIAL_PORT_GROUPS = ("dialout", "uucp")
"""Who owns serial ports: with Debian and Fedora, with Arch."""
BRLTTY_ADAPTER = (0x1A86, 0x7523)
"""The adapter that Ubuntu's driver for Braille displays takes for one of them."""
_UDEV_RULE_DIRS = (Path("/etc/udev/rules.d"), Path("/usr/lib/udev/rules.d"), Path("/lib/udev/rules.d"))
_UDEV_COMMAND = (
    """echo 'SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", MODE="0666"' | sudo tee /etc/udev/rules.d/99-servo-bus.rules """
    "&& sudo udevadm control --reload && sudo udevadm trigger"
)


@dataclass(frozen=True)
class GroupMembership:
    """A group that owns serial ports, and how this user stands to it."""

    name: str
    is_member: bool
    """Whether the user belongs to it by the system's books."""
    is_active: bool
    """Whether this session knows that."""


def find_inaccessible(devices: Sequence[str]) -> list[str]:
    """Return the devices that this user may not open."""
    return [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]


def suggest_fix(device: str | None = None) -> str:
    """Return what lets this user open a device, or serial ports at all; empty if nothing is missing.

    A command stands between backticks, as the window finds it to copy.
    """
    if not sys.platform.startswith("linux"):
        return ""
    found = find_membership(device)
    if found is None:
        return f"`{_UDEV_COMMAND}`"
    if found.is_active:
        return f"`{_UDEV_COMMAND}`" if device is not None and find_inaccessible([device]) else ""
    if found.is_member:
        return f"log out and in again: you are in the group {found.name}, but this session does not know it yet"
    return f"`sudo usermod -aG {found.name} {_user_name()}`, then log out and in again"


def find_membership(device: str | None = None) -> GroupMembership | None:
    """Return the group that owns a device, or serial ports in general; None if no group but root's does."""
    import grp

    with contextlib.suppress(KeyError, OSError):
        names = (grp.getgrgid(os.stat(device).st_gid).gr_name,) if device else SERIAL_PORT_GROUPS
        for name in names:
            with contextlib.suppress(KeyError):
                group = grp.getgrnam(name)
                if group.gr_gid != 0:
                    in_force = group.gr_gid in (os.getegid(), *os.getgroups()) or os.geteuid() == 0
                    return GroupMembership(name, _user_name() in group.gr_mem, in_force)
    return None


def find_interfering_programs(adapters: Iterable[tuple[int | None, int | None]]) -> list[tuple[str, str]]:
    """Return what takes these adapters' ports away, as (what it does, what ends that)."""
    found = []
    if BRLTTY_ADAPTER in adapters and any(list(folder.glob("*brltty*.rules")) for folder in _UDEV_RULE_DIRS):
        found.append(
            (
                "brltty takes the CH340 adapter for a Braille display, and its port vanishes",
                "`sudo apt-get remove brltty`",
            )
        )
    if _is_running("ModemManager"):
        found.append(
            (
                "ModemManager holds a port for half a minute after it is plugged in, looking for a modem",
                "wait and connect again, or `sudo systemctl disable --now ModemManager` if you use no modem",
            )
        )
    return found


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as somebody it does not know
        return "$USER"


def _is_running(program: str) -> bool:
    for name in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if name.read_text().strip() == program:
                return True
    return False
