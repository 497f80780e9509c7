"""`report`: the page."""

from pydantic import Field

from intaglio.params.section import Section


class Report(Section):
    """`report`."""

    samples: int = Field(ge=0, le=200, description="Test images shown with their predictions, for each network.")
