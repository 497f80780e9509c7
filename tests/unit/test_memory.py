"""A batch that there is not enough memory for."""

import re

import pytest
import torch
from test_training import SETTINGS, train
from torch import Tensor, nn

from intaglio.errors import SettingError


class Hungry(nn.Module):
    """Asks for a petabyte when it is to learn from more than some examples at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.most = most

    def forward(self, points: Tensor) -> Tensor:
        if self.training and len(points) > self.most:
            torch.empty(1 << 50)
        logits: Tensor = self.layer(points)
        return logits


@pytest.mark.parametrize(
    ("most", "accumulate", "batch_size", "parts"), [(20, 1, 15, 2), (9, 1, 7, 5), (5, 2, 6, 10), (1, 1, None, None)]
)
def test_a_batch_that_needs_too_much_memory_is_one_line_with_a_batch_that_fits(
    most: int, accumulate: int, batch_size: int | None, parts: int | None
) -> None:
    with pytest.raises(SettingError) as error:
        train(Hungry(most), accumulate=accumulate)
    assert error.value.key == "recipe.batch_size"
    numbers = [int(number) for number in re.findall(r"\d+", error.value.problem)]
    assert numbers[0] == SETTINGS["batch_size"] // accumulate
    if batch_size is not None:
        assert (batch_size, parts) == (numbers[-2], numbers[-1])
        train(Hungry(most), accumulate=parts)


def test_any_other_error_of_a_step_is_not_taken_for_a_lack_of_memory() -> None:
    class Wrong(nn.Module):
        def forward(self, points: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        train(nn.Sequential(nn.Linear(2, 2), Wrong()))
