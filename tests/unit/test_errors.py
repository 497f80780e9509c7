"""Messages quote what is in a file: on one line, without control codes, and not all of it."""

from pathlib import Path

import pytest

from intaglio.errors import LONGEST_MESSAGE, LONGEST_QUOTE, SettingError, UserError, quote
from intaglio.params.reader import Params

HOSTILE = "a\nb\r\x1b[31m\u202e\u2028\x00"


@pytest.mark.parametrize("error", [UserError(f"{HOSTILE}: x"), SettingError(HOSTILE, HOSTILE)])
def test_an_error_is_one_line_that_controls_no_terminal(error: UserError) -> None:
    assert str(error).isprintable()
    assert r"a\nb\r\x1b[31m" in str(error)


def test_a_quoted_value_and_a_message_are_of_limited_length() -> None:
    assert quote("x" * LONGEST_QUOTE) == "x" * LONGEST_QUOTE
    for text in ("x" * 10**6, "\x00" * 10**6, "\n" * LONGEST_QUOTE):
        assert len(quote(text)) == LONGEST_QUOTE
        assert len(str(UserError(text))) <= LONGEST_MESSAGE


@pytest.mark.parametrize("key", [r"a\nb", r"\e[31m", "x" * 5000])
def test_a_key_is_quoted_as_a_value_is(tmp_path: Path, key: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f'compute: {{"{key}": 1}}\n')
    with pytest.raises(UserError) as error:
        Params(path).get("compute", dict[str, str])
    message = str(error.value).removeprefix(str(path))
    assert message.isprintable()
    assert len(message) < LONGEST_QUOTE + 100
