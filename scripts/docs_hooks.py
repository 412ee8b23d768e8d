"""Hooks of MkDocs: pages that are made at build time, the API reference and the page on contributing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("arms", "demonstrations", "learning", "gui")
"""The packages whose modules are documented: the four nouns."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every package of the four nouns, also to the navigation, and CONTRIBUTING.md as a page."""
    sections: dict[str, list[str]] = {}
    for folder in find_packages(ROOT / "metagui"):
        parts = folder.relative_to(ROOT / "metagui").parts
        page = f"api/{'.'.join(parts)}.md"
        sections.setdefault(parts[0], []).append(page)
        files.append(File.generated(config, page, content=make_page(folder)))
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "contributing.md", content=contributing))
    assert config.nav is not None
    config.nav.append({"API": ["api/index.md", *({name: pages} for name, pages in sections.items())]})
    return files


def find_packages(package: Path) -> Iterator[Path]:
    """Yield the folders of the four nouns that hold modules, each before its subfolders."""
    for name in PACKAGES:
        for folder in sorted({path.parent for path in (package / name).rglob("*.py")}):
            if find_modules(folder):
                yield folder


def find_modules(folder: Path) -> list[Path]:
    """Return the public modules of a package, without its ``__init__``."""
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def make_page(folder: Path) -> str:
    """Return the Markdown of a package's page: its docstring, then every public module."""
    package = ".".join(folder.relative_to(ROOT).parts)
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    modules = [f"::: {package}.{module.stem}" for module in find_modules(folder)]
    return "\n\n".join([f"# {package}", docstring, *modules, ""])
