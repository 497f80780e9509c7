"""`intaglio download`: where a set's bytes come from, and what happens when they do not come."""

import dataclasses
import gzip
import hashlib
import io
import logging
import os
import resource
import socket
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from intaglio.data import catalogue, raw
from intaglio.data.catalogue import CATALOG, Entry
from intaglio.data.known_photographs import PHOTOGRAPHS
from intaglio.data.listing import Listing
from intaglio.errors import UserError
from intaglio.fetching import http
from intaglio.fetching.originals import Archive, DebianPackage, File, Folder, Originals, Source, algorithm
from intaglio.params.data import PhotographSetName, SetName, TileSetName
from intaglio.params.download import Download
from intaglio.steps import download

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/fixtures/fashion-tiny.tar.gz"
TINY_SHA256 = hashlib.sha256(TINY.read_bytes()).hexdigest()
LISTING = Path("listing.json")
SETTINGS = Download(attempts=3, timeout=5)


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_waiting: None) -> None:
    """An empty cache, an empty working directory, and no waiting between tries."""
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files() -> dict[str, bytes]:
    """The four files of the small real subset of Fashion-MNIST."""
    with tarfile.open(TINY) as tar:
        return {Path(member.name).name: tar.extractfile(member).read() for member in tar}


@pytest.fixture
def publish(files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Entry]:
    """Make the small subset what the catalogue knows as fashion_mnist, published by the given sources."""

    def with_sources(*sources: Source) -> Entry:
        listed = [File(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()]
        originals = Originals("fashion_mnist", tuple(listed), sources)
        entry = dataclasses.replace(CATALOG["fashion_mnist"], originals=originals)
        monkeypatch.setattr(catalogue, "CATALOG", {**CATALOG, "fashion_mnist": entry})
        return entry

    return with_sources


def settings(source: str | None = None, set_name: str = "fashion_mnist", timeout: str = "30") -> Path:
    path = Path("params.yaml")
    path.write_text(
        f"data:\n  fashion:\n    set: {set_name}\n    source: {source or 'null'}\n    per_class: all\n"
        "    split: {validation: 0.05, test: official}\n"
        f"download: {{attempts: {SETTINGS.attempts}, timeout: {timeout}}}\n",
        encoding="utf-8",
    )
    LISTING.write_text(Listing(set=set_name).text, encoding="utf-8")
    return path


def run(source: str | None = None, set_name: str = "fashion_mnist", output: Path = Path("data/raw/base.tar")) -> bytes:
    download.run(params=settings(source, set_name), name="fashion", listing=LISTING, output=output)
    return output.read_bytes()


def rejected(source: str | None, set_name: str = "fashion_mnist", key: str | None = "data.source") -> str:
    """The error's line, at the setting `source`; an earlier output is kept, and nothing is left beside it."""
    output = Path("data/raw/base.tar")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(b"from an earlier run")
    with pytest.raises(UserError) as caught:
        run(source, set_name, output)
    assert output.read_bytes() == b"from an earlier run"
    assert [*output.parent.iterdir()] == [output]
    assert "\n" not in str(caught.value)
    assert getattr(caught.value, "key", None) == key
    return str(caught.value)


def served(files: dict[str, bytes], suffix: str = "") -> dict[str, bytes]:
    return {f"/{name}{suffix}": gzip.compress(content) if suffix else content for name, content in files.items()}


def closed_address() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


def command(source: str, name: str, **options: object) -> subprocess.Popen:
    folder = Path(name)
    folder.mkdir(exist_ok=True)
    params = settings(source).rename(folder / "params.yaml")
    LISTING.rename(folder / LISTING)
    line = [sys.executable, "-c", "from intaglio.cli import main; main()", "download", "--params", params.name]
    line += ["--name", "fashion", "--listing", str(LISTING), "--output", "base.tar"]
    return subprocess.Popen(line, cwd=folder, stderr=subprocess.PIPE, text=True, **options)


# The catalogue


def test_the_catalogue_knows_exactly_the_sets_that_the_settings_allow():
    assert tuple(CATALOG) == get_args(SetName)
    assert tuple(PHOTOGRAPHS) == get_args(PhotographSetName) + get_args(TileSetName)
    for name, entry in {**CATALOG, **PHOTOGRAPHS}.items():
        assert entry.originals.name == name
        assert all(algorithm(file.checksum) and bytes.fromhex(file.checksum) for file in entry.originals.files)
        assert len(set(entry.classes)) == len(entry.classes) > 1


def test_the_digits_come_out_of_the_installed_scikit_learn():
    run(set_name="digits")
    stored = raw.read(Path("data/raw/base.tar"))
    assert stored.set == "digits"
    assert [*stored.files] == ["digits.csv"]
    assert bytes(stored.files["digits.csv"]).startswith(b"0,0,5,13,9,1,0,0,")


def test_neither_step_imports_torch_or_scikit_learn():
    code = (
        "import sys; from pathlib import Path; from intaglio.steps import download, prepare\n"
        f"download.run(params=Path({str(settings(set_name='digits'))!r}), name='fashion', "
        "listing=Path('listing.json'), output=Path('a.tar'))\n"
        "import intaglio.data.split, intaglio.data.store, intaglio.data.decode\n"
        "print([name for name in ('torch', 'sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# The same bytes from everywhere


def test_every_way_to_the_files_gives_the_same_bytes(publish, files, site, tmp_path, monkeypatch):
    archives = {name: tmp_path / name for name in ("a.tar", "a.tar.gz", "a.zip", "b.zip")}
    archives["a.tar.gz"].write_bytes(TINY.read_bytes())
    archives["a.tar"].write_bytes(gzip.decompress(TINY.read_bytes()))
    with zipfile.ZipFile(archives["a.zip"], "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"some/folder/{name}", content)
    with zipfile.ZipFile(archives["b.zip"], "w") as archive:
        for name, content in reversed(files.items()):
            archive.writestr(f"{name}.gz", gzip.compress(content))
    for name, content in files.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    site.files = served(files, ".gz") | {
        "/all.tgz": TINY.read_bytes(),
        **{f"/plain{k}": v for k, v in served(files).items()},
    }
    publish()
    places = [*map(str, archives.values()), "a.tar", f"file://{tmp_path}/a.tar.gz", str(tmp_path)]
    places += [f"{site.address}all.tgz", site.address, f"{site.address}plain/"]
    outputs = {}
    for index, place in enumerate(places):
        monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / f"cache{index}"))
        outputs[place] = run(place)
    publish(Folder(site.address))
    outputs["catalogue"] = run()
    outputs["cache"] = run()
    assert len(set(outputs.values())) == 1
    with tarfile.open("data/raw/base.tar") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == ["manifest.json", *sorted(files)]
    assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in members} == {
        (0, 0, 0, "", 0o644)
    }


def test_an_archive_of_the_catalogue_is_fetched_and_verified(publish, site):
    content = TINY.read_bytes()
    site.files = {"/all.tar.gz": content}
    publish(Archive(f"{site.address}all.tar.gz", len(content), TINY_SHA256))
    run()
    assert len(raw.read(Path("data/raw/base.tar")).files) == 4


def test_an_archive_that_is_not_the_one_of_the_catalogue_is_not_opened(publish, site, tmp_path):
    content = gzip.compress(gzip.decompress(TINY.read_bytes()), 9)[:-1]
    site.files = {"/all.tar.gz": content}
    publish(Archive(f"{site.address}all.tar.gz", len(content), TINY_SHA256))
    assert "the archive has SHA-256" in rejected(None)
    assert not [*tmp_path.glob("cache/partial/fashion_mnist/*")]


@pytest.mark.skipif(not Path("/usr/bin/dpkg-deb").exists(), reason="needs Debian's tools")
def test_files_are_taken_out_of_a_debian_package_without_installing_it(publish, files, tmp_path, monkeypatch):
    inside = tmp_path / "package/usr/share/datasets/tiny"
    inside.mkdir(parents=True)
    for name, content in files.items():
        (inside / f"{name}.gz").write_bytes(gzip.compress(content))
    (tmp_path / "package/DEBIAN").mkdir()
    (tmp_path / "package/DEBIAN/control").write_text(
        "Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\nDescription: tiny\n"
    )
    subprocess.run(["dpkg-deb", "--build", "package", "tiny_1_all.deb"], check=True, capture_output=True)
    tools = tmp_path / "bin"
    tools.mkdir()
    # In apt-get's place, so that the test needs no network: its `download` puts the package in the working folder.
    (tools / "apt-get").write_text(
        "#!/bin/sh\nfor last; do :; done\ncase $last in\n"
        f"tiny) cp {tmp_path}/tiny_1_all.deb . ;;\n"
        'update) echo "W: Failed to fetch http://deb.example.com/ Temporary failure" >&2 ;;\n'
        '*) echo "E: Unable to locate package $last" >&2; exit 100 ;;\nesac\n'
    )
    (tools / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    publish(DebianPackage("tiny"))
    run()
    assert raw.read(Path("data/raw/base.tar")).files == files
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "other"))
    publish(DebianPackage("unknown"))
    line = rejected(None)
    assert "Debian package unknown (apt-get: Unable to locate package unknown; http://deb.example.com/ Temp" in line


def test_a_machine_without_apt_goes_on_with_the_next_source(publish, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    publish(DebianPackage("tiny"))
    assert "Debian package tiny (this machine has no apt-get)" in rejected(None)


# The network


def test_a_download_that_breaks_off_goes_on_where_it_stopped(site, tmp_path):
    content = os.urandom(300_000)
    site.files, site.cuts = {"/file": content}, [100_000, 150_000]
    path = http.download(f"{site.address}file", tmp_path, len(content), SETTINGS)
    assert path.read_bytes() == content
    assert site.requests == [("/file", None), ("/file", "bytes=100000-"), ("/file", "bytes=250000-")]


def test_the_next_run_goes_on_where_a_killed_one_stopped(site, tmp_path):
    content = os.urandom(300_000)
    site.files, site.cuts = {"/file": content}, [100_000]
    once = Download(attempts=1, timeout=5)
    with pytest.raises(http.Unavailable, match="broke off"):
        http.download(f"{site.address}file", tmp_path, len(content), once)
    assert http.download(f"{site.address}file", tmp_path, len(content), once).read_bytes() == content
    assert site.requests[-1] == ("/file", "bytes=100000-")


def test_from_a_server_without_ranges_the_whole_is_requested_again(site, tmp_path):
    content = os.urandom(300_000)
    site.files, site.cuts, site.ranges = {"/file": content}, [100_000], False
    assert http.download(f"{site.address}file", tmp_path, len(content), SETTINGS).read_bytes() == content


def test_a_file_that_changed_on_the_server_is_not_glued_to_its_old_beginning(site, tmp_path):
    old, new = os.urandom(300_000), os.urandom(300_000)
    site.files, site.cuts = {"/file": old}, [100_000]
    with pytest.raises(http.Unavailable):
        http.download(f"{site.address}file", tmp_path, len(old), Download(attempts=1, timeout=5))
    site.files, site.tag = {"/file": new}, '"second"'
    assert http.download(f"{site.address}file", tmp_path, len(new), SETTINGS).read_bytes() == new


def test_a_partial_download_longer_than_the_file_is_deleted(site, tmp_path):
    content = os.urandom(300_000)
    site.files, site.cuts = {"/file": content}, [200_000]
    with pytest.raises(http.Unavailable):
        http.download(f"{site.address}file", tmp_path, len(content), Download(attempts=1, timeout=5))
    site.files = {"/file": content[:100_000]}
    assert http.download(f"{site.address}file", tmp_path, len(content), SETTINGS).read_bytes() == content[:100_000]
    assert [part for _, part in site.requests] == [None, "bytes=200000-", None]


def test_a_server_that_fails_for_a_moment_is_tried_again(publish, site, files):
    site.files, site.failures = served(files, ".gz"), [503, 500]
    publish(Folder(site.address))
    run()
    assert len(site.requests) == 2 + len(files)


def test_a_server_that_keeps_failing_is_given_up_for_the_next_source(publish, site, files):
    site.files, site.failures = {f"/good{name}": content for name, content in served(files).items()}, [500] * 3
    publish(Folder(f"{site.address}bad/"), Folder(f"{site.address}good/"))
    run()
    assert [path for path, _ in site.requests[:3]] == [f"/bad/{next(iter(files))}.gz"] * 3


def test_a_server_that_forbids_access_is_not_tried_again(publish, site):
    site.failures = [403] * 9
    publish(Folder(site.address))
    assert "HTTP 403" in rejected(None)
    assert len(site.requests) == 1


def test_files_that_one_source_provided_are_not_requested_from_the_next(publish, site, files):
    first, *others = files
    site.files = {f"/a/{first}": files[first], **{f"/b/{name}": files[name] for name in others}}
    publish(Folder(f"{site.address}a/"), Folder(f"{site.address}b/"))
    run()
    assert f"/b/{first}.gz" not in [path for path, _ in site.requests]


def test_without_a_network_one_line_lists_what_was_tried_and_how_to_fix_it(publish, caplog):
    dead = closed_address()
    publish(Folder(dead), Folder("http://no-such-host.invalid/"))
    with caplog.at_level(logging.INFO):
        line = rejected(None)
    assert f"{dead} (" in line and "Connection refused" in line
    assert "http://no-such-host.invalid/ (the host's name cannot be resolved)" in line
    assert "INTAGLIO_CACHE" in line
    # A failing host is tried as often as the settings say for the first file, and not again for each of the others.
    assert caplog.text.count(f"{dead}train-images-idx3-ubyte.gz: try") == SETTINGS.attempts - 1
    assert "train-labels" not in caplog.text


def test_a_length_that_the_server_did_not_declare_is_limited_all_the_same(site, tmp_path):
    site.files, site.declare_length = {"/file": bytes(1_000_000)}, False
    with pytest.raises(Exception, match="more than the expected 1000 bytes"):
        http.download(f"{site.address}file", tmp_path, 1000, SETTINGS)
    assert not [path for path in tmp_path.iterdir() if path.is_file() and path.stat().st_size > 100]


def test_a_server_that_sends_a_byte_at_a_time_is_given_up(site, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "RESPONSE_SECONDS", 0)
    site.files = {"/file": bytes(1000)}
    for site.drip in ("content", "headers"):
        with pytest.raises(http.Unavailable):
            http.download(f"{site.address}file", tmp_path, 1000, Download(attempts=1, timeout=0.5))


def test_a_redirect_to_an_invalid_address_is_one_line(publish, site):
    site.redirect = "http://[::1"
    publish(Folder(site.address))
    assert site.address in rejected(None)


def test_a_length_of_thousands_of_digits_is_ignored(site, tmp_path):
    site.files, site.declare_length = {"/file": b"content"}, "9" * 5000
    path = http.download(f"{site.address}file", tmp_path, 100, Download(attempts=1, timeout=5))
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("timeout", ["1e10", ".inf", ".nan"])
def test_a_timeout_that_no_system_can_wait_for_is_rejected(timeout):
    with pytest.raises(UserError, match=r"download\.timeout"):
        download.run(params=settings(timeout=timeout), name="fashion", listing=LISTING, output=Path("base.tar"))


@pytest.mark.parametrize("source", ["~nosuchuser/x", "'file://['", "'https://[::1'", "x" * 300, "/proc/self/mem"])
def test_on_the_command_line_a_bad_source_is_one_line_and_exit_code_2(source):
    process = command(source, "here")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.count("\n") == 1 and "params.yaml: data.fashion.source: " in errors


def test_a_login_page_is_not_taken_for_the_file(publish, site, files, tmp_path):
    site.files = {f"/{name}.gz": b"<html>please log in</html>" for name in files}
    publish(Folder(site.address))
    assert "has SHA-256" in rejected(None)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_gzip_bomb_is_not_unpacked(publish, site, files, tmp_path):
    site.files = {f"/{name}.gz": gzip.compress(bytes(50_000_000)) for name in files}
    publish(Folder(site.address))
    resource_limit = max(map(len, files.values())) + 1
    assert f"is longer than the expected {resource_limit - 1} bytes" in rejected(None)


def test_a_published_source_with_other_content_is_skipped(publish, site, files):
    wrong = {name: content[:-1] + b"x" for name, content in files.items()}
    site.files = {f"/bad{k}": v for k, v in served(wrong).items()} | {f"/good{k}": v for k, v in served(files).items()}
    publish(Folder(f"{site.address}bad/"), Folder(f"{site.address}good/"))
    run()
    assert raw.read(Path("data/raw/base.tar")).files == files


# The user's own copy


def test_a_user_copy_with_its_checksum_may_have_other_content(files):
    run(f"{TINY}#sha256={TINY_SHA256.upper()}")
    stored = raw.read(Path("data/raw/base.tar"))
    assert stored.files == files
    assert stored.set == "fashion_mnist"


def test_a_user_copy_with_other_content_is_rejected_with_the_line_to_write(monkeypatch):
    line = rejected(str(TINY))
    assert f"write source: {TINY}#sha256={TINY_SHA256}" in line
    run(line.rpartition("write source: ")[2])


def test_a_user_copy_with_another_checksum_is_rejected(site):
    site.files = {"/all.tgz": TINY.read_bytes()}
    for place in (str(TINY), f"{site.address}all.tgz"):
        line = rejected(f"{place}#sha256={'0' * 64}")
        assert f"has SHA-256 {TINY_SHA256}, not the one given" in line


def test_a_user_copy_of_a_one_file_set_needs_no_archive(tmp_path):
    content = b",".join([b"1"] * 64) + b",7\n"
    for name, stored in (("digits.csv", content), ("my.csv.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(stored)
        run(f"{name}#sha256={hashlib.sha256(stored).hexdigest()}", set_name="digits")
        assert raw.read(Path("data/raw/base.tar")).files == {"digits.csv": content}


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere.tar", "no such file"),
        ("file:///nowhere.tar", "no such file"),
        ("/dev/zero", "no such file"),
        ("s3://bucket/file.tar", "cannot be read"),
        ("file://elsewhere/file.tar", "cannot be read"),
        ("nowhere.tar#sha256=12", "not a SHA-256"),
        (f".#sha256={'0' * 64}", "is a folder"),
        (f"https://example.com/#sha256={'0' * 64}", "is a folder"),
        ("~nosuchuser/fashion.tar", "~nosuchuser"),
        ("file://[", "not a valid address"),
        ("https://[::1", "not a valid address"),
        ("https://", "cannot be read"),
        ("x" * 300, "File name too long"),
        ("/proc/self/mem", "/proc/self/mem"),
        (".", "has no train-images-idx3-ubyte"),
        ("params.yaml", "is not a .tar, .tar.gz or .zip archive"),
    ],
)
def test_a_source_that_cannot_be_read_is_rejected(source, reason):
    assert reason in rejected(source)


def test_a_user_address_that_cannot_be_reached_is_replaced_by_the_published_sources(publish, site, files, caplog):
    site.files = served(files)
    publish(Folder(site.address))
    dead = f"{closed_address()}all.tar"
    run(dead)
    assert f"data.source: {dead}" in caplog.text


def test_a_user_address_with_a_checksum_is_not_replaced_by_other_data(publish, site, files):
    site.files = served(files)
    publish(Folder(site.address))
    assert "try again later" in rejected(f"{closed_address()}all.tar#sha256={TINY_SHA256}")
    assert site.requests == []


def test_the_pickled_version_of_cifar_is_rejected_with_the_name_of_the_binary_one(tmp_path):
    with tarfile.open("cifar.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"\x80\x03."))
    assert "use the binary version" in rejected("cifar.tar.gz", set_name="cifar10")
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py/data_batch_1").touch()
    assert "use the binary version" in rejected("cifar-10-batches-py/", set_name="cifar10")


# The cache


def test_a_second_clone_needs_no_network(publish, site, files):
    site.files = served(files)
    publish(Folder(site.address))
    first = run(output=Path("one/base.tar"))
    requests = len(site.requests)
    publish(Folder(closed_address()))
    assert run(output=Path("two/base.tar")) == first
    assert len(site.requests) == requests


def test_a_user_archive_with_a_checksum_is_fetched_once(site):
    site.files = {"/all.tgz": TINY.read_bytes()}
    source = f"{site.address}all.tgz#sha256={TINY_SHA256}"
    assert run(source) == run(source)
    assert len(site.requests) == 1


def test_damaged_content_in_the_cache_is_fetched_again(publish, site, files, tmp_path, caplog):
    site.files = served(files)
    entry = publish(Folder(site.address))
    good = run()
    kept = tmp_path / "cache/sha256" / entry.originals.files[0].checksum
    kept.write_bytes(kept.read_bytes()[:-1])
    assert run() == good
    assert f"{kept}: damaged" in caplog.text
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == entry.originals.files[0].checksum


def test_two_downloads_of_the_same_thing_at_once_fetch_it_once(site):
    site.files = {"/all.tgz": TINY.read_bytes()}
    source = f"{site.address}all.tgz#sha256={TINY_SHA256}"
    runs = [command(source, name) for name in ("one", "two", "three")]
    for process in runs:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert Path("one/base.tar").read_bytes() == Path("two/base.tar").read_bytes() == Path("three/base.tar").read_bytes()
    assert len(site.requests) == 1


def test_what_a_killed_run_left_behind_is_cleared_away(publish, site, files, tmp_path):
    site.files = served(files)
    publish(Folder(site.address))
    left = tmp_path / "cache/partial/fashion_mnist/new" / next(iter(files))
    left.mkdir(parents=True)
    run()
    assert not left.parent.exists()
    assert raw.read(Path("data/raw/base.tar")).files == files


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("INTAGLIO_CACHE", "~nosuchuser/cache")
    assert "INTAGLIO_CACHE" in rejected(f"{TINY}#sha256={TINY_SHA256}", key=None)
    (tmp_path / "blocked").touch()
    monkeypatch.setenv("INTAGLIO_CACHE", str(tmp_path / "blocked/cache"))
    assert "INTAGLIO_CACHE" in rejected(f"{TINY}#sha256={TINY_SHA256}", key=None)


# The disk


@pytest.mark.parametrize("largest", [100_000, 300_000])  # bytes: too few for one original, and for all in one tar
def test_a_full_disk_is_one_line_and_leaves_what_was_there(largest, tmp_path):
    output = tmp_path / "here/base.tar"
    output.parent.mkdir()
    output.write_bytes(b"from an earlier run")
    process = command(
        f"{TINY}#sha256={TINY_SHA256}",
        "here",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest)),
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "File too large; free some space" in errors and "Traceback" not in errors
    assert output.read_bytes() == b"from an earlier run"
    assert sorted(path.name for path in output.parent.iterdir()) == ["base.tar", "listing.json", "logs", "params.yaml"]
    assert all(hashlib.sha256(kept.read_bytes()).hexdigest() == kept.name for kept in tmp_path.glob("cache/sha256/*"))


def test_a_file_in_the_output_folders_place_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UserError, match="data is a file where a folder should be"):
        run(f"{TINY}#sha256={TINY_SHA256}")
    assert (tmp_path / "data").read_text() == "a file"
