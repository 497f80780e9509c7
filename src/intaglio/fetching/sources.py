"""Reading a set's files from one of the sources that publish them."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from intaglio.fetching.archive import extract
from intaglio.fetching.cache import empty_folder
from intaglio.fetching.debian import package_content
from intaglio.fetching.http import Unavailable, download
from intaglio.fetching.originals import Archive, DebianPackage, File, Folder, Installed, Originals, Source
from intaglio.fetching.workspace import Files, Workspace, check, copy, from_folder


def read(source: Source, files: Sequence[File], originals: Originals, workspace: Workspace) -> Files:
    """Some files of a set, from one of its sources.

    Raises:
        Unavailable: the source cannot be reached, or does not have them.
        Damaged: the content is damaged, or is not the expected content.
        OSError: the disk cannot be written.
    """
    limits = {file.name: file.size for file in files}
    match source:
        case Folder(address):
            yield from from_folder(address, files, workspace)
        case Archive(address, size, checksum):
            path = download(address, workspace.partial, size, workspace.settings)
            try:
                check(path, checksum, "the archive")
                yield from extract(path, limits, originals.rejected, workspace.new, address).items()
            finally:
                path.unlink()
        case DebianPackage(name):
            with empty_folder(workspace.partial / "apt") as folder:
                path = package_content(name, folder, workspace.settings)
                yield from extract(path, limits, originals.rejected, workspace.new, f"package {name}").items()
        case Installed(package, inside):
            # Located without importing the package, which would take a second for scikit-learn.
            spec = importlib.util.find_spec(package)
            if spec is None:
                raise Unavailable(f"{package} is not installed")
            candidates = [Path(folder) / inside for folder in spec.submodule_search_locations or []]
            path = next((candidate for candidate in candidates if candidate.is_file()), Path(inside))
            if not path.is_file():
                raise Unavailable(f"the installed {package} has no {inside}")
            yield files[0].name, copy(path, files[0], files[0].size, workspace, inside)


def describe(source: Source) -> str:
    """The source's name, for messages."""
    match source:
        case Folder(address) | Archive(address, _, _):
            return address
        case DebianPackage(name):
            return f"Debian package {name}"
        case Installed(package, _):
            return f"Python package {package}"
