"""Checks of this user's permission to open serial ports, with fixes, and of programs that interfere with ports.

Only Linux restricts serial ports; elsewhere every logged-in user may open them.
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
"""Groups that own serial ports: in Debian and Fedora, in Arch."""
BRLTTY_ADAPTER = (0x1A86, 0x7523)
"""USB vendor and product of the adapter that Ubuntu's driver for Braille displays claims."""
_UDEV_RULE_DIRS = (Path("/etc/udev/rules.d"), Path("/usr/lib/udev/rules.d"), Path("/lib/udev/rules.d"))
_UDEV_COMMAND = (
    """echo 'SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", MODE="0666"' | sudo tee /etc/udev/rules.d/99-servo-bus.rules """
    "&& sudo udevadm control --reload && sudo udevadm trigger"
)


@dataclass(frozen=True)
class GroupMembership:
    """A group that owns serial ports, and this user's membership."""

    name: str
    """Name of the group."""
    is_member: bool
    """True if the user is a member according to the system's group file."""
    is_active: bool
    """True if the membership is active in this session."""


def find_inaccessible(devices: Sequence[str]) -> list[str]:
    """Return the devices that this user may not open."""
    return [device for device in devices if not os.access(device, os.R_OK | os.W_OK)]


def suggest_fix(device: str | None = None) -> str:
    """Return the fix that lets this user open a device or serial ports in general, empty if not needed.

    A command is enclosed in backticks, by which the window finds it for copying.
    """
    if not sys.platform.startswith("linux"):
        return ""
    found = find_membership(device)
    if found is None:
        return f"`{_UDEV_COMMAND}`"
    if found.is_active:
        return f"`{_UDEV_COMMAND}`" if device is not None and find_inaccessible([device]) else ""
    if found.is_member:
        return f"log out and in again: you are in the group {found.name}, but not yet in this session"
    return f"`sudo usermod -aG {found.name} {_user_name()}`, then log out and in again"


def find_membership(device: str | None = None) -> GroupMembership | None:
    """Return the group that owns a device, or serial ports in general; None if only root's group does."""
    import grp

    with contextlib.suppress(KeyError, OSError):
        names = (grp.getgrgid(os.stat(device).st_gid).gr_name,) if device else SERIAL_PORT_GROUPS
        for name in names:
            with contextlib.suppress(KeyError):
                group = grp.getgrnam(name)
                if group.gr_gid != 0:
                    is_active = group.gr_gid in (os.getegid(), *os.getgroups()) or os.geteuid() == 0
                    return GroupMembership(name, _user_name() in group.gr_mem, is_active)
    return None


def find_interfering_programs(adapters: Iterable[tuple[int | None, int | None]]) -> list[tuple[str, str]]:
    """Return programs that interfere with these adapters (vendor, product), as pairs of problem and fix."""
    found = []
    if BRLTTY_ADAPTER in adapters and any(list(folder.glob("*brltty*.rules")) for folder in _UDEV_RULE_DIRS):
        found.append(
            (
                "brltty takes the CH340 adapter for a Braille display, and its port disappears",
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
    except KeyError:  # a container may run as a user that it does not know
        return "$USER"


def _is_running(program: str) -> bool:
    for name in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if name.read_text().strip() == program:
                return True
    return False
