"""`train`: the network and how it learns the base set."""

from intaglio.params.model import Model
from intaglio.params.recipe import Recipe


class Train(Recipe):
    """`train`."""

    model: Model
