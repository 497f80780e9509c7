"""The machine that a step computes on: device, arithmetic, threads, and the same result every time."""

import ctypes
import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from intaglio.errors import UserError
from intaglio.params.compute import Compute

# Names of glibc's malloc.h for what mallopt(3) sets.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Machine:
    """A device, the type that its matrices are multiplied in while training, and whether networks are compiled."""

    device: torch.device
    dtype: torch.dtype
    compile: Literal["auto", "never", "always"] = "never"

    def autocast(self) -> AbstractContextManager[None]:
        """Mixed precision: weights stay fp32, convolutions and products are done in `dtype`."""
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)

    @property
    def matrices(self) -> torch.dtype:
        """The type that an optimizer may multiply matrices in: short if that is fast here, and has fp32's range."""
        return torch.bfloat16 if self.dtype is torch.bfloat16 else torch.float32

    def exact(self) -> "Machine":
        """The same device in fp32, for figures that have to hold for the exported network too."""
        return Machine(self.device, torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """A gradient scaler; it does nothing but for fp16, whose range is too short for small gradients."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network here, its filters laid out channels last (faster on CPUs and on tensor cores)."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def use(compute: Compute, seed: int) -> Machine:
    """Choose the device, the precision and the algorithms, fix the threads and seed torch.

    Raises:
        UserError: the device or the precision is not to be had here.
    """
    # cuBLAS is deterministic only with a fixed workspace, asked for before CUDA starts.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.set_num_threads(compute.threads)
    torch.use_deterministic_algorithms(compute.deterministic)
    # Unlike matrix products, cuDNN's fp32 convolutions would be rounded to TF32's 10 bits: fp32 is to mean fp32.
    torch.backends.cudnn.allow_tf32 = False
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(seed)
    _keep_freed_memory()
    device = _device(compute.device)
    return Machine(torch.device(device), DTYPES[_precision(compute.precision, device)], compute.compile)


def _keep_freed_memory() -> None:
    """Have the C library keep the memory that is freed, for the next step asks for the same again.

    By default glibc gives large pieces back to the system at once and gets them anew, page by page and filled with
    zeros: a fifth of a step of a small network, measured on a CPU. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def _device(wanted: str) -> str:
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, available in there.items() if available)
    if not there[wanted]:
        names = ", ".join(name for name, available in there.items() if available)
        raise UserError(f"params.yaml: compute.device: {wanted} is not to be had on this machine; use auto or {names}")
    return wanted


def _precision(wanted: str, device: str) -> str:
    if wanted == "auto":
        match device:
            case "cuda":
                capability = torch.cuda.get_device_capability()
                return "bf16" if capability >= (8, 0) else "fp16" if capability >= (7, 0) else "fp32"
            case "cpu":
                return "bf16" if _cpu_multiplies_bf16() else "fp32"
            case _:
                return "fp32"
    if wanted == "fp16" and device == "cpu":
        raise UserError("params.yaml: compute.precision: fp16 is slow and imprecise on a CPU; use auto, bf16 or fp32")
    return wanted


def _cpu_multiplies_bf16() -> bool:
    """Whether the processor has AMX or AVX-512 instructions for bf16, and oneDNN has not been told to avoid them."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if limit not in ("ALL", "DEFAULT") and "BF16" not in limit and "AMX" not in limit:
        return False
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
