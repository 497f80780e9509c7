"""`download`: patience with the network. It changes no result."""

from pydantic import Field

from intaglio.params.section import Section


class Download(Section):
    """`download`."""

    attempts: int = Field(ge=1, le=20, description="Tries for each address before the next source.")
    timeout: float = Field(gt=0, le=3600, description="Seconds without a response after which a try has failed.")
