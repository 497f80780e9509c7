"""`intaglio view`: Netron to look around in. The browser is a script that notes the address."""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from onnx_files import small_cnn

from intaglio.commands import view
from intaglio.errors import UserError

COMMAND = [sys.executable, "-c", "from intaglio.cli import main; main()", "view"]


def started(folder: Path, network: str) -> tuple[subprocess.Popen[str], str]:
    """The running command and the address that it printed."""
    opener = folder / "opener"
    opener.write_text(f'#!/bin/sh\necho "$1" > {folder}/opened\n')
    opener.chmod(0o755)
    environment = {**os.environ, "BROWSER": str(opener)}
    process = subprocess.Popen(
        [*COMMAND, network], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, next(word.rstrip(";") for word in line.split() if word.startswith("http://"))


@pytest.mark.parametrize("network", ["finetuned", "results/onnx/finetuned.onnx"])
def test_a_network_is_shown_by_name_or_by_path_until_ctrl_c(tmp_path: Path, network: str) -> None:
    model = small_cnn(tmp_path / "results/onnx/finetuned.onnx")
    process, address = started(tmp_path, network)
    with process:
        assert (tmp_path / "opened").read_text().strip() == address
        with urllib.request.urlopen(f"{address}data/finetuned.onnx", timeout=30) as response:
            assert response.read() == model.read_bytes()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in errors and "error" not in errors


def test_a_network_that_is_not_made_yet_comes_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("train: {small: {}}\nfinetune: {tuned: {}}\n")
    for network in ("small", "tuned"):
        with pytest.raises(UserError, match=rf"snakemake --cores 2 results/onnx/{network}\.onnx"):
            view.run(network)
    with pytest.raises(UserError, match=r"nets/mine\.onnx: no such file"):
        view.run("nets/mine.onnx")
    done = subprocess.run([*COMMAND, "tunde"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "did you mean tuned?" in done.stderr
