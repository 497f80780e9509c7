"""`workflow/sources/`: what each row of `data` takes, brought up to date as either tool starts.

In DVC the step `code` writes it, and for a folder that is on this machine there is a stage of its own besides, which
depends on the folder: see `chain.own_stages`.
"""

from pathlib import Path

from intaglio.chain.own_stages import OwnStage, write_stages
from intaglio.data import own_source
from intaglio.data.known_source import is_verified
from intaglio.data.listing import SOURCES, Listing, read_listing
from intaglio.errors import SettingError, UserError
from intaglio.fetching.user_copy import is_here
from intaglio.files import write_text
from intaglio.logs import logger
from intaglio.params.data import FolderSet, KnownSet, OwnSet, PublishedPhotographs, TableSet
from intaglio.params.download import Download
from intaglio.params.schema import Everything

# How often the images are listed while they go on changing.
ATTEMPTS = 5
# A table's images in more places than this are watched as the whole folder.
PLACES = 100


def refresh_sources(settings: Everything, *, record: bool = True) -> list[str]:
    """Bring the listings up to date; one that is keeps its time. Returns the rows whose listing changed.

    Images that are not on this machine keep the listing that came with the clone: nothing is run again for them.

    Args:
        settings: all of params.yaml.
        record: whether DVC is to record what is changed as up to date; not when DVC itself runs the stage.

    Raises:
        UserError: a source is not there and has no listing, or is not accepted.
    """
    changed: list[str] = []
    for _ in range(ATTEMPTS):
        again, stages = _list_all(settings)
        changed += [name for name in again if name not in changed]
        # DVC reads the folders itself, and would hide for good what changed in between.
        if not write_stages(stages, record=record):
            return changed
    raise UserError(
        f"{SOURCES}: the images of {', '.join(changed) or 'a row'} change all the time; wait until they do not"
    )


def _list_all(settings: Everything) -> tuple[list[str], list[OwnStage]]:
    """Write the listings that changed; returns their rows, and the stages that watch what is on this machine."""
    changed = []
    stages = []
    for name, row in settings.data.items():
        path = SOURCES / f"{name}.json"
        try:
            if isinstance(row, KnownSet) or row.source is None:
                listing: Listing | None = Listing(set=row.set)
            else:
                listing, stage = _list_own(name, row, row.source, path, settings.download)
                stages += [stage] if stage is not None else []
        except SettingError as error:
            raise SettingError(error.key.replace("data.", f"data.{name}.", 1), error.problem) from error
        if listing is not None and _text(path) != listing.text:
            write_text(path, listing.text)
            changed.append(name)
    for path in sorted(SOURCES.glob("*.json")):
        if path.stem not in settings.data:
            path.unlink()
    return changed, stages


def _list_own(
    name: str, row: OwnSet | PublishedPhotographs, given: str, path: Path, download: Download
) -> tuple[Listing | None, OwnStage | None]:
    """A new listing, unless the one on disk is to be kept; and the stage that watches what is on this machine."""
    kept = _kept(path, row.set)
    if not is_here(given, own_source.KEY):
        if kept is None:
            own_source.find(row, download)  # an error
        logger.info("data.%s: %s is not on this machine; %s is kept", name, given, path)
        return None, None
    if isinstance(row, PublishedPhotographs) and is_verified(row):
        return Listing(set=row.set), None
    if "://" in given and kept is not None and given.lower().endswith(f"#sha256={kept.sha256}"):
        return None, None
    source = own_source.find(row, download)
    is_archive = isinstance(row, FolderSet) and source.is_file()
    if is_archive and kept is not None and kept.sha256 == own_source.archive_sha256(source, name):
        return None, OwnStage(name, [source], changed=False)
    with own_source.open_source(row, source, name=name) as opened:
        if "://" in given and not given.startswith("file:"):
            return opened.listing, None
        watched = [source]
        if isinstance(row, TableSet):
            watched += _folders(source, [each.path for each in opened.placed])
        return opened.listing, OwnStage(name, watched, changed=opened.changed or opened.listing != kept)


def _folders(table: Path, paths: list[str]) -> list[Path]:
    """The files and folders beside a table that its images are in; the table's own folder where they are many."""
    tops = sorted({path.split("/")[0] for path in paths})
    if len(tops) > PLACES and not Path.cwd().is_relative_to(table.parent.resolve()):
        return [table.parent]
    return [table.parent / top for top in tops]


def _kept(path: Path, kind: str) -> Listing | None:
    """The listing on disk, if it is one of this kind of set."""
    try:
        listing = read_listing(path)
    except UserError:
        return None
    return listing if listing.set == kind else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
