"""What the picker of arms offers: named arms, ports, paths by hand, and words where the list of names is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metagui.arms.feetech.serial_port import UsbPort
from metagui.arms.so101.arm_registry import ArmBook
from metagui.gui.arm.arm_choices import SIMULATED, choices
from metagui.gui.teaching.modes import CLICK, GAMEPAD, HAND, KEYS, LEADER, MODES, Offer, why_no_mode

if TYPE_CHECKING:
    from pathlib import Path

FIRST = UsbPort("/dev/ttyACM0", 0x1A86, 0x55D3, "A", "one")
SECOND = UsbPort("/dev/ttyACM1", 0x1A86, 0x55D3, "B", "two")


def test_a_named_arm_is_offered_wherever_it_is_and_when_it_is_away(tmp_path: Path) -> None:
    there = [FIRST, SECOND]
    book = ArmBook(tmp_path, ports=lambda: tuple(there))
    book.remember("left", FIRST.device)
    listed, problem = choices(book, there)
    assert problem == ""
    assert [c.key for c in listed] == [SIMULATED, "arm:left", "port:/dev/ttyACM1"]
    moved = UsbPort("/dev/ttyACM7", 0x1A86, 0x55D3, "A", "one")
    listed, _ = choices(book, [moved])
    assert (listed[1].device, listed[1].present, listed[1].address) == ("/dev/ttyACM7", True, "left")
    listed, _ = choices(book, [])
    assert not listed[1].present
    assert "Not plugged in" in listed[1].detail


def test_a_path_by_hand_is_offered_once_and_known_to_be_gone(tmp_path: Path) -> None:
    book = ArmBook(tmp_path, ports=tuple)
    (tmp_path / "terminal").touch()
    listed, _ = choices(book, [SECOND], [str(tmp_path / "terminal"), "/dev/ttyNOT", SECOND.device])
    assert [c.present for c in listed[1:]] == [True, True, False]
    assert len({c.device for c in listed}) == len(listed)
    assert listed[1].label == "Port ttyACM1"
    assert "CH343" in listed[1].detail


def test_a_broken_list_of_names_is_said_and_ports_are_still_offered(tmp_path: Path) -> None:
    (tmp_path / "arms.json").write_text("{", encoding="utf-8")
    listed, problem = choices(ArmBook(tmp_path, ports=tuple), [FIRST])
    assert "cannot be understood" in problem
    assert [c.key for c in listed] == [SIMULATED, "port:/dev/ttyACM0"]


def test_ways_to_teach_that_cannot_be_had_say_what_is_missing() -> None:
    nothing = Offer()
    assert [m.key for m in MODES if why_no_mode(m.key, nothing) is None] == [CLICK]
    simulated = Offer("simulated SO-101", False, 0, "No gamepad is plugged in.")
    assert "no joints to take hold of" in (why_no_mode(HAND, simulated) or "")
    assert "No other arm" in (why_no_mode(LEADER, simulated) or "")
    assert why_no_mode(GAMEPAD, simulated) == "No gamepad is plugged in."
    assert why_no_mode(KEYS, simulated) is None
    everything = Offer("SO-101", True, 1, "")
    assert all(why_no_mode(m.key, everything) is None for m in MODES)
