"""Untrusted archives, and the tar that `download` writes."""

import gzip
import hashlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intaglio.data import raw
from intaglio.errors import UserError
from intaglio.fetching.archive import extract, is_archive
from intaglio.fetching.content import Damaged, Unexpected, Written

WANTED = {"images": 1000, "labels": 100}
GOOD = {"set/images": b"i" * 1000, "set/labels": b"l" * 100}


def tar_of(members: list[tuple[tarfile.TarInfo, bytes]], mode: str = "w") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for member, content in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def plain_tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    return tar_of([(tarfile.TarInfo(name), content) for name, content in files.items()], mode)


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def extracted(content: bytes, folder: Path, rejected: dict[str, str] | None = None) -> dict[str, Written]:
    """The files extracted from an archive; whatever happens, nothing appears outside the folder meant for it."""
    path, target = folder / "archive", folder / "a/b/target"
    path.write_bytes(content)
    target.mkdir(parents=True, exist_ok=True)
    try:
        return extract(path, WANTED, rejected or {}, target, "my archive")
    finally:
        inside = {entry.relative_to(folder).as_posix() for entry in folder.rglob("*")}
        assert inside <= {"archive", "a", "a/b", "a/b/target", "a/b/target/images", "a/b/target/labels"}
        assert all(entry.is_file() and not entry.is_symlink() for entry in target.iterdir())


def rejection(content: bytes, folder: Path, **options: dict[str, str]) -> str:
    with pytest.raises(Damaged) as caught:
        extracted(content, folder, **options)
    assert "my archive" in str(caught.value)
    return str(caught.value)


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def special_zip(name: str, mode: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        archive.writestr(member, b"/etc/passwd")
    return stream.getvalue()


@pytest.mark.parametrize("content", [plain_tar(GOOD), plain_tar(GOOD, "w:gz"), zip_of(GOOD)], ids=["tar", "tgz", "zip"])
def test_wanted_files_are_taken_from_any_folder(content, tmp_path):
    files = extracted(content, tmp_path)
    assert {name: file.path.read_bytes() for name, file in files.items()} == {
        "images": GOOD["set/images"],
        "labels": GOOD["set/labels"],
    }
    assert files["labels"].sha256 == hashlib.sha256(b"l" * 100).hexdigest()
    assert is_archive(tmp_path / "archive")


@pytest.mark.parametrize("name", ["/abs", "../up", "set/../../up", "..", "C:/windows", "..\\up", "\\\\host\\share"])
@pytest.mark.parametrize("archive", [plain_tar, zip_of], ids=["tar", "zip"])
def test_a_path_that_leads_out_of_the_archive_is_rejected(archive, name, tmp_path):
    assert repr(name) in rejection(archive({**GOOD, name: b"x"}), tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("images", tarfile.SYMTYPE, "set/images"),
        special("link", tarfile.LNKTYPE, "set/images"),
        special("device", tarfile.CHRTYPE),
        special("device", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
)
def test_links_and_devices_in_a_tar_are_rejected(member, tmp_path):
    good = [(tarfile.TarInfo(name), content) for name, content in GOOD.items()]
    assert f"its member {member.name} is a" in rejection(tar_of([*good, (member, b"")]), tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_rejected(kind, tmp_path):
    assert "its member set/images is a" in rejection(special_zip("set/images", kind | 0o644), tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_rejected(tmp_path):
    twice = [(tarfile.TarInfo("images"), b"1"), (tarfile.TarInfo("images"), b"2")]
    assert "has images twice" in rejection(tar_of(twice), tmp_path)
    assert "in two places" in rejection(plain_tar({"a/images": b"1", "b/images.gz": b"2"}), tmp_path)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("images", b"1")
        archive.writestr("images", b"2")
    assert "has images twice" in rejection(stream.getvalue(), tmp_path)


def test_an_encrypted_zip_is_rejected(tmp_path):
    content = bytearray(zip_of(GOOD))
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the encryption flag of the first member in the directory
    assert "set/images is encrypted" in rejection(bytes(content), tmp_path)


def test_an_unusual_compression_is_rejected(tmp_path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("images", b"1")
    assert "unusual" in rejection(stream.getvalue(), tmp_path)


@pytest.mark.parametrize(
    "archive", [plain_tar, lambda files: plain_tar(files, "w:gz"), zip_of], ids=["tar", "tgz", "zip"]
)
def test_a_truncated_archive_is_rejected(archive, tmp_path):
    content = archive({"set/images": os.urandom(1000), "set/labels": os.urandom(100), "set/more": os.urandom(1000)})
    end = content.rstrip(b"\0")
    for length in range(513, len(end) - 1, 97):
        rejection(content[:length], tmp_path)


def test_zip_directories_that_lead_astray_are_rejected(tmp_path):
    content = zip_of(GOOD)
    entry = content.index(b"PK\x01\x02")
    for place, value in ((8, 0x20), (28, 0xFF), (42, 0xFE), (45, 0x7F)):  # flags, length of the name, place of the data
        damaged = bytearray(content)
        damaged[entry + place] = value
        rejection(bytes(damaged), tmp_path)
    assert "index out of range" in rejection(zip_of({"": b"x"}), tmp_path)


def test_a_member_that_is_longer_than_it_may_be_is_rejected(tmp_path):
    with pytest.raises(Unexpected, match="longer than the expected 1000 bytes"):
        extracted(plain_tar({"images": b"x" * 1001}), tmp_path)
    bomb = gzip.compress(bytes(10_000_000))
    with pytest.raises(Unexpected, match="longer than the expected 1000 bytes"):
        extracted(zip_of({"images.gz": bomb}), tmp_path)
    assert (tmp_path / "a/b/target/images").stat().st_size <= 1000


def test_a_header_that_asks_for_much_memory_is_rejected(tmp_path):
    member = special("huge", tarfile.XHDTYPE)
    member.size = 1 << 40
    header = member.tobuf(tarfile.USTAR_FORMAT if member.size < 1 << 33 else tarfile.GNU_FORMAT)
    assert "at once" in rejection(header + bytes(4096), tmp_path)


def test_an_archive_without_a_wanted_file_says_which(tmp_path):
    assert rejection(plain_tar({"images": b"1"}), tmp_path) == "my archive has no labels"


def test_a_file_by_which_a_wrong_version_shows_itself_is_rejected_with_the_reason(tmp_path):
    assert rejection(plain_tar({"x/old": b"1"}), tmp_path, rejected={"old": "is old"}) == "my archive is old"


@pytest.mark.parametrize("place", [-8, -4], ids=["checksum", "length"])
def test_a_gzipped_tar_whose_trailer_is_wrong_is_rejected(place, tmp_path):
    content = bytearray(plain_tar(GOOD, "w:gz"))
    content[place] ^= 1
    rejection(bytes(content), tmp_path)


def test_a_gzipped_tar_that_goes_on_for_long_after_its_end_is_rejected(tmp_path):
    rejection(gzip.compress(plain_tar(GOOD) + bytes(50_000_000)), tmp_path)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
@pytest.mark.parametrize("length", [1, 1000])
def test_names_that_are_not_utf8_are_rejected_in_one_printable_line(form, length, tmp_path):
    name = "\udcff\n\x1b[31m" * length
    for member in (special("link", tarfile.SYMTYPE, name), special(name, tarfile.CHRTYPE)):
        header = member.tobuf(form, "utf-8", "surrogateescape")
        line = rejection(header + plain_tar(GOOD), tmp_path)
        assert line.isprintable() and len(line) < 500


def test_other_files_are_not_archives(tmp_path):
    for content in (b"", b"text", bytes(1024), b"1,2,3\n" * 500, gzip.compress(b"1,2,3\n" * 500)):
        (tmp_path / "file").write_bytes(content)
        assert not is_archive(tmp_path / "file")


NAMES = st.one_of(
    st.sampled_from(
        ["images", "labels", "images.gz", "a/images", "./labels", "", ".", "..", "../images", "/images", "a"]
    ),
    st.text(max_size=12).filter(lambda name: "\0" not in name),
)
KINDS = st.sampled_from(
    [tarfile.REGTYPE] * 6
    + [tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, b"?"]
)
MEMBERS = st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=40)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(MEMBERS, st.sampled_from(["w", "w:gz"]))
@example([("images", tarfile.REGTYPE, b"1"), ("labels", tarfile.REGTYPE, b"2")], "w")
def test_whatever_members_a_tar_has_they_are_taken_rightly_or_rejected(members, mode):
    built = [(special(name, kind, "/etc/passwd"), content) for name, kind, content in members]
    with TemporaryDirectory() as folder:
        try:
            files = extracted(tar_of(built, mode), Path(folder))
        except Damaged:
            return
        assert files.keys() == WANTED.keys()
        assert not [name for name, kind, _ in members if name.startswith("/") or ".." in name.split("/")]
        assert {kind for _, kind, _ in members} <= {tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.CONTTYPE, b"?"}
        for name, file in files.items():
            stored = {member.split("/")[-1]: content for member, _, content in members}
            content = stored.get(name, stored.get(f"{name}.gz"))
            assert file.path.read_bytes() == content


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([plain_tar(GOOD), plain_tar(GOOD, "w:gz"), zip_of(GOOD)]),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 200),
)
def test_a_damaged_archive_is_rejected_or_gives_what_its_checksum_says(content, changes, cut):
    damaged = bytearray(content[: max(len(content) - cut, 1)])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    with TemporaryDirectory() as folder:
        try:
            files = extracted(bytes(damaged), Path(folder))
        except Damaged:
            return
        for file in files.values():
            assert hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256


# The tar that `download` writes


def written(folder: Path) -> Path:
    files = {}
    for name, content in (("b", b"two"), ("a", b"one" * 1000)):
        path = folder / name
        path.write_bytes(content)
        files[name] = Written(path, len(content), hashlib.sha256(content).hexdigest())
    raw.write(folder / "base.tar", "digits", files)
    return folder / "base.tar"


def test_what_was_written_is_read_back(tmp_path):
    stored = raw.read(written(tmp_path))
    assert (stored.set, stored.files) == ("digits", {"a": b"one" * 1000, "b": b"two"})


def test_any_changed_or_missing_byte_of_the_originals_is_noticed(tmp_path):
    path = written(tmp_path)
    content = path.read_bytes()
    end = len(content.rstrip(b"\0"))
    for place in range(0, end, 61):
        changed = bytearray(content)
        changed[place] ^= 0x41
        path.write_bytes(bytes(changed))
        if place % 512 < 100 or content[place]:  # the rest of a header is padding without content
            with pytest.raises(UserError, match=r"base\.tar.*run `intaglio download` again"):
                raw.read(path)
        path.write_bytes(content[:place])
        with pytest.raises(UserError, match=r"base\.tar.*run `intaglio download` again"):
            raw.read(path)


def test_a_file_that_download_did_not_write_is_rejected(tmp_path):
    path = tmp_path / "base.tar"
    for content in (
        b"",
        b"text",
        plain_tar({"a": b"1"}),
        plain_tar({"manifest.json": b"[]"}),
        plain_tar({"manifest.json": b"[" * 200_000}),
        zip_of(GOOD),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match="run `intaglio download` again"):
            raw.read(path)
    with pytest.raises(UserError, match=r"missing\.tar: no such file; run `intaglio download` again"):
        raw.read(tmp_path / "missing.tar")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        raw.read(tmp_path)
