"""``fm-hub``: a group of commands that are named as strings and imported when they are called.

Commands of other packages come by entry point (group ``fm_hub.commands``), so that this module knows no
builder and no evaluator.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from fm_hub.errors import FmError
from fm_hub.registry import Registry

__all__ = ["COMMANDS", "main", "run_command"]

INTERRUPTED = 130
COMMANDS: Registry[Callable[..., Any]] = Registry(
    "command",
    "fm_hub.commands",
    {
        "quickstart": "fm_hub.quickstart:quickstart",
        "verify": "fm_hub.commands:verify",
        "stats": "fm_hub.commands:stats",
        "card": "fm_hub.commands:card",
        "alias": "fm_hub.commands:alias",
        "push": "fm_hub.release.commands:push",
        "pull": "fm_hub.release.commands:pull",
        "diff": "fm_hub.release.commands:diff",
        "versions": "fm_hub.release.commands:versions",
        "rollback": "fm_hub.release.commands:rollback",
        "redact": "fm_hub.release.commands:redact",
        "export": "fm_hub.export.commands:export",
        "contribute": "fm_hub.contribute.commands:contribute",
        "serve": "fm_hub.hubserver.server:serve",
    },
)


class LazyGroup(typer.core.TyperGroup):
    """A group over a registry of functions with Typer annotations."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own context
        """The names of all commands."""
        del ctx
        return COMMANDS.names()

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # as above
        """Import one command, or a group of them."""
        del ctx
        found = COMMANDS.load(cmd_name)
        if isinstance(found, typer.Typer):
            return typer.main.get_group(found)
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(name=cmd_name)(found)
        return typer.main.get_command(app)


def run_command(command: Any, prog_name: str, argv: list[str] | None = None) -> int:
    """Run a typer command with our exit codes; the one place that turns an :class:`FmError` into a line.

    0 done; 1 ran, with something unproved or nothing passed; 2 user error; 130 interrupted (work kept).
    """
    try:
        result = command.main(args=argv, prog_name=prog_name, standalone_mode=False)
    except FmError as e:
        print(f"{prog_name}: {e}", file=sys.stderr)
        return e.exit_status
    except typer.TyperException as e:  # what typer raises for a wrong option or argument
        say = getattr(e, "format_message", None)
        print(f"{prog_name}: {say() if say else e}", file=sys.stderr)
        return 2
    except typer.Exit as e:
        result = e.exit_code
    except (KeyboardInterrupt, typer.Abort):
        result = INTERRUPTED
    if result == INTERRUPTED:  # typer turns the interrupt itself into an exit code, without a word
        print(f"{prog_name}: interrupted; finished work is kept, run the same command again to go on", file=sys.stderr)
    return result if isinstance(result, int) else 0


def _version(show: bool) -> None:
    if show:
        from fm_hub import __version__

        print(f"fm-hub {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=LazyGroup, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True
)


@app.callback(
    help="Motion in video, as data: build, verify, load and score re-derivable motion datasets.",
    epilog="Start here:  fm-hub quickstart",
)
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    del version


def main(argv: list[str] | None = None) -> None:
    """The ``fm-hub`` command."""
    sys.exit(run_command(typer.main.get_command(app), "fm-hub", argv))
