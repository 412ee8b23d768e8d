"""The ``metagui`` command line application, to which every module of ``cli.commands`` adds its commands."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from metagui import __version__
from metagui.cli.output import print_error


class CommandGroup(TyperGroup):
    """Group of commands that reports the errors of this program as one message without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a known error or a file system error prints its message and exits with status 1."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_own_error(error):
                raise
            print_error(format_error(error))
            raise typer.Exit(1) from error


def is_own_error(error: Exception) -> bool:
    """Return whether an error's message is written for users, so that it needs no traceback."""
    return type(error).__module__.partition(".")[0] == "metagui" or isinstance(error, OSError)


def format_error(error: Exception) -> str:
    """Return an error's message; for a file system error, the file and the reason."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return str(error)


app = typer.Typer(
    cls=CommandGroup,
    help="Teach a robot arm a new task by demonstrating it a few times. Without a command, the window opens.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def metagui(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Open the window, unless a command or ``--version`` was given."""
    if version:
        typer.echo(f"metagui {__version__}")
    elif context.invoked_subcommand is None:
        from metagui.app import main

        raise typer.Exit(main())
