"""`visualize`: the pictures of the network."""

from pydantic import Field

from intaglio.params.section import Section


class Visualize(Section):
    """`visualize`."""

    pictures: bool = Field(description="false draws a note in place of the graph, for machines without a browser.")
