"""The documentation holds: its commands and snippets run, its labels exist, its generated page is current."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from metagui.cli import app
from scripts.cli_reference import PAGE, make_page
from tests.helpers.markdown import read_table

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
WINDOW_PAGES = [ROOT / "README.md", *(ROOT / "docs" / name for name in ("index.md", "tutorial.md", "real-arm.md"))]
FENCE = re.compile(r"^ *```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; one with a title does not run, one of JSON is a file of that name."""

    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[list[str]]:
        """Words of each command, without comments and without the folder of the virtual environment."""
        lines = [shlex.split(line, comments=True) for line in self.text.replace("\\\n", " ").splitlines()]
        return [[words[0].removeprefix(".venv/bin/"), *words[1:]] for words in lines if words]


def find_blocks(page: Path) -> list[Block]:
    return [Block(*match.groups(default="")) for match in FENCE.finditer(page.read_text(encoding="utf-8"))]


def find_page_ids() -> list[str]:
    return [page.relative_to(ROOT).as_posix() for page in PAGES]


# Commands and snippets


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with what a checkout has, in which commands may write."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("resources", "recordings", "scripts"):
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("page", PAGES, ids=find_page_ids())
def test_docs_commands_and_snippets_run(page: Path, checkout: Path) -> None:
    """All blocks without a title run in order, in one folder and one namespace per page."""
    namespace: dict[str, Any] = {}
    for block in find_blocks(page):
        if block.language == "json" and block.title:
            (checkout / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            code = compile(block.text, page.name, "exec")
            if not block.title:
                exec(code, namespace)
        elif block.language == "sh" and not block.title:
            for command in block.commands:
                _run(command)


def _run(command: list[str]) -> None:
    """Run a command in this process."""
    if command == ["python", "scripts/cli_reference.py"]:
        return  # test_docs_cli_page_is_current runs it
    assert command[0] == "metagui", f"give the block a title if it does not run: {command}"
    result = CliRunner().invoke(app, command[1:])
    assert result.exit_code == 0, f"{shlex.join(command)}: {result.output}"


@pytest.mark.parametrize("page", PAGES, ids=find_page_ids())
def test_docs_commands_exist_with_their_options(page: Path) -> None:
    """Also those that need an arm, a window or minutes."""
    for block in find_blocks(page):
        assert block.language in ("sh", "text", "python", "json"), block.language
        for command in block.commands if block.language == "sh" else []:
            _check_command(command)
    for code in re.findall(r"`metagui ([a-z][a-z-]*)[^`]*`", page.read_text(encoding="utf-8")):
        _check_command(["metagui", code], complete=False)


def _check_command(words: list[str], complete: bool = True) -> None:
    environment = re.compile(r"[A-Z]+=")
    program, *arguments = [word for word in words if not environment.match(word) or word is not words[0]]
    if program == "metagui":
        _check_metagui(arguments, complete)
    elif program in ("torchrun", "srun"):
        module = words.index("-m")
        assert words[module + 1] == "metagui", words
        _check_metagui(words[module + 2 :], complete)
    elif program == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert {word for word in arguments if "=" not in word} <= set(targets), words
    elif arguments[:1] == ["-m"]:
        _check_module(arguments[1], [word for word in arguments[2:] if word.startswith("--")])
    elif program == "python":
        assert (ROOT / arguments[0]).is_file(), words
    else:
        assert program in ("python3", "pip", "."), f"unknown command: {words}"


def _check_metagui(arguments: list[str], complete: bool) -> None:
    """Parse a command of the program, without running it."""
    group: Any = get_command(app)
    name, *rest = arguments or [""]
    if name:
        assert name in group.commands, f"there is no command {name!r}"
        assert not group.commands[name].hidden, f"{name} is an old name"
        if complete:
            group.commands[name].make_context(name, rest)


def _check_module(name: str, options: list[str]) -> None:
    """Check that ``python -m NAME`` exists and mentions its options."""
    if not name.startswith("benchmarks"):
        assert importlib.util.find_spec(name), name
        return
    path = ROOT / name.replace(".", "/")
    source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8")
    assert [option for option in options if f'"{option}"' not in source] == []


def test_docs_labels_are_those_of_the_window() -> None:
    """Every label in bold occurs in the window's source."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "metagui" / "gui").rglob("*.py"))
    for page in WINDOW_PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf-8"))
        steps = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
        for label in re.findall(r"\*\*([^*]+)\*\*", steps):
            known = label.partition(" to 3")[0]
            assert f'"{known}' in source, f"{page.name}: the window has no {label!r}"


@pytest.mark.parametrize("page", PAGES, ids=find_page_ids())
def test_docs_paths_exist(page: Path) -> None:
    """Every file and folder of the checkout that a page names in backticks, in full or below the package."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    tops = {each.name for folder in (ROOT, ROOT / "metagui") for each in folder.iterdir() if each.is_dir()}
    for name in re.findall(r"`([\w./-]+/[\w./-]*)`", text):
        if name.split("/")[0] in tops and name.split("/")[0] not in ("build", ".venv", "runs"):
            assert (ROOT / name).exists() or (ROOT / "metagui" / name).exists(), name


def test_docs_layers_are_those_of_the_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = [line for contract in contracts if contract["type"] == "layers" for line in contract["layers"]]
    block = next(block.text for block in find_blocks(ROOT / "docs" / "architecture.md") if "__main__" in block.text)
    assert [line[16:] for line in block.splitlines() if line.strip()] == layers


def test_docs_cli_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == make_page(), "run: python scripts/cli_reference.py"


def test_docs_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_docs_cite_the_present_version() -> None:
    from metagui import __version__

    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_docs_glossary_has_one_line_per_word() -> None:
    words = [row["Term"] for row in read_table("glossary.md", "# Glossary")]
    assert words == sorted(words, key=str.casefold)
    assert len(words) == len(set(words))
