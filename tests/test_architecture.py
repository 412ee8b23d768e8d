"""Rules for the structure of the package: imports, sizes, unique names, plain words, and start-up time."""

from __future__ import annotations

import ast
import collections
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.clocks import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "metagui"
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_FOLDER_MODULES = 12
BANNED_WORDS = ("anew", "whoever", "nobody", "somebody", "shall", "by heart", "errand", "shelf", "clue", "rival")
"""Words for which the glossary or plain English has a better one."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def test_import_contracts_are_kept():
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    assert "0 broken" in _run("-c", lint)


@pytest.mark.parametrize(
    "module", ["metagui.learning.maml.maml", "metagui.cli", "metagui.demonstrations.programs.program"]
)
def test_modules_below_the_window_load_no_qt(module):
    loaded = _run("-c", f"import sys, {module}; print(*sys.modules, sep='\\n')").splitlines()
    assert not {"PySide6", "pyqtgraph", "qtpy", "superqt"} & set(loaded)


def test_help_loads_nothing_heavy():
    code = "import sys, metagui.cli; print(*sys.modules, sep='\\n')"
    assert not {"torch", "mujoco", "h5py", "numpy", "PySide6"} & set(_run("-c", code).splitlines())


def test_every_module_has_a_docstring():
    assert not [_relative(path) for path in MODULES if not path.read_text(encoding="utf-8").startswith('"""')]


def test_both_entry_points_are_the_same_program():
    versions = {_run("-m", "metagui", "--version")}
    script = Path(sys.executable).parent / ("metagui.exe" if os.name == "nt" else "metagui")
    versions.add(subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout)
    assert len(versions) == 1


def test_public_classes_and_constants_are_unique():
    """A class or an upper-case constant has one module; functions may share a name across folders."""
    homes = collections.defaultdict(list)
    for path in MODULES:
        for name in _public_names(_parse(path)):
            homes[name].append(_relative(path))
    assert not {name: found for name, found in homes.items() if len(found) > 1}


def test_modules_are_short():
    lengths = {_relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: length for name, length in lengths.items() if length > MAX_MODULE_LINES}


def test_functions_are_short():
    lengths = {
        f"{_relative(path)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in ast.walk(_parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES}


def test_folders_are_small():
    modules = collections.Counter(path.parent for path in MODULES if path.name != "__init__.py")
    assert not {_relative(folder): count for folder, count in modules.items() if count > MAX_FOLDER_MODULES}


def test_no_test_imports_a_test():
    """What several tests build is in tests/helpers."""
    pattern = re.compile(r"(from|import)\s+tests\.(unit|integration|test_)")
    found = [
        f"{_relative(path)}: {line.strip()}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if pattern.match(line.strip())
    ]
    assert not found


def test_texts_use_plain_words():
    """Docstrings, comments and messages; see the glossary."""
    stored_name = "multi-task "  # of a training phase, in the files of checkpoints
    pattern = re.compile(rf"(?<!{stored_name})\b(?:{'|'.join(BANNED_WORDS)})s?\b", re.IGNORECASE)
    found = [
        f"{_relative(path)}:{line}: {match[0]}"
        for path in MODULES
        for line, text in _texts(path)
        for match in pattern.finditer(text)
    ]
    assert not found


def _run(*arguments: str) -> str:
    """Run a Python in a fresh process and return its output."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _public_names(module: ast.Module) -> Iterator[str]:
    """Yield the names of a module's public classes and upper-case constants."""
    for node in module.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for leaf in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(leaf, ast.Name) and leaf.id.isupper() and not leaf.id.startswith("_"):
                    yield leaf.id


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of every comment, and of every string of several words, in a module."""
    source = path.read_text(encoding="utf-8")
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None)}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in kinds and (token.type == tokenize.COMMENT or " " in token.string):
            yield token.start[0], token.string
