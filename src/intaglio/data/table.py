"""Tables of images: a CSV, TSV or Parquet file with a row for each image."""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from intaglio.data import parquet
from intaglio.data.layout import SPLITS, Placed, check_classes
from intaglio.errors import SettingError, UserError, quote
from intaglio.fetching.collection import composed
from intaglio.params.data import Columns
from intaglio.params.rows import nearest


def read_table(path: Path, columns: Columns) -> list[Placed]:
    """The images that a table lists, sorted by path.

    Raises:
        UserError: the file cannot be read, or a row is wrong: the message has its line.
        SettingError: it has no such column.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".tsv", ".parquet"):
        raise UserError(f"{path}: is not a .csv, .tsv or .parquet file; save the table as one")
    placed: dict[str, Placed] = {}
    for where, row in _parquet_rows(path, columns) if kind == ".parquet" else _text_rows(path, columns):
        each = _placed(row, columns, where)
        if each.path in placed:
            raise UserError(f"{where}: {quote(each.path)} is there twice; remove one row")
        placed[each.path] = each
    if len({bool(each.split) for each in placed.values()}) > 1:
        raise UserError(f"{path}: {columns.split} is empty in some rows; fill it in all, or in none")
    check_classes(list(placed.values()), str(path))
    return [placed[name] for name in sorted(placed)]


_Rows = Iterator[tuple[str, dict[str, str | None]]]  # where each is, for error texts, and its cells by column


def _text_rows(path: Path, columns: Columns) -> _Rows:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
            _check_columns(list(rows.fieldnames or ()), columns)
            for row in rows:
                yield f"{path}: line {rows.line_num}", row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as UTF-8 CSV: {error}; save it as one") from error


def _parquet_rows(path: Path, columns: Columns) -> _Rows:
    header = parquet.column_names(path)
    _check_columns(header, columns)
    wanted = [name for name in (columns.path, columns.label, columns.split) if name in header]
    for number, row in enumerate(parquet.read_rows(path, wanted), 1):
        yield f"{path}: row {number}", row


def _check_columns(header: list[str], columns: Columns) -> None:
    for kind in ("path", "label"):
        name = getattr(columns, kind)
        if name not in header:
            raise SettingError(f"data.columns.{kind}", f"the table has no column {name}; {nearest(name, header)}")


def _placed(row: dict[str, str | None], columns: Columns, where: str) -> Placed:
    path, label, split = (
        composed((row.get(name) or "").strip()) for name in (columns.path, columns.label, columns.split)
    )
    if not path or not label:
        raise UserError(f"{where}: has no {columns.label if path else columns.path}; fill it in, or remove the row")
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if path.startswith("/") or ".." in parts or path[1:2] == ":" or not path.isprintable():
        raise UserError(f"{where}: {quote(path)} is not a path below the table's folder; correct it")
    if split and split.casefold() not in SPLITS:
        raise UserError(f"{where}: {quote(split)} is not a split; write train, validation or test")
    return Placed("/".join(parts), label, SPLITS[split.casefold()] if split else "")
