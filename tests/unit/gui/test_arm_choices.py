"""Arms in the picker: named arms, ports, typed paths, and the problem of a broken registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.so101.arm_registry import ArmRegistry
from metagui.gui.arm.arm_choices import SIMULATED_KEY, list_choices
from metagui.gui.teaching.modes import (
    CLICK_MODE,
    GAMEPAD_MODE,
    HAND_MODE,
    KEYBOARD_MODE,
    LEADER_MODE,
    TEACHING_MODES,
    ModeAvailability,
    explain_unavailable,
)

if TYPE_CHECKING:
    from pathlib import Path

FIRST = UsbPort("/dev/ttyACM0", 0x1A86, 0x55D3, "A", "one")
SECOND = UsbPort("/dev/ttyACM1", 0x1A86, 0x55D3, "B", "two")


def test_named_arm_is_listed_on_any_port_and_unplugged(tmp_path: Path) -> None:
    ports = [FIRST, SECOND]
    registry = ArmRegistry(tmp_path, ports=lambda: tuple(ports))
    registry.register("left", FIRST.device)
    listed, problem = list_choices(registry, ports)
    assert problem == ""
    assert [c.key for c in listed] == [SIMULATED_KEY, "arm:left", "port:/dev/ttyACM1"]
    moved = UsbPort("/dev/ttyACM7", 0x1A86, 0x55D3, "A", "one")
    listed, _ = list_choices(registry, [moved])
    assert (listed[1].device, listed[1].present, listed[1].address) == ("/dev/ttyACM7", True, "left")
    listed, _ = list_choices(registry, [])
    assert not listed[1].present
    assert "Not plugged in" in listed[1].detail


def test_typed_port_is_listed_once_and_marked_as_missing(tmp_path: Path) -> None:
    registry = ArmRegistry(tmp_path, ports=tuple)
    (tmp_path / "terminal").touch()
    listed, _ = list_choices(registry, [SECOND], [str(tmp_path / "terminal"), "/dev/ttyNOT", SECOND.device])
    assert [c.present for c in listed[1:]] == [True, True, False]
    assert len({c.device for c in listed}) == len(listed)
    assert listed[1].label == "Port ttyACM1"
    assert "CH343" in listed[1].detail


def test_broken_registry_is_reported_and_ports_are_listed(tmp_path: Path) -> None:
    (tmp_path / "arms.json").write_text("{", encoding="utf-8")
    listed, problem = list_choices(ArmRegistry(tmp_path, ports=tuple), [FIRST])
    assert "is damaged" in problem
    assert [c.key for c in listed] == [SIMULATED_KEY, "port:/dev/ttyACM0"]


def test_unavailable_teaching_modes_give_the_reason() -> None:
    nothing = ModeAvailability()
    assert [m.key for m in TEACHING_MODES if explain_unavailable(m.key, nothing) is None] == [CLICK_MODE]
    simulated = ModeAvailability("simulated SO-101", False, 0, "No gamepad is plugged in.")
    assert "cannot be moved by hand" in (explain_unavailable(HAND_MODE, simulated) or "")
    assert "No second arm" in (explain_unavailable(LEADER_MODE, simulated) or "")
    assert explain_unavailable(GAMEPAD_MODE, simulated) == "No gamepad is plugged in."
    assert explain_unavailable(KEYBOARD_MODE, simulated) is None
    everything = ModeAvailability("SO-101", True, 1, "")
    assert all(explain_unavailable(m.key, everything) is None for m in TEACHING_MODES)
