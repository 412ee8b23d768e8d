"""List of the arms that the user can select: the simulated one, named ones, and unnamed ports. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metagui.arms.arm import ArmError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metagui.arms.feetech.serial_port import UsbPort
    from metagui.arms.so101.arm_registry import ArmRegistry, RegisteredArm

SIMULATED_KEY = "simulated"


@dataclass(frozen=True)
class ArmChoice:
    """One entry of the arm picker."""

    key: str
    """Identifier that is stored in the settings: "simulated", "arm:NAME" or "port:DEVICE"."""
    label: str
    detail: str = ""
    """Text of the tooltip."""
    device: str = ""
    """Present or last port; empty for the simulated arm."""
    name: str = ""
    """Name given by the user; empty for a port without a registered arm."""
    present: bool = True

    @property
    def is_simulated(self) -> bool:
        """True for the simulated arm."""
        return self.key == SIMULATED_KEY

    @property
    def address(self) -> str:
        """Name or port with which the registry opens the arm."""
        return self.name or self.device

    @property
    def display_name(self) -> str:
        """Name to use within a message."""
        return "the simulated arm" if self.is_simulated else f"“{self.name}”" if self.name else self.device


def make_simulated_choice() -> ArmChoice:
    """Return the entry of the simulated arm, which is always present."""
    return ArmChoice(SIMULATED_KEY, "Simulated SO-101", "A simulated arm; no hardware is needed.")


def make_port_choice(device: str, description: str = "", present: bool = True) -> ArmChoice:
    """Return the entry of a port without a registered arm."""
    label = device.removeprefix("/dev/")
    detail = f"{device}: {description}" if description else f"The arm on {device}."
    return ArmChoice(f"port:{device}", f"Port {label}", detail, device, "", present)


def list_choices(
    registry: ArmRegistry, ports: Sequence[UsbPort], manual_ports: Iterable[str] = ()
) -> tuple[tuple[ArmChoice, ...], str]:
    """Return all entries, and the problem of the registry as text, empty if there is none.

    ``manual_ports`` are devices that the user typed, such as the pseudo-terminal of an emulated arm.
    """
    try:
        known, problem = registry.list_arms(), ""
    except ArmError as error:
        known, problem = (), str(error)
    out = [make_simulated_choice(), *(_make_known_choice(arm, ports) for arm in known)]
    taken = {choice.device for choice in out if choice.present}
    for port in ports:
        if port.device not in taken:
            out.append(make_port_choice(port.device, port.adapter or port.description))
    taken = {choice.device for choice in out}
    out += [make_port_choice(device, present=_device_exists(device)) for device in manual_ports if device not in taken]
    return tuple(out), problem


def _make_known_choice(arm: RegisteredArm, ports: Sequence[UsbPort]) -> ArmChoice:
    """Return the entry of a registered arm, with its present port or the note that it is not plugged in."""
    found = [port.device for port in ports if arm.matches_adapter(port)]
    device = arm.device if arm.device in found or not found else found[0]
    present = bool(found) if arm.vendor is not None else _device_exists(arm.device)
    where = f"On {device}." if present else f"Not plugged in; it was on {arm.device} last."
    return ArmChoice(f"arm:{arm.name}", arm.name, where, device, arm.name, present)


def _device_exists(device: str) -> bool:
    return not device.startswith("/") or Path(device).exists()
