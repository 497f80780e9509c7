"""The files of a Debian package, without root: it is unpacked, not installed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from intaglio.fetching.http import Unavailable
from intaglio.logs import logger
from intaglio.params.download import Download


def package_content(name: str, folder: Path, settings: Download) -> Path:
    """The files of a package as one tar archive in `folder`; apt checks the package's signature on the way.

    apt reads the machine's own list of servers, but keeps its state in `folder`: the machine's is not touched.

    Raises:
        Unavailable: this is not a Debian or Ubuntu machine, or the package is not available.
        OSError: `folder` cannot be written.
    """
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]:
        raise Unavailable(f"this machine has no {missing[0]}")
    logger.info("getting the package %s with apt", name)
    lists = folder / "lists"
    archives = folder / "archives"
    (lists / "partial").mkdir(parents=True)
    (archives / "partial").mkdir(parents=True)
    options = {
        "Dir::State::Lists": lists,
        "Dir::Cache": folder,
        "Dir::Cache::Archives": archives,
        "Debug::NoLocking": 1,  # the locks would be the machine's, which need root
        "Acquire::Retries": settings.attempts - 1,
        "Acquire::http::Timeout": max(1, round(settings.timeout)),
        "Acquire::https::Timeout": max(1, round(settings.timeout)),
        # When run by root, apt would change to a user that may not enter this folder.
        **({"APT::Sandbox::User": "root"} if os.geteuid() == 0 else {}),
    }
    apt = ["apt-get", "--quiet", *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]
    # The exit code of the update is ignored: it also reports servers that are down but not needed, and `download`
    # fails where the package is missing.
    update = subprocess.run([*apt, "update"], capture_output=True, text=True, env=_environment(), check=False)
    _run([*apt, "download", name], archives, update_output=update.stderr)
    packages = [*archives.glob("*.deb")]
    if len(packages) != 1:
        raise Unavailable(f"apt downloaded {len(packages)} packages named {name}")
    content = folder / "package.tar"
    _run(["dpkg-deb", "--fsys-tarfile", str(packages[0])], folder, content)
    return content


def _run(command: Sequence[str], folder: Path, output: Path | None = None, update_output: str = "") -> None:
    with (output or Path(os.devnull)).open("wb") as file:
        done = subprocess.run(command, cwd=folder, stdout=file, stderr=subprocess.PIPE, env=_environment(), check=False)
    if done.returncode:
        reasons = _errors(done.stderr.decode(errors="replace")) or [f"exit status {done.returncode}"]
        raise Unavailable(f"{command[0]}: {'; '.join([*reasons[-1:], *_errors(update_output)[:1]])}")


def _errors(text: str) -> list[str]:
    """apt's and dpkg's messages that give a cause; of a server that it cannot reach apt only warns."""
    causes = ("E: ", "dpkg-deb: error: ", "W: Failed to fetch ")
    return [
        line.removeprefix("W: Failed to fetch ").removeprefix("E: ")
        for line in text.splitlines()
        if line.startswith(causes)
    ]


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}
