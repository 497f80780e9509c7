"""`data/raw/DATA.tar`: a set's original files with a manifest, the same bytes whichever source they came from."""

import hashlib
import io
import json
import mmap
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intaglio.errors import UserError
from intaglio.fetching.content import Damaged, Written, reading
from intaglio.files import replacing

MANIFEST = "manifest.json"
_HOW_TO_FIX = "run `intaglio download` again"


@dataclass(frozen=True)
class Raw:
    """The set's name, and the content of each of its files by name, mapped from the file and not copied."""

    set: str
    files: dict[str, memoryview]


def write(path: Path, name: str, files: Mapping[str, Written]) -> None:
    """Write the originals of the set `name` as an uncompressed tar: manifest first, then the files sorted by name.

    Raises:
        UserError: the file cannot be written.
    """
    manifest = {
        "set": name,
        "files": [{"name": key, "size": file.size, "sha256": file.sha256} for key, file in sorted(files.items())],
    }
    text = json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(member(MANIFEST, len(text)), io.BytesIO(text.encode("ascii")))
        for key, file in sorted(files.items()):
            with file.path.open("rb") as content:
                tar.addfile(member(key, file.size), content)


def member(name: str, size: int) -> tarfile.TarInfo:
    """A tar header that has a name and a size, and nothing of the machine."""
    header = tarfile.TarInfo(name)  # times, owner and group are zero by default
    header.size = size
    header.mode = 0o644
    return header


def read(path: Path) -> Raw:
    """Map the originals and compare them with the manifest.

    Raises:
        UserError: the file is missing, damaged, or not one that `download` wrote.
    """
    try:
        with path.open("rb") as file, reading(str(path)), tarfile.open(fileobj=file, mode="r:") as tar:
            members = [each for each in tar if each.isreg()]
            # Writers replace the file and never change it, so the mapping stays valid.
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; {_HOW_TO_FIX}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; {_HOW_TO_FIX}") from error
    except Damaged as error:
        raise UserError(f"{error}; {_HOW_TO_FIX}") from error
    contents = {each.name: whole[each.offset_data : each.offset_data + each.size] for each in members}
    manifest = _manifest(path, contents.pop(MANIFEST, whole[:0]))
    for file in manifest["files"]:
        content = contents.get(file["name"])
        if content is None or hashlib.sha256(content).hexdigest() != file["sha256"]:
            state = "missing" if content is None else "not what the manifest says"
            raise UserError(f"{path}: damaged: its member {file['name']!r} is {state}; {_HOW_TO_FIX}")
    if unknown := sorted(contents.keys() - {file["name"] for file in manifest["files"]}):
        raise UserError(f"{path}: contains {unknown[0]!r}, which is not in its manifest; {_HOW_TO_FIX}")
    return Raw(manifest["set"], contents)


def _manifest(path: Path, content: memoryview) -> Any:
    try:
        manifest = json.loads(bytes(content))
        if isinstance(manifest["set"], str) and all(
            isinstance(file["name"], str) and isinstance(file["sha256"], str) for file in manifest["files"]
        ):
            return manifest
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise UserError(
        f"{path}: not written by `intaglio download`, or damaged: it has no valid {MANIFEST}; {_HOW_TO_FIX}"
    )
