"""The server of Netron's page. Needs no browser."""

import http.client
import shutil
import socket
import string
import struct
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import netron
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from intaglio.errors import UserError
from intaglio.netron import server

MODEL = b"the model"
SECRET = b"not for anybody"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "net.onnx").write_bytes(MODEL)
    (folder / "secret.onnx").write_bytes(SECRET)
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with server.serve(folder / "net.onnx") as address:
        yield address


def get(address: str, path: str, host: str | None = None) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers; the path is sent as it is, where urllib would tidy it up."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", urlsplit(address).netloc if host is None else host)
    connection.endheaders()
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content, dict(response.headers)


def test_the_page_its_program_and_the_model_are_served_on_the_loopback_address(address: str) -> None:
    assert address.startswith("http://127.0.0.1:")
    assert b"<title>Netron</title>" in get(address, "/")[1]
    assert get(address, "/grapher.js")[1] == (Path(netron.__file__).parent / "grapher.js").read_bytes()
    assert get(address, "/data/net.onnx?cb=1")[1] == MODEL


def test_the_page_does_not_expire_and_reports_nothing(address: str) -> None:
    status, page, headers = get(address, "/")
    assert status == 200
    assert page.count(b'<meta name="date" content="">') == 1 and page.count(b'name="date"') == 1
    assert page.count(b'<meta name="version" content="0.0.0">') == 1 and page.count(b'name="version"') == 1
    assert headers["Set-Cookie"].startswith("consent=1")
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.onnx",
        "/data/../secret.onnx",
        "/data/secret.onnx",
        "/data/",
        "/data/%2e%2e/secret.onnx",
        "/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/../../../../../../../../etc/passwd",
        "/../netron/grapher.js",
        "/./grapher.js",
        "/server.py",
        "/__init__.py",
        "/__pycache__",
        "/data/net.onnx/",
        "/data/net.onnx%00.js",
        "http://127.0.0.1/secret.onnx",
    ],
)
def test_nothing_but_the_package_and_the_one_model_is_reached(address: str, path: str) -> None:
    assert get(address, path)[0] == 404


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from(["..", ".", "data", "%2e%2e", "%2f", "secret.onnx", "net.onnx", "", "\\", "..;"]),
            st.text(string.ascii_letters + string.digits + string.punctuation, max_size=8),
        ),
        max_size=6,
    )
)
@example(parts=["data", "..", "secret.onnx"])
def test_no_path_leads_to_another_file(folder: Path, address: str, parts: list[str]) -> None:
    for path in ("/" + "/".join(parts), f"/data/{'/'.join(parts)}", f"/{folder}/{'/'.join(parts)}/../secret.onnx"):
        status, content, _ = get(address, path)
        assert SECRET not in content
        assert status == 404 or content == MODEL or content.startswith(b"<!DOCTYPE html>")


def test_a_web_page_that_makes_its_own_name_point_here_gets_nothing(address: str) -> None:
    for host in ("evil.example", f"evil.example:{urlsplit(address).port}", "localhost", ""):
        status, content, _ = get(address, "/data/net.onnx", host)
        assert (status, MODEL in content) == (421, False)


@pytest.mark.parametrize("path", ["http://[::1", "http://[::1/secret.onnx"])
def test_an_invalid_address_is_a_bad_request(address: str, path: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert get(address, path)[0] == 400
    assert "Traceback" not in capfd.readouterr().err


def test_a_connection_that_is_reset_prints_nothing(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends a reset
        connection.send(b"GET / HT")
    assert get(address, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_name_with_special_characters_is_served_under_the_address_that_the_page_gives(tmp_path: Path) -> None:
    model = tmp_path / 'a "b" <c>& #1?%41é.onnx'
    model.write_bytes(MODEL)
    with server.serve(model) as address:
        page = get(address, "/")[1].decode()
        assert 'content="a &quot;b&quot; &lt;c&gt;&amp; #1?%41é.onnx">' in page
        assert f'<meta name="file" content="/data/{quote(model.name)}">' in page
        assert get(address, f"/data/{quote(model.name)}")[1] == MODEL


def test_a_model_replaced_while_it_is_served_is_served_anew_and_one_removed_is_not_found(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    model.write_bytes(MODEL)
    with server.serve(model) as address:
        model.write_bytes(b"another")
        assert get(address, "/data/net.onnx")[1] == b"another"
        model.unlink()
        assert get(address, "/data/net.onnx")[0] == 404
        assert get(address, "/")[0] == 200


def test_two_can_be_served_at_a_time_and_none_after_the_context(folder: Path) -> None:
    with server.serve(folder / "net.onnx") as one, server.serve(folder / "secret.onnx") as two:
        assert get(one, "/data/net.onnx")[1] == MODEL
        assert get(two, "/data/secret.onnx")[1] == SECRET
    with pytest.raises(OSError):
        urllib.request.urlopen(one, timeout=5)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(UserError, match="no such model file"), server.serve(missing):
            pass


@pytest.mark.parametrize(
    ("name", "old"),
    [
        ("index.html", '<meta name="date"'),
        ("index.html", '<meta name="version"'),
        ("browser.js", "this._getCookie('consent')"),
        ("browser.js", "!== '0.0.0'"),
        ("view.js", r"\u3008"),
    ],
)
def test_a_netron_that_the_edits_do_not_fit_is_rejected(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str
) -> None:
    package = tmp_path / "netron"
    package.mkdir()
    for file in ("index.html", "browser.js", "view.js"):
        shutil.copy(Path(netron.__file__).parent / file, package)
    text = (package / name).read_text()
    assert old in text
    monkeypatch.setattr(netron, "__file__", str(package / "__init__.py"))
    with server.serve(folder / "net.onnx"):
        pass
    (package / name).write_text(text.replace(old, "something new"))
    changed = pytest.raises(UserError, match=rf"netron .*{name} has changed.*requirements\.lock")
    with changed, server.serve(folder / "net.onnx"):
        pass
