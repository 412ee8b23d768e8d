"""Which arms a person can choose from: the simulated one, named ones, and whatever port something hangs on. Qt-free."""

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
    """One entry of the picker."""

    key: str
    """Tells entries apart and survives a restart: "simulated", "arm:NAME", "port:DEVICE"."""
    label: str
    detail: str = ""
    """What the tooltip says."""
    device: str = ""
    """The port it is or was last on; empty for the simulated arm."""
    name: str = ""
    """What a person called it; empty for a port without a known arm."""
    present: bool = True

    @property
    def is_simulated(self) -> bool:
        """Whether no cable is needed."""
        return self.key == SIMULATED_KEY

    @property
    def address(self) -> str:
        """What ``open_arm`` finds it by."""
        return self.name or self.device

    @property
    def display_name(self) -> str:
        """How to speak of it in a sentence."""
        return "the simulated arm" if self.is_simulated else f"“{self.name}”" if self.name else self.device


def make_simulated_choice() -> ArmChoice:
    """Return the entry that is always there."""
    return ArmChoice(SIMULATED_KEY, "Simulated SO-101", "A simulated arm; no hardware is needed.")


def make_port_choice(device: str, description: str = "", present: bool = True) -> ArmChoice:
    """Return the entry of a port on which no known arm is."""
    label = device.removeprefix("/dev/")
    words = f"{device}: {description}" if description else f"Whatever arm is on {device}."
    return ArmChoice(f"port:{device}", f"Port {label}", words, device, "", present)


def list_choices(
    registry: ArmRegistry, ports: Sequence[UsbPort], manual_ports: Iterable[str] = ()
) -> tuple[tuple[ArmChoice, ...], str]:
    """Return all entries, and what is wrong with the list of names, in words.

    ``by_hand`` are devices that a person named, such as a virtual arm's pseudo-terminal.
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
    """Return a named arm's entry: where it is now, or that it is not plugged in."""
    found = [port.device for port in ports if arm.matches_adapter(port)]
    device = arm.device if arm.device in found or not found else found[0]
    present = bool(found) if arm.vendor is not None else _device_exists(arm.device)
    where = f"On {device}." if present else f"Not plugged in; it was on {arm.device} last."
    return ArmChoice(f"arm:{arm.name}", arm.name, where, device, arm.name, present)


def _device_exists(device: str) -> bool:
    return not device.startswith("/") or Path(device).exists()
