"""The strict reader of YAML: whatever is in a file ends as DVC's values or as one line, soon and in little memory."""

import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from intaglio.chain.preflight import check_settings
from intaglio.chain.stages import read_stages
from intaglio.cli import app
from intaglio.errors import UserError
from intaglio.params.yaml import parse_yaml

REPOSITORY = Path(__file__).parents[2]
SETTINGS = (REPOSITORY / "tests/fixtures/params.yaml").read_text()

# Nine times as many values in each line as in the one before.
BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{line}: &a{line} [{', '.join([f'*a{line - 1}'] * 9)}]\n" for line in range(1, 10)
)
# One level deeper in each line than in the one before.
TOWER = "a0: &a0 [1]\n" + "".join(f"a{line}: &a{line} [*a{line - 1}]\n" for line in range(1, 3000))

# What follows a whole file of settings, and what the message has to name.
BAD = {
    "date": ("a: 2020-01-01", "2020-01-01"),
    "impossible date": ("a: 2020-13-45", "2020-13-45"),
    "int tag": ("a: !!int abc", "tag"),
    "float tag": ("a: !!float x", "tag"),
    "bool tag": ("a: !!bool maybe", "tag"),
    "set tag": ("a: !!set {a}", "tag"),
    "binary tag": ("a: !!binary aGVsbG8=", "tag"),
    "str tag": ("a: !!str 1", "tag"),
    "python tag": ("a: !!python/object/apply:os.system [touch executed]", "tag"),
    "local tag": ("a: !x 1", "tag"),
    "itself": ("a: &a [*a]", "alias"),
    "itself in a mapping": ("a: &a {b: {c: *a}}", "alias"),
    "an earlier one's name": ("a: &a 1\nb: &a [*a]", "alias"),
    "no such anchor": ("a: *nothing", "alias"),
    "list as key": ("a: {? [a, b] : 3}", "key"),
    "mapping as key": ("? {a: 1}\n: 1", "key"),
    "number as key": ("a: {1: 2, b: 3}", "key"),
    "true as key": ("true: 1", "key"),
    "empty key": (": 1", "key"),
    "alias as key": ("a: &a [1]\n*a : 1", "key"),
    "key twice": ("a: 1\na: 2", "a"),
    "merge key": ("a: &a {b: 1}\nc:\n  <<: *a", "<<"),
    "default key": ("a: {=: 1}", "="),
    "surrogate": ('a: "\\ud800"', ""),
    "control code": ('a: "\\e[31m"', r"\x1b"),
    "raw control code": ("a: \x1b[31m", r"\x1b"),
    "zero byte": ("a: \0", r"\x00"),
    "tab": ("a:\tb", r"\t"),
    "line separator": ("a: b\u2028c", r"\u2028"),
    "5,000 digits": ("a: " + "1" * 5000, "1111"),
    "hexadecimal number of 90 digits": ("a: 0x" + "f" * 90, "0xffff"),
    "larger than 64 bits": ("a: 9223372036854775808", "9223372036854775808"),
    "a sign and no digits": ("a: -_", "-_"),
    "600 brackets": ("a: " + "[" * 600, "levels"),
    "200,000 brackets": ("a: " + "[" * 200_000, "levels"),
    "closed brackets": ("a: " + "[" * 51 + "]" * 51, "levels"),
    "braces": ("a: " + "{b: " * 3000, "levels"),
    "dashes": ("a:\n" + "- " * 50_000, "levels"),
    "question marks": ("? " * 50_000, "levels"),
    "bomb": (BOMB, "values"),
    "tower": (TOWER, "levels"),
    "300,000 values": ("a: [" + "1, " * 300_000 + "1]", "values"),
    "50 MB of text": ("a: " + "b" * 50_000_000, "MiB"),
    "second document": ("---\na: 1", "document"),
    "directive": ("...\n%YAML 1.1\n---\na: 1", ""),
    "unclosed": ("a: [1", ""),
    "unclosed quotes": ('a: "b', ""),
}


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "params.yaml"
    path.write_bytes(text.encode(errors="surrogatepass") if isinstance(text, str) else text)
    return path


def ends(path: Path) -> tuple[int, str]:
    """Exit code and output of the step that checks the whole file."""
    given = ["--params", path, "--source", "src/intaglio", "--lock", "requirements.lock", "--output", "workflow/code"]
    result = CliRunner().invoke(app, ["code", *map(str, given)])
    return result.exit_code, result.output


@pytest.mark.parametrize(("text", "named"), BAD.values(), ids=BAD.keys())
def test_what_json_could_not_hold_is_an_error_of_one_line_with_its_file_and_line(
    text: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, f"{SETTINGS}{text}\n")
    begin = time.monotonic()
    with pytest.raises(UserError) as error:
        parse_yaml(path.read_bytes(), str(path))
    assert time.monotonic() - begin < 10
    message = str(error.value)
    first, *_ = re.findall(r"line (\d+)", message)
    assert message.startswith(f"{path}: ")
    assert named in message
    assert SETTINGS.count("\n") < int(first) <= f"{SETTINGS}{text}".count("\n") + 1
    assert "; " in message  # how to fix it
    assert message.isprintable()
    assert len(message) < 500 + len(str(path))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["date", "python tag", "itself", "number as key", "5,000 digits", "bomb", "key twice"])
def test_a_step_ends_with_code_2_and_leaves_all_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, f"{SETTINGS}{BAD[name][0]}\n")
    code, printed = ends(path)
    assert code == 2
    assert len(printed.splitlines()) <= 1
    assert {each.name for each in tmp_path.iterdir()} == {"params.yaml", "logs"}


def test_a_bomb_takes_neither_memory_nor_time(tmp_path: Path) -> None:
    path = write(tmp_path, BOMB)
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "from intaglio.params.reader import Params\n"
        "Params(Path(sys.argv[1]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, timeout=20, check=False)
    assert b"UserError" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1e999"])
def test_no_setting_is_infinite_or_not_a_number(value: str, tmp_path: Path) -> None:
    changed = re.sub(r"(learning_rate|weight_decay|max_difference|minutes): [0-9.]+", rf"\1: {value}", SETTINGS)
    with pytest.raises(UserError, match=r"recipes\.full\.optimizer\.learning_rate: .*and 5 more"):
        check_settings(write(tmp_path, changed))


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"a: 1\nb: \xff", "line 2"), (b"\xff\xfea\0:\0 \0001\0", "0xff"), (b"\xed\xa0\x80: 1", "UTF-8")],
)
def test_bytes_that_are_not_utf_8_are_named(content: bytes, named: str) -> None:
    with pytest.raises(UserError, match=named) as error:
        parse_yaml(content, "params.yaml")
    assert str(error.value).startswith("params.yaml: ")


@pytest.mark.parametrize("text", ["a: 1\nseed:0\nb: 2\n", "a: 1\n\nseed:0\n\n# words\n", "seed:0\na: 1\n"])
def test_a_blank_that_is_missing_after_a_colon_is_named_with_its_line(text: str) -> None:
    line = text.split("seed")[0].count("\n") + 1
    with pytest.raises(UserError, match=f"line {line}: .*`seed: 0`"):
        parse_yaml(text.encode(), "params.yaml")


@pytest.mark.parametrize("text", ["5e-4", "+5E-4", "0.5e-3", ".5e-3"])
def test_a_number_may_have_an_exponent(text: str) -> None:
    assert parse_yaml(f"a: {text}".encode(), "params.yaml") == {"a": 0.0005}


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(UserError, match=r"params\.yaml: is not a file"):
        check_settings(tmp_path / "params.yaml")


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    assert parse_yaml(b"\xef\xbb\xbfa: 1\r\nb: [off, 2]\r\n", "x") == {"a": 1, "b": ["off", 2]}


def test_aliases_stand_for_their_values() -> None:
    assert parse_yaml(b"a: &a {b: [1, &c text]}\nd: *a\ne: [*c]\n", "x") == {
        "a": {"b": [1, "text"]},
        "d": {"b": [1, "text"]},
        "e": ["text"],
    }


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "dvc.lock", "tests/fixtures/params.yaml"])
def test_the_projects_files_are_read_as_dvc_reads_them_and_fast(name: str) -> None:
    from dvc.utils.serialize import load_yaml

    content = (REPOSITORY / name).read_bytes()
    begin = time.process_time()
    parsed = parse_yaml(content, name)
    assert time.process_time() - begin < 0.1
    assert parsed == load_yaml(REPOSITORY / name)


@pytest.mark.parametrize(
    ("chain", "tables", "named"),
    [
        ("", SETTINGS, "dvc.yaml: "),
        ("stages: 1", SETTINGS, "dvc.yaml: "),
        ("stages: {train: 1}", SETTINGS, "dvc.yaml: stages.train: "),
        ("stages: {train: {}}", SETTINGS, "dvc.yaml: stages.train: "),
        ("stages: {train: {cmd: [a, b]}}", SETTINGS, "dvc.yaml: stages.train: "),
        ("stages: {train: {cmd: a b, deps: 3}}", SETTINGS, "dvc.yaml: stages.train: "),
        ("stages: {train: {cmd: a b, deps: [{}]}}", SETTINGS, "dvc.yaml: stages.train: "),
        ("stages: {train: {cmd: 'a b ${x}'}}", SETTINGS, "dvc.yaml: stages.train: "),
        ("stages: {train: {foreach: 3, do: {cmd: a b}}}", SETTINGS, "dvc.yaml: stages.train: "),
        (None, "train: {}", "params.yaml: "),
        (None, SETTINGS.replace("train:", "train: 3\nother:"), "params.yaml: train: "),
        (None, SETTINGS.replace("base: {data: fashion,", "base: {"), "params.yaml: train.base.data: "),
        (None, SETTINGS.replace("  base: {", "  base: 3\n  other: {"), "params.yaml: train: "),
    ],
)
def test_a_chain_or_table_of_another_shape_is_named(
    chain: str | None, tables: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text((REPOSITORY / "dvc.yaml").read_text() if chain is None else chain)
    Path("params.yaml").write_text(tables)
    with pytest.raises(UserError) as error:
        read_stages()
    assert str(error.value).startswith(named)
    assert str(error.value).isprintable()


PIECES = [
    *("a", "b: ", "c", "- ", "[", "]", "{", "}", ",", ":", ": ", "\n", "\n  ", "\n    ", '"', "'", "# d", " #", "\\"),
    *("&a ", "*a", "!", "!!int ", "|", ">", "|+", ">-", "?", "? ", "<<: ", "=", "%", "@", "`", "---", "...", "--- "),
    *(
        "1",
        "1.5",
        "-1",
        "+1",
        "0x1F",
        "0o17",
        "010",
        "0b1",
        "1e3",
        "1E-3",
        "1e+5",
        ".5",
        "1.",
        "._",
        "-_",
        "1_0",
        "-0.0",
    ),
    *("~", "null", "true", "TRUE", "off", "yes", "2020-01-01", "12:30", "1e400", "-.inf", ".nan", "1" * 40),
    *(
        r"\n",
        r"\"",
        r"\x41",
        r"\u263a",
        r"\ud800",
        r"\e",
        "é",
        "☃",
        "😀",
        "\xa0",
        "\x85",
        "\u2028",
        "\ufeff",
        "\r\n",
        "\t",
    ),
]


@settings(max_examples=1500, derandomize=True, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14), start=st.sampled_from(["", "a: ", "- "]))
@example(["[", '"a":1', "]"], "a: ")
def test_what_is_read_is_what_dvc_reads(pieces: list[str], start: str) -> None:
    from ruamel.yaml import YAML, YAMLError

    text = start + "".join(pieces)
    try:
        parsed = parse_yaml(text.encode(), "x.yaml")
    except UserError as error:
        assert str(error).startswith("x.yaml: ")
        assert str(error).isprintable()
        return
    # As DVC does. It rejects a few texts that libyaml takes.
    with suppress(YAMLError):
        assert repr(YAML(typ="safe").load(text)) == repr(parsed)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_values_or_one_line(content: bytes) -> None:
    try:
        parse_yaml(content, "x.yaml")
    except UserError as error:
        assert str(error).startswith("x.yaml: ")
        assert str(error).isprintable()


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    place=st.integers(0, len(SETTINGS)), length=st.integers(0, 30), pieces=st.lists(st.sampled_from(PIECES), max_size=5)
)
def test_settings_with_anything_written_over_them_are_right_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, length: int, pieces: list[str]
) -> None:
    path = write(tmp_path_factory.getbasetemp(), SETTINGS[:place] + "".join(pieces) + SETTINGS[place + length :])
    try:
        check_settings(path)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
        assert str(error).isprintable()
