"""Image files from their source into `data/raw/DATA.tar`: see `raw_images`."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import IO, cast

from intaglio.data.own_source import Opened
from intaglio.data.raw import MANIFEST, member
from intaglio.data.raw_images import FOLDER, SPLITS
from intaglio.errors import UserError, quote
from intaglio.fetching.collection import on_disk
from intaglio.fetching.content import CHUNK, Damaged, reading
from intaglio.files import replacing


def write(path: Path, opened: Opened) -> None:
    """Write the images of a source, one in memory at a time.

    Raises:
        UserError: the file cannot be written, or an image changed or cannot be read.
    """
    classes = list(opened.classes)
    labels = {name: number for number, name in enumerate(classes)}
    sums = {each.path: _sha256(opened, each.path) for each in opened.placed}
    images = [
        [each.path, opened.items[each.path].size, sums[each.path], SPLITS.index(each.split), labels[each.label]]
        for each in opened.placed
    ]
    # A line for each image.
    listed = ",\n".join(json.dumps(image, ensure_ascii=False) for image in images)
    head = json.dumps({"set": opened.listing.set, "classes": classes}, ensure_ascii=False)
    text = f'{head[:-1]}, "images": [\n{listed}\n]}}\n'.encode()
    # PAX adds a header where a name is long or has other characters than ASCII, and is USTAR otherwise.
    with replacing(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(member(MANIFEST, len(text)), io.BytesIO(text))
        for each in opened.placed:
            with _open(opened, each.path) as file:
                content = _Hashed(file)
                try:
                    tar.addfile(member(f"{FOLDER}{each.path}", opened.items[each.path].size), cast(IO[bytes], content))
                except (OSError, tarfile.TarError) as error:
                    if "unexpected end of data" in str(error):
                        raise _changed(each.path) from error
                    raise
            tar.members.clear()  # type: ignore[attr-defined]
            if content.digest.hexdigest() != sums[each.path]:
                raise _changed(each.path)
        if opened.mark is not None and opened.mark != on_disk(str(opened.path), opened.path.stat()).mark:
            raise _changed(str(opened.path))  # the listing has the hash of the archive as it was


def _changed(path: str) -> UserError:
    return UserError(f"{quote(path)}: changed while it was read; run the same command again")


def _open(opened: Opened, path: str) -> IO[bytes]:
    try:
        return opened.items[path].open()
    except OSError as error:
        raise UserError(f"{quote(path)}: cannot be read: {error.strerror or error}; change its permissions") from error


def _sha256(opened: Opened, path: str) -> str:
    if path in opened.hashes:
        return opened.hashes[path]
    digest = hashlib.sha256()
    try:
        with reading(f"{quote(path)} in {opened.path}"), opened.items[path].open() as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except Damaged as error:
        raise UserError(f"{error}; give a folder, or another archive") from error
    return digest.hexdigest()


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        content = self.file.read(size)
        self.digest.update(content)
        return content
