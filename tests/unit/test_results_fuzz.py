"""Whatever is in a metrics file, reading it gives values or an error of one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from intaglio.errors import UserError
from intaglio.results.evaluation import EvaluationRecord
from intaglio.results.inputs import Input
from intaglio.results.records import read_record
from intaglio.results.tables import read_confusion, read_epochs, read_predictions

fuzzed = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
cells = st.sampled_from(["epoch", "actual", "image", "1", "0", "-1", "1e400", "nan", "", '"', "a", "\x00", ",", "\r"])
tables = st.lists(st.lists(cells, max_size=8).map(",".join), max_size=5).map("\n".join) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["images", "x"]), inner),
    max_leaves=8,
)


@fuzzed
@given(text=tables)
def test_any_text_in_place_of_a_table_is_an_error_of_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for read in (read_epochs, read_predictions):
        with pytest.raises(UserError, match=r"t\.csv: ") as raised:
            read(Input(path, "evaluate"))
        assert len(str(raised.value).splitlines()) == 1
    try:
        confusion = read_confusion(Input(path, "evaluate"))
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert confusion.counts.shape == (len(confusion.classes),) * 2


@fuzzed
@given(value=values)
def test_any_json_in_place_of_a_record_is_an_error_of_one_line(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"r\.json: ") as raised:
        read_record(Input(path, "evaluate"), EvaluationRecord)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["[" * 200_000, "", "{", '{"a": 1} x', "nul"])
def test_what_is_not_json_is_named_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"r\.json: not valid JSON"):
        read_record(Input(path, "evaluate"), EvaluationRecord)
