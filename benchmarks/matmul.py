"""The machine's matmul peak: the FLOP/s of the fastest of some square matrix products, as a line of JSON.

4096-cubed; a machine that needs too long for that (bf16 without the instructions) is measured with smaller ones.
"""

import json
import sys
import time

import torch

SIZES = (512, 1024, 2048, 4096)
TIMES, LONGEST = 7, 0.5  # products; seconds of one after which no larger one is tried


def product(size: int, dtype: torch.dtype, device: torch.device, times: int) -> float:
    """Seconds of the fastest of some products; the first one, which prepares what later ones use, does not count."""
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    taken = []
    for _ in range(times + 1):
        start = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def peak(dtype: torch.dtype, device: torch.device) -> dict[str, float]:
    """FLOP/s, and the size that gave it."""
    size = next((size for size in SIZES[:-1] if product(size, dtype, device, 1) > LONGEST), SIZES[-1])
    return {"flops": 2 * size**3 / product(size, dtype, device, TIMES), "size": size}


def main() -> None:
    """Measure with so many threads."""
    torch.set_num_threads(int(sys.argv[1]))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(json.dumps({"bf16": peak(torch.bfloat16, device), "fp32": peak(torch.float32, device)}))


if __name__ == "__main__":
    main()
