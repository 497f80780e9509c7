"""What a result's bits depend on besides data, settings and code: the processor and its libraries."""

import os
import platform
from importlib.metadata import version

import torch

# The instruction sets by which oneDNN, MKL and PyTorch choose their kernels, and so the order of their additions.
FEATURES = ("avx2", "fma3", "avx512_f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16", "amx_int8")
FEATURES_OF_ARM = ("neon", "asimd", "bf16", "i8mm", "dot", "sve", "sme")

# Variables by which a user forbids these libraries some instructions.
LIMITS = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "ATEN_CPU_CAPABILITY")

LIBRARIES = ("torch", "numpy", "onnxruntime", "pillow")


def fingerprint(device: str, threads: int) -> dict[str, str]:
    """The facts that the bits of a step's result depend on, by name.

    Args:
        device: the device that the step computes on: cpu, cuda or mps.
        threads: number of CPU threads.
    """
    return {
        "device": _gpu() if device == "cuda" else device,
        "processor": _processor(),
        "threads": str(threads),
        "system": " ".join(filter(None, (platform.system(), platform.machine(), *platform.libc_ver()))),
        "python": ".".join(platform.python_version_tuple()[:2]),
        # The installed version with its build (+cpu, +cu130), which is not in the lock.
        **{library: torch.__version__ if library == "torch" else version(library) for library in LIBRARIES},
        **{limit: os.environ[limit] for limit in LIMITS if limit in os.environ},
    }


def in_a_line(facts: dict[str, str]) -> str:
    """A fingerprint as one line, equal when all its facts are."""
    return "; ".join(f"{name} {value}" for name, value in facts.items())


def _processor() -> str:
    facts = torch.cpu.get_capabilities()
    features = [name for name in FEATURES if facts.get(name)]
    features += sorted(name for name, value in facts.items() if value is True and name.startswith(FEATURES_OF_ARM))
    # Matrix products are computed in blocks of the size of this cache.
    cache = facts.get("l2_cache_size")
    parts = [facts.get("cpu_name") or platform.processor(), *features, f"L2 {cache // 1024} KiB" if cache else ""]
    return " ".join(filter(None, parts))


def _gpu() -> str:
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return f"cuda {torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, cuDNN {cudnn}"
