"""The command line: one sub-command for each step and each command. It only dispatches; options are the step's own."""

import inspect
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any, get_type_hints

import typer

from intaglio.errors import UserError

STEPS = (
    "code",
    "download",
    "prepare",
    "train",
    "finetune",
    "evaluate",
    "export",
    "verify",
    "visualize",
    "report",
)
COMMANDS = ("check", "compare", "fingerprint", "sync", "view")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _command(module: str, name: str) -> Callable[..., None]:
    """A Typer command for a module's `run`, whose parameters are annotated with their help text.

    A user's mistake is one line on standard error and exit code 2; Ctrl-C is one line and 130.
    """
    run: Callable[..., None] = import_module(module).run
    hints = get_type_hints(run, include_extras=True)

    def command(**options: Any) -> None:
        from intaglio.chain.run_record import witness
        from intaglio.logs import logger, record

        try:
            with record(name, options), witness(sys.argv[1:]) as needed:
                if needed:
                    run(**options)
        except UserError as error:
            logger.error("error: %s", error)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as interrupt:
            logger.error("interrupted; the same command starts again")
            raise typer.Exit(130) from interrupt

    parameters = []
    for parameter in inspect.signature(run).parameters.values():
        kind, text = hints[parameter.name].__origin__, hints[parameter.name].__metadata__[0]
        positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        # The option's name is given, so that a switch gets no second one that turns it off.
        option = f"--{parameter.name.replace('_', '-')}"
        declared = typer.Argument(help=text) if positional else typer.Option(option, help=text)
        parameters.append(parameter.replace(annotation=Annotated[kind, declared], kind=parameter.KEYWORD_ONLY))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__doc__ = run.__doc__
    return command


for _name in STEPS:
    app.command(_name)(_command(f"intaglio.steps.{_name}", _name))
for _name in COMMANDS:
    app.command(_name)(_command(f"intaglio.commands.{_name}", _name))


def main() -> None:
    """Run the command line."""
    # Threads that wait give the processor away: where steps share cores, spinning makes each up to ten times slower.
    # OpenMP reads this as torch is imported, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()
