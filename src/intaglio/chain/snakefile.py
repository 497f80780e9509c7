"""What the Snakefile needs: the settings, each rule's share of them, and code files that are up to date."""

import atexit
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any

from snakemake.exceptions import WorkflowError

from intaglio.chain.alone import alone, briefly_alone
from intaglio.chain.clone_lock import BusyError, announce, claim
from intaglio.chain.code_files import refresh
from intaglio.chain.dvc_cache import let_dvc_do_without_git
from intaglio.chain.dvc_lock import remove_damaged
from intaglio.chain.dvc_lockfile import set_damaged_aside
from intaglio.chain.networks import check_networks
from intaglio.chain.preflight import check_settings
from intaglio.chain.run_cache import CHOICE as TAKE_FROM_CACHE
from intaglio.chain.source_check import check_sources
from intaglio.chain.sources import refresh_sources
from intaglio.chain.stages import PARAMS, read_stages
from intaglio.chain.step_source import CODE, LOCK, SOURCE, require_own_package
from intaglio.chain.sync import behind, correct_times, unprotect, update_dvc_lock, update_snakemake
from intaglio.errors import UserError
from intaglio.params.reader import Params
from intaglio.params.schema import Everything


class Error(WorkflowError):  # type: ignore[misc]
    """A user's mistake: Snakemake prints its one line, and no place in the Snakefile, where there is none."""

    # Snakemake takes the place from here.
    __traceback__ = None


# The clone, from the first look at its files until this process ends: what this run relies on must stay as it is.
_CLONE = ExitStack()
# Why it does not have it.
_BUSY: list[BusyError] = []


def check_and_sync(workflow: Any, config: dict[str, Any]) -> Everything:
    """Check all settings, and bring `workflow/` and Snakemake's record up to date, before it decides what to run.

    Only the process that the user started does the latter, not a job's own reading of the Snakefile, and not while a
    run is active in the clone.

    Afterwards `config` holds the settings, as `configfile: "params.yaml"` would give them but for the reader: the
    captions of Snakemake's report take values from there.

    Raises:
        Error: the settings or the source are wrong; Snakemake prints its one line.
    """
    if config:
        raise Error(f"--config {' '.join(config)}: settings live in {PARAMS}, for both tools; change them there")
    try:
        settings = _prepare(workflow) if workflow.is_main_process else check_settings(PARAMS)
    except UserError as error:
        raise Error(str(error)) from error
    config.update(Params(PARAMS).values)
    return settings


def _prepare(workflow: Any) -> Everything:
    # `workflow.dryrun` is not set yet while the Snakefile is read.
    dry: bool = workflow.output_settings.dryrun
    try:
        with ExitStack() as held:
            if dry:
                held.enter_context(briefly_alone())
            else:
                _enter_clone()
            settings = check_settings(PARAMS, refresh=partial(refresh_sources, record=not (dry or inside_of_dvc())))
            require_own_package()
            refresh(SOURCE, LOCK, CODE)
            check_networks(Params(PARAMS), settings, CODE)
            for stage in read_stages().values():
                for path in stage.leftovers:
                    path.unlink()
            _sync(writes_lock=not (dry or inside_of_dvc()))
            check_sources(Params(PARAMS), settings)
    except BusyError as error:
        # What runs nothing, as --dry-run or --report, shows the clone as it is; a run is rejected as it starts.
        _BUSY.append(error)
        settings = check_settings(PARAMS)
        require_own_package()
    return settings


def _enter_clone() -> None:
    """Have the clone until this process ends. In a stage of DVC, DVC keeps its other runs away."""
    _CLONE.enter_context(claim() if inside_of_dvc() else alone())
    atexit.register(_CLONE.close)


def _sync(*, writes_lock: bool) -> None:
    """Bring both records in line with what is on disk, each with a line if there was anything to do."""
    if let_dvc_do_without_git():
        _print("there is no git repository here: DVC is set to do without (.dvc/config.local)")
    remove_damaged()
    if aside := set_damaged_aside():
        _print(f"dvc.lock was damaged: it is {aside} now, and is written anew from the records of the runs")
    for path in correct_times():
        _print(f"{path}: its time was in the future; set to now")
    unprotect()
    if changed := update_snakemake():
        _print(f"{changed} of Snakemake's records brought in line with what is on disk")
    # When there is nothing to run Snakemake ends without a word to `onsuccess`.
    if writes_lock and behind():
        _print(f"{len(update_dvc_lock())} stages newly recorded in dvc.lock")


def lock_clone(workflow: Any) -> None:
    """Let the steps know that this process has the clone, and whether jobs are forced.

    Raises:
        Error: another run holds it.
    """
    if _BUSY:
        raise Error(str(_BUSY[0]))
    announce()
    atexit.register(_record_at_exit)
    wanted = workflow.dag_settings
    if not (wanted.forceall or wanted.forcerun or wanted.forcetargets):
        os.environ[TAKE_FROM_CACHE] = "yes"


def record_results() -> None:
    """After a run, whole or broken off: record in both tools what is true, and nothing else.

    Raises:
        Error: `dvc.lock` cannot be brought up to date.
    """
    atexit.unregister(_record_at_exit)
    try:
        if not inside_of_dvc():
            _print(f"{len(update_dvc_lock(_print))} stages newly recorded in dvc.lock")
        update_snakemake()
    except UserError as error:
        raise Error(str(error)) from error


def _record_at_exit() -> None:
    """Snakemake ends past `onerror` when, say, a file disappears between two jobs."""
    try:
        record_results()
    except Error as error:
        _print(f"error: {error}")


def inside_of_dvc() -> bool:
    """Whether Snakemake was started by a stage of DVC, which then holds its own lock and records its own outputs."""
    return "DVC_STAGE" in os.environ


def _print(text: str) -> None:
    print(f"intaglio sync: {text}", file=sys.stderr)


def settings_of(step: str, wildcard: str = "network") -> Callable[[Any], str]:
    """A rule's one parameter: its settings as sorted JSON, which differs exactly when a value does.

    Args:
        step: whose `KEYS` say which settings.
        wildcard: that names the row; a rule without it works on the whole run.
    """
    params = Params(PARAMS)
    keys: tuple[str, ...] = import_module(f"intaglio.steps.{step}").KEYS
    return lambda wildcards: params.canonical(params.keys_of(keys, wildcards.get(wildcard)))


def names(rows: Iterable[str]) -> str:
    """A wildcard's constraint: one of the rows of a table, which may have none."""
    return "|".join(rows) or "(?!)"


def columns(settings: Everything) -> Callable[[str], Callable[[Any], str]]:
    """For input paths that name a row of another table: `{data}` and `{start}` of the network's own row."""
    rows = {name: row.model_dump() for name, row in settings.networks.items()}
    return lambda path: lambda wildcards: path.format(**rows[wildcards.network])


def gpus(settings: Everything) -> int:
    """How many GPUs a training step takes: so that steps take turns on a GPU, and run side by side without one."""
    match settings.compute.device:
        case "auto":
            return int(shutil.which("nvidia-smi") is not None)
        case "cuda":
            return 1
        case _:
            return 0
