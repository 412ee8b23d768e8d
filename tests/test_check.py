"""``metagui check`` on machines that lack things, made so here without pretending inside the code."""

import os
import sys

import pytest

from metagui import check


@pytest.fixture(autouse=True)
def ask_anew():
    check._missing_libraries.cache_clear()
    check._rendering_backend.cache_clear()
    yield
    check._missing_libraries.cache_clear()
    check._rendering_backend.cache_clear()


def test_this_machine_is_described_completely():
    findings = check.check()
    assert [f.part for f in findings] == [
        "Python",
        "Qt libraries",
        "Display",
        "3-D view",
        "Learning",
        "Prior",
        "Recordings",
    ]
    assert all(f.says for f in findings)
    assert all(f.mend for f in findings if f.verdict != "good")


def test_old_python_is_lacking(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert check.python().verdict == "lacking"
    assert "3.9.2" in check.python().says


@pytest.mark.skipif(sys.platform != "linux", reason="ldd is Linux's")
def test_missing_libraries_are_named_with_their_packages(tmp_path, monkeypatch):
    ldd = tmp_path / "ldd"
    lines = ["libxcb-cursor.so.0 => not found", "libEGL.so.1 => not found", "libc.so.6 => /lib/libc.so.6 (0x1)"]
    ldd.write_text("#!/bin/sh\ncat <<'END'\n\t" + "\n\t".join(lines) + "\nEND\n")
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    finding = check.qt_libraries()
    assert finding.verdict == "lacking"
    assert "libxcb-cursor.so.0" in finding.says
    assert finding.mend.endswith("apt-get install libegl1 libxcb-cursor0")


@pytest.mark.skipif(sys.platform != "linux", reason="desktops elsewhere have one")
def test_no_display_is_a_note_and_says_what_works_without(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert check.display().verdict == "note"
    assert "headless" in check.display().mend
    monkeypatch.setenv("DISPLAY", ":7")
    assert check.display().verdict == "good"


@pytest.mark.skipif(sys.platform != "linux", reason="MUJOCO_GL chooses only on Linux")
def test_a_backend_that_does_not_draw_is_named(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("PYOPENGL_PLATFORM", "none-such")
    finding = check.rendering()
    assert finding.verdict == "lacking"
    assert "MUJOCO_GL=egl" in finding.says
    assert "unset MUJOCO_GL" in finding.mend


def test_recordings_in_an_impossible_place(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("METAGUI_RECORDINGS", str(tmp_path / "file" / "recordings"))
    finding = check.recordings()
    assert finding.verdict == "lacking"
    assert "METAGUI_RECORDINGS" in finding.mend


def test_a_full_disk_is_called_short(monkeypatch):
    monkeypatch.setattr(check, "LEAST_SPACE", 10**18)
    assert "MB left" in check.recordings().says
    assert check.recordings().verdict == "lacking"


def test_recordings_are_not_made_by_looking(tmp_path):
    assert check.recordings().verdict == "good"
    assert not (tmp_path / "recordings").exists()
