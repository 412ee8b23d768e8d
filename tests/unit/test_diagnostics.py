"""Tests of ``metagui check`` on machines with missing parts."""

import os
import sys

import pytest

from metagui import diagnostics
from metagui.arms.feetech import port_permissions, serial_port
from metagui.arms.feetech.port_permissions import GroupMembership


@pytest.fixture(autouse=True)
def clear_caches():
    diagnostics._find_missing_libraries.cache_clear()
    diagnostics._find_rendering_backend.cache_clear()
    yield
    diagnostics._find_missing_libraries.cache_clear()
    diagnostics._find_rendering_backend.cache_clear()


def test_run_checks_covers_all_parts():
    findings = diagnostics.run_checks()
    assert list(dict.fromkeys(f.part for f in findings)) == [
        "Python",
        "Qt libraries",
        "Display",
        "3-D view",
        "Learning",
        "Prior",
        "Recordings",
        "USB arm",
        "Control loop",
        "Cameras",
    ]
    assert all(f.message for f in findings)
    assert all(f.fix for f in findings if f.verdict != "good")


def test_check_python_old_version_is_problem(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert diagnostics.check_python().verdict == "lacking"
    assert "3.9.2" in diagnostics.check_python().message


@pytest.mark.skipif(sys.platform != "linux", reason="ldd is Linux's")
def test_check_qt_missing_libraries_names_packages(tmp_path, monkeypatch):
    ldd = tmp_path / "ldd"
    lines = ["libxcb-cursor.so.0 => not found", "libEGL.so.1 => not found", "libc.so.6 => /lib/libc.so.6 (0x1)"]
    ldd.write_text("#!/bin/sh\ncat <<'END'\n\t" + "\n\t".join(lines) + "\nEND\n")
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    finding = diagnostics.check_qt_libraries()
    assert finding.verdict == "lacking"
    assert "libxcb-cursor.so.0" in finding.message
    assert finding.fix.endswith("apt-get install libegl1 libxcb-cursor0")


@pytest.mark.skipif(sys.platform != "linux", reason="desktops elsewhere have one")
def test_check_display_missing_is_note(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert diagnostics.check_display().verdict == "note"
    assert "without a window" in diagnostics.check_display().fix
    monkeypatch.setenv("DISPLAY", ":7")
    assert diagnostics.check_display().verdict == "good"


@pytest.mark.skipif(sys.platform != "linux", reason="MUJOCO_GL chooses only on Linux")
def test_check_rendering_broken_backend_is_named(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("PYOPENGL_PLATFORM", "none-such")
    finding = diagnostics.check_rendering()
    assert finding.verdict == "lacking"
    assert "MUJOCO_GL=egl" in finding.message
    assert "unset MUJOCO_GL" in finding.fix


def test_check_recordings_not_writable_is_problem(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("METAGUI_RECORDINGS", str(tmp_path / "file" / "recordings"))
    finding = diagnostics.check_recordings()
    assert finding.verdict == "lacking"
    assert "METAGUI_RECORDINGS" in finding.fix


def test_check_recordings_full_disk_is_problem(monkeypatch):
    monkeypatch.setattr(diagnostics, "MIN_FREE_BYTES", 10**18)
    assert "MB left" in diagnostics.check_recordings().message
    assert diagnostics.check_recordings().verdict == "lacking"


def test_check_recordings_creates_no_folder(tmp_path):
    assert diagnostics.check_recordings().verdict == "good"
    assert not (tmp_path / "recordings").exists()


def plug_in(monkeypatch, device):
    arm = serial_port.UsbPort(str(device), 0x1A86, 0x55D3, "5A46")
    monkeypatch.setattr(serial_port, "list_usb_ports", lambda: (arm,))


def test_check_usb_arm_accessible_is_good(tmp_path, monkeypatch):
    device = tmp_path / "ttyACM0"
    device.touch()
    plug_in(monkeypatch, device)
    finding = diagnostics.check_usb_arm()[0]
    assert finding.verdict == "good"
    assert str(device) in finding.message


@pytest.mark.skipif(sys.platform != "linux", reason="groups own ports on Linux")
def test_check_usb_arm_inaccessible_names_fix(tmp_path, monkeypatch):
    device = tmp_path / "ttyACM0"
    device.touch()
    plug_in(monkeypatch, device)
    monkeypatch.setattr(port_permissions, "find_inaccessible", list)
    monkeypatch.setattr(
        port_permissions, "find_membership", lambda _=None: GroupMembership("dialout", is_member=False, is_active=False)
    )
    finding = diagnostics.check_usb_arm()[0]
    assert finding.verdict == "lacking"
    assert finding.fix.startswith("`sudo usermod -aG dialout ")
    monkeypatch.setattr(
        port_permissions, "find_membership", lambda _=None: GroupMembership("dialout", is_member=True, is_active=False)
    )
    assert "log out and in again" in diagnostics.check_usb_arm()[0].fix
    monkeypatch.setattr(port_permissions, "find_membership", lambda _=None: None)
    assert "udev" in diagnostics.check_usb_arm()[0].fix


@pytest.mark.skipif(sys.platform != "linux", reason="groups own ports on Linux")
def test_check_usb_arm_unplugged_is_note(monkeypatch):
    monkeypatch.setattr(serial_port, "list_usb_ports", lambda: ())
    monkeypatch.setattr(
        port_permissions, "find_membership", lambda _=None: GroupMembership("uucp", is_member=False, is_active=False)
    )
    (finding,) = diagnostics.check_usb_arm()
    assert finding.verdict == "note"
    assert "usermod -aG uucp" in finding.fix


@pytest.mark.skipif(sys.platform != "linux", reason="groups own ports on Linux")
def test_find_membership_reads_device_group(tmp_path):
    """The group of root does not count."""
    device = tmp_path / "ttyACM0"
    device.touch()
    found = port_permissions.find_membership(str(device))
    assert found is None if os.stat(device).st_gid == 0 else found.is_active
    assert port_permissions.find_membership(str(tmp_path / "gone")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="udev is Linux's")
def test_find_interfering_programs_brltty_adapter(tmp_path, monkeypatch):
    (tmp_path / "85-brltty.rules").touch()
    monkeypatch.setattr(port_permissions, "_UDEV_RULE_DIRS", (tmp_path,))
    problems = [what for what, _ in port_permissions.find_interfering_programs([(0x1A86, 0x7523)])]
    assert any("Braille" in what for what in problems)
    assert not any("Braille" in what for what, _ in port_permissions.find_interfering_programs([(0x1A86, 0x55D3)]))


def test_webcams_that_may_not_be_opened_name_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics.Path, "glob", lambda self, pattern: [diagnostics.Path("/dev/video0")])
    monkeypatch.setattr(diagnostics.os, "access", lambda path, mode: False)
    finding = diagnostics.check_cameras()
    assert finding.verdict == "lacking"
    assert "/dev/video0" in finding.message
    assert "-aG video" in finding.fix
