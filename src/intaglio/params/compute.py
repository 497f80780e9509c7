"""`compute`: the machine that the work is done on."""

from typing import Literal

from pydantic import Field

from intaglio.params.section import Section


class Compute(Section):
    """`compute`: device, arithmetic and threads."""

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(description="auto takes cuda, then mps, then cpu.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        description="Arithmetic of training; auto takes what the device multiplies in hardware: bf16, on older GPUs "
        "fp16, else fp32."
    )
    compile: Literal["auto", "never", "always"] = Field(
        description="torch.compile for training; auto is for long runs on a GPU, and only when its results hold."
    )
    deterministic: bool = Field(
        description="Only algorithms that give the same bits each time; false is faster on some GPUs."
    )
    memory: int = Field(ge=1, description="MiB of training images held at once; more are shuffled in blocks.")
    threads: int = Field(ge=1, le=1024, description="CPU threads of one step; another number may round otherwise.")
