"""The page of `dvc plots`."""

import re
from pathlib import Path

import pytest

from intaglio.chain import dvc_plots
from intaglio.errors import UserError


def test_the_page_names_nothing_that_lies_elsewhere_and_leaves_dvc_its_place() -> None:
    page = dvc_plots.template()
    assert page.count("{plot_divs}") == page.count("{refresh_tag}") == 1
    assert "{scripts}" not in page
    assert not re.search(r"<(script|link) [^>]*(src|href)=", page)
    assert page.count("<script>") == page.count("</script>") == len(dvc_plots.SCRIPTS)


def test_outside_of_a_clone_there_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="in the root of the clone"):
        dvc_plots.install(tmp_path / ".dvc")
    assert list(tmp_path.iterdir()) == []
