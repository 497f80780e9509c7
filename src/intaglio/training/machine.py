"""The machine that a step computes on: device, precision, threads, and deterministic algorithms."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from intaglio.errors import SettingError
from intaglio.logs import logger
from intaglio.params.compute import Compute
from intaglio.training.convolutions import OnCpu

# What mallopt(3) sets: constants of glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Machine:
    """A device, the dtype that matrices are multiplied in while training, and whether networks are compiled."""

    device: torch.device
    dtype: torch.dtype
    compile: Literal["auto", "never", "always"] = "never"

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Mixed precision: weights stay fp32, convolutions and matrix products are computed in `dtype`.

        On a CPU some convolutions are computed otherwise: see `training.convolutions`.
        """
        with ExitStack() as stack:
            if self.dtype is not torch.float32:
                stack.enter_context(torch.autocast(self.device.type, dtype=self.dtype))
            if self.device.type == "cpu":
                stack.enter_context(OnCpu())
            yield

    @property
    def matrices(self) -> torch.dtype:
        """The dtype that an optimizer multiplies matrices in: bf16 where that is fast, else fp32 (fp16 lacks range)."""
        return torch.bfloat16 if self.dtype is torch.bfloat16 else torch.float32

    def exact(self) -> "Machine":
        """The same device in fp32, for scores that have to be those of the exported network too."""
        return Machine(self.device, torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """A gradient scaler, enabled for fp16 only, whose range is too short for small gradients."""
        return torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)

    def place(self, network: nn.Module) -> nn.Module:
        """Move a network here, with filters in channels-last memory format (faster on CPUs and on tensor cores)."""
        return network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def use(compute: Compute, seed: int) -> Machine:
    """Choose the device, the precision and the algorithms, fix the threads and seed torch.

    Raises:
        SettingError: the device or the precision is not available here.
    """
    # cuBLAS is deterministic only with a fixed workspace, which has to be set before CUDA starts.
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.set_num_threads(compute.threads)
    cores = os.cpu_count() or compute.threads
    if compute.threads > cores:
        logger.warning("compute.threads: %d on a machine with %d cores, which is slower", compute.threads, cores)
    torch.use_deterministic_algorithms(compute.deterministic)
    # By default cuDNN rounds fp32 convolutions to TF32's 10 bits, unlike matrix products: fp32 has to mean fp32.
    torch.backends.cudnn.allow_tf32 = False
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.manual_seed(seed)
    _keep_freed_memory()
    device = _device(compute.device)
    return Machine(torch.device(device), DTYPES[_precision(compute.precision, device)], compute.compile)


def check_machine(compute: Compute) -> None:
    """Check that the machine has what the settings name.

    Raises:
        SettingError: the device or the precision is not available here.
    """
    _precision(compute.precision, _device(compute.device))


def _keep_freed_memory() -> None:
    """Have the C library keep freed memory, because the next step allocates the same sizes again.

    By default glibc returns large blocks to the system at once and gets them back page by page, filled with zeros: a
    fifth of a step of a small network, measured on a CPU. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def _device(wanted: str) -> str:
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    available = [name for name, is_available in usable.items() if is_available]
    if wanted == "auto":
        return available[0]
    if wanted not in available:
        problem = f"{wanted} is not available on this machine; use auto or {', '.join(available)}"
        raise SettingError("compute.device", problem)
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
        raise SettingError("compute.precision", "fp16 is slow and imprecise on a CPU; use auto, bf16 or fp32")
    return wanted


def _cpu_multiplies_bf16() -> bool:
    """Whether the processor has AMX or AVX-512 instructions for bf16, and oneDNN is not set to avoid them."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if limit not in ("ALL", "DEFAULT") and "BF16" not in limit and "AMX" not in limit:
        return False
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
