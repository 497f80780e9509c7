"""Columns of text in Parquet files, read as data: nothing in them is run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intaglio.errors import UserError, quote

_AT_ONCE = 1 << 14  # rows


def column_names(path: Path) -> list[str]:
    """The names of a file's columns.

    Raises:
        UserError: it cannot be read.
    """
    with _opened(path) as file:
        return list(file.schema_arrow.names)


def read_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """The cells of some columns that the file has, row by row; other columns, with the images' bytes say, are not read.

    Raises:
        UserError: it cannot be read, or a column has something else than text.
    """
    import pyarrow as pa

    kinds = pa.types
    with _opened(path) as file:
        for name in columns:
            if file.schema_arrow.names.count(name) > 1:
                raise UserError(f"{path}: has two columns {quote(name)}; rename one")
            kind = file.schema_arrow.field(name).type
            plain = kind.value_type if kinds.is_dictionary(kind) else kind
            # A column of nothing has a type of its own.
            text = (kinds.is_string, kinds.is_large_string, kinds.is_string_view, kinds.is_null)
            if not any(is_of(plain) for is_of in text):
                raise UserError(f"{path}: its column {quote(name)} is {quote(str(kind))}, not text; convert it to text")
        for batch in file.iter_batches(_AT_ONCE, columns=list(columns)):
            yield from batch.to_pylist()


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as source, pq.ParquetFile(source) as file:
            yield file
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {error}; write it again") from error
