"""The command line: one sub-command for each step and each command. It only dispatches; options are the step's own."""

import inspect
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from intaglio.chain.code_files import STEPS
from intaglio.errors import LONGEST_MESSAGE, SettingError, UserError, quote
from intaglio.steps.declare import Option, Reads, Writes
from intaglio.steps.declare import options as options_of

COMMANDS = ("check", "compare", "find-lr", "fingerprint", "list", "sync", "view")

# Set for the package of the working directory, so that it is started once at most.
ENTERED = "INTAGLIO_ENTERED"

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _command(module: str, name: str) -> Callable[..., None]:
    """A Typer command for a module's `run`, whose parameters are annotated: see `intaglio.steps.declare`.

    Typer is used here alone, so that a new version of it re-runs no step. A user's mistake is one line on standard
    error and exit code 2; Ctrl-C is one line and 130.
    """
    run: Callable[..., None] = import_module(module).run
    declared = list(options_of(run))

    def command(**options: Any) -> None:
        from intaglio.chain.run_record import recorded
        from intaglio.logs import log_to, logger

        reads, writes = (
            {str(options[option.parameter.name]) for option in declared if isinstance(option.mark, kind)}
            for kind in (Reads, Writes)
        )
        try:
            with log_to(name, options.get("name")):
                _check_files(declared, options)
                with recorded(name, reads, writes) as to_be_computed:
                    if to_be_computed:
                        run(**options)
        except UserError as error:
            logger.error("error: %s", _located(error, options))
            raise typer.Exit(2) from error
        except BrokenPipeError:  # `| head`: Typer ends quietly
            raise
        except OSError as error:
            # A failing disk or a limit of the system: what can be known beforehand has been checked.
            cause = f"{error.filename or name}: {error.strerror or error}; remove the cause, then try again"
            logger.error("error: %s", quote(cause, LONGEST_MESSAGE))
            raise typer.Exit(2) from error
        except KeyboardInterrupt as interrupt:
            logger.error("interrupted; the same command goes on")
            raise typer.Exit(130) from interrupt

    parameters = []
    for option in declared:
        parameter = option.parameter
        positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        # The option's name is given, so that a switch gets no second one that turns it off.
        flag = f"--{parameter.name.replace('_', '-')}"
        typed = typer.Argument(help=option.text) if positional else typer.Option(flag, help=option.text)
        parameters.append(parameter.replace(annotation=Annotated[option.kind, typed], kind=parameter.KEYWORD_ONLY))
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__doc__ = run.__doc__
    return command


def _check_files(declared: Sequence[Option], options: dict[str, Any]) -> None:
    """Check all files that a step is to read and write, before it computes anything."""
    from intaglio.files import check_input, check_output

    for option in declared:
        path = options[option.parameter.name]
        match option.mark:
            case Reads(folder=folder):
                check_input(path, folder)
            case Writes():
                check_output(path)


def _located(error: UserError, options: dict[str, Any]) -> UserError:
    """The error with the settings file and the full key, if it is about a setting."""
    if not isinstance(error, SettingError):
        return error
    from intaglio.params.reader import Params

    try:
        return Params(options.get("params", Path("params.yaml"))).located(error, options.get("name"))
    except UserError:  # edited since, and broken now
        return error


for _name in ("code", *STEPS):
    app.command(_name)(_command(f"intaglio.steps.{_name}", _name))
for _name in COMMANDS:
    app.command(_name)(_command(f"intaglio.commands.{_name.replace('-', '_')}", _name))


def _run_own_package() -> None:
    """Go on with the package of the clone in the working directory, if this one is another clone's.

    DVC copies a clone to a temporary folder for a queued experiment, whose results are to be those of the code there.
    """
    own = Path("src").resolve()
    if (own / "intaglio/cli.py").is_file() and not Path(__file__).is_relative_to(own) and ENTERED not in os.environ:
        paths = os.pathsep.join(filter(None, (str(own), os.environ.get("PYTHONPATH"))))
        program = [sys.executable, "-P", "-c", "from intaglio.cli import main; main()", *sys.argv[1:]]
        os.execve(sys.executable, program, {**os.environ, "PYTHONPATH": paths, ENTERED: str(own)})


def main() -> None:
    """Run the command line."""
    _run_own_package()
    # Where the terminal's encoding lacks a character, it is escaped; as Python itself does on standard error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Threads that wait give the processor away: where steps share cores, spinning makes each up to ten times slower.
    # OpenMP reads this as torch is imported, so it is set before.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app(prog_name="intaglio")
