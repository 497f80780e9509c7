"""The catalogue's sources of a set."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from intaglio.data.catalogue import Archive, DebianPackage, Entry, File, Folder, Installed, Source
from intaglio.fetching.archive import extract
from intaglio.fetching.cache import empty_folder
from intaglio.fetching.content import Unexpected
from intaglio.fetching.debian import package_content
from intaglio.fetching.http import Unavailable, fetch
from intaglio.fetching.work import Files, Work, copy, from_folder
from intaglio.files import sha256


def read(source: Source, files: Sequence[File], entry: Entry, work: Work) -> Files:
    """The files of a set that one of its sources gives.

    Raises:
        Unavailable: the source cannot be reached, or does not have them.
        Damaged: what it gives is not what it should be.
        OSError: the disk cannot be written.
    """
    limits = {file.name: file.size for file in files}
    match source:
        case Folder(address):
            yield from from_folder(address, files, work)
        case Archive(address, size, checksum):
            path = fetch(address, work.partial, size, work.patience)
            try:
                if sha256(path) != checksum:
                    raise Unexpected(f"the archive has SHA-256 {sha256(path)}, not {checksum}")
                yield from extract(path, limits, entry.refused, work.new, address).items()
            finally:
                path.unlink()
        case DebianPackage(name):
            with empty_folder(work.partial / "apt") as folder:
                path = package_content(name, folder, work.patience)
                yield from extract(path, limits, entry.refused, work.new, f"package {name}").items()
        case Installed(package, inside):
            # Found without importing the package, which would take a second for scikit-learn.
            spec = importlib.util.find_spec(package)
            places = [Path(place) / inside for place in (spec.submodule_search_locations or [])] if spec else []
            path = next((place for place in places if place.is_file()), Path(inside))
            if not path.is_file():
                raise Unavailable(f"the installed {package} has no {inside}" if spec else f"{package} is not installed")
            yield files[0].name, copy(path, files[0].name, files[0].size, work, inside)


def describe(source: Source) -> str:
    """The source's name, for messages."""
    match source:
        case Folder(address) | Archive(address, _, _):
            return address
        case DebianPackage(name):
            return f"Debian package {name}"
        case Installed(package, _):
            return f"Python package {package}"
