"""Write docs/cli.md, the reference of the command line, from the commands themselves.

    python scripts/cli_reference.py

A test fails while the page differs from what this script would write.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from typer.main import get_command

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
INTRODUCTION = """\
<!-- Written by scripts/cli_reference.py; edit the commands in metagui/cli instead. -->

# Command line

Every function of the window is also a command. Without a command, `metagui` opens the window. Each command prints a
table, or one JSON document with `--json`; progress and errors go to standard error, and the exit status is not zero
after a failure.
"""
HIDDEN_OPTIONS = ("--help", "--install-completion", "--show-completion")


def make_page() -> str:
    """Return the Markdown of the page."""
    from metagui.cli import app

    group: Any = get_command(app)
    commands = {name: command for name, command in group.commands.items() if not command.hidden}
    rows = [f"| [`metagui {name}`](#metagui-{name}) | {summarise(command)} |" for name, command in commands.items()]
    overview = "\n".join(["| Command | Does |", "| --- | --- |", *rows])
    return "\n".join([INTRODUCTION, overview, *(make_section(name, each) for name, each in commands.items())])


def make_section(name: str, command: Any) -> str:
    """Return the section of one command: its call, its help, its arguments and options."""
    shown = [parameter for parameter in command.params if not is_hidden(parameter)]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    call = " ".join(["metagui", name, *(each.name.upper() for each in arguments), *(["[OPTIONS]"] if options else [])])
    lines = ["", f"## metagui {name}", "", escape(" ".join((command.help or "").split())), "", "```text", call, "```"]
    if shown:
        lines += ["", "| Argument or option | Value | Default | Meaning |", "| --- | --- | --- | --- |"]
        lines += [make_row(each) for each in (*arguments, *options)]
    return "\n".join(lines) + "\n"


def make_row(parameter: Any) -> str:
    """Return the table row of an argument or option."""
    cells = (make_label(parameter), describe_value(parameter), describe_default(parameter), describe(parameter))
    return f"| {' | '.join(cells)} |"


def make_label(parameter: Any) -> str:
    """Return an argument's name, or an option's current names."""
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in find_current_names(parameter))


def describe(parameter: Any) -> str:
    """Return what a parameter means, with its limits."""
    text = escape(parameter.help or "")
    holder = parameter if hasattr(parameter, "type_descriptor") else parameter.type
    low, high = getattr(holder, "min", None), getattr(holder, "max", None)
    bounds = [f"at {name} {bound:g}" for name, bound in (("least", low), ("most", high)) if bound is not None]
    return f"{text} ({', '.join(bounds)})" if bounds else text


def describe_value(parameter: Any) -> str:
    """Return what kind of value a parameter takes."""
    if getattr(parameter, "is_flag", False):
        return ""
    descriptor = getattr(parameter, "type_descriptor", None)
    kind = describe_type(descriptor.annotation) if descriptor else describe_click_type(parameter.type)
    return f"{kind}, repeatable" if parameter.multiple else kind


def describe_type(annotation: Any) -> str:
    """Return the kind of value of a Python type; lists count as what they hold."""
    annotation = next(iter(get_args(annotation)), annotation)
    if issubclass(annotation, Enum):
        return " or ".join(f"`{choice.value}`" for choice in annotation)
    return {int: "integer", float: "number", Path: "path"}.get(annotation, "text")


def describe_click_type(kind: Any) -> str:
    """Return the kind of value of a click type, for versions of typer that use click."""
    if hasattr(kind, "choices"):
        return " or ".join(f"`{choice}`" for choice in kind.choices)
    return {"integer": "integer", "float": "number", "path": "path"}.get(kind.name.split()[0], "text")


def describe_default(parameter: Any) -> str:
    """Return a parameter's default, empty for a flag and where none is needed."""
    if parameter.required:
        return "required"
    if getattr(parameter, "is_flag", False) or parameter.default in (None, "", (), []):
        return ""
    default = getattr(parameter.default, "value", parameter.default)
    return f"`{default}`"


def is_hidden(parameter: Any) -> bool:
    """Return whether a parameter is left out of the page."""
    return getattr(parameter, "hidden", False) or bool(set(HIDDEN_OPTIONS) & set(parameter.opts))


def find_current_names(option: Any) -> Iterator[str]:
    """Yield an option's names without those of earlier versions."""
    from metagui.cli.aliases import OLD_OPTION_NAMES

    return (name for name in option.opts if name not in OLD_OPTION_NAMES)


def summarise(command: Any) -> str:
    """Return the first sentence of a command's help."""
    return escape(" ".join((command.help or "").split()).split(". ")[0].rstrip(".")) + "."


def escape(text: str) -> str:
    """Return text for a table cell."""
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
