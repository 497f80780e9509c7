"""A private Slurm of two nodes on this machine, as root, without systemd and cgroups.

Each node has a host name and process ids of its own, so that its jobs see as little of the head as on a cluster.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

# Its jobs find no other place: the executor plugin removes SLURM_CONF from their environment.
FOLDER = Path("/etc/slurm")
MUNGE = Path("/run/munge")
PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
NODES = ("n1", "n2")

# Settings that begin so were left by tests that were killed.
OURS = "# Written by tests/workflow/slurm.py\n"
# A job that is put back into the queue waits until its credentials expire: 120 s if not said.
CONF = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
JobRequeue=1
ReturnToService=2
MpiDefault=none
KillWait=5
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=4 RealMemory=16000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=4 RealMemory=16000
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def reason_to_skip() -> str | None:
    """Why Slurm cannot be tried here; None when it can."""
    if os.geteuid() != 0:
        return "not root: Slurm's daemons would not start"
    if not Path("/etc/debian_version").exists() or shutil.which("apt-get") is None:
        return "not Debian: slurm-wlm is not available"
    settings = FOLDER / "slurm.conf"
    if settings.exists() and not settings.read_text().startswith(OURS):
        return f"{FOLDER}/slurm.conf exists: this machine has a Slurm of its own"
    return None


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """Install Slurm if it is not there, and start it; nothing of it runs afterwards, and its settings are removed."""
    _install()
    with ExitStack() as stack:
        if subprocess.run(["munge", "--no-input"], capture_output=True, check=False).returncode != 0:
            MUNGE.mkdir(exist_ok=True)
            shutil.chown(MUNGE, "munge", "munge")
            _start(stack, folder / "munged.log", "munged", "--foreground", "--num-threads=2", user="munge")
        FOLDER.mkdir(exist_ok=True)
        (folder / "state").mkdir()
        stack.callback((FOLDER / "slurm.conf").unlink)
        (FOLDER / "slurm.conf").write_text(OURS + CONF.format(ports=_free_ports(3), folder=folder))
        _start(stack, folder / "slurmctld.log", "slurmctld", "-D")
        for node in NODES:
            # The kernel ends all processes of a node together with the first of them.
            apart = ("unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child")
            command = f"hostname {node} && exec slurmd -D -N {node}"
            _start(stack, folder / f"slurmd.{node}.log", *apart, "sh", "-c", command)
        _wait_until_idle(folder)
        yield


def jobs(rule: str = "") -> set[str]:
    """The ids of the jobs of a rule, or of all rules, that have not ended."""
    listed = subprocess.run(["squeue", "--noheader", "--format=%i %k"], stdout=subprocess.PIPE, text=True, check=True)
    rows = [line.split(" ", 1) for line in listed.stdout.splitlines()]
    return {job for job, comment in rows if comment.startswith(f"rule_{rule}")}


def cancel_all() -> None:
    """End all jobs."""
    subprocess.run(["scancel", "--user", "root"], check=True)


def _install() -> None:
    if all(map(shutil.which, PROGRAMS)):
        return
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-qq", *command],
            # In this run level no service is started.
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def _start(stack: ExitStack, log: Path, *command: str, user: str | None = None) -> None:
    """Start a daemon, which ends with the stack, and also if the tests are killed."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            start_new_session=True,
        )
    stack.callback(_end, psutil.Process(running.pid), running)


def _end(daemon: psutil.Process, running: "subprocess.Popen[bytes]") -> None:
    everything = daemon.children(recursive=True)
    running.kill()
    running.wait()
    _, alive = psutil.wait_procs(everything, timeout=10)
    assert not alive


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _wait_until_idle(folder: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        nodes = subprocess.run(
            ["sinfo", "--noheader", "--Node", "--format=%T"], capture_output=True, text=True, check=False
        )
        if nodes.stdout.split() == ["idle"] * len(NODES):
            return
        time.sleep(0.2)
    logs = "".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.log"))
    pytest.fail(f"Slurm does not start: {nodes.stdout}{nodes.stderr}{logs}")
