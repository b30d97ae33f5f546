"""A Slurm cluster of two nodes on this machine, with a folder, a configuration and keys of its own.

Both nodes are this machine, so what is not shown here is another machine: its own processes, its
own /tmp. What comes nearest is done: jobs are given process numbers and folders that mean nothing.
"""

import getpass
import hashlib
import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")
NODES = ("n1", "n2")
# More memory than this machine has: jobs ask for what a run of real size takes.
NODE_MB = 64_000
# Process numbers end far below it.
NO_PROCESS = 2**22 + 1
SECONDS_TO_START = 60

# The profile as it is, but for the pace of asking.
PROFILE = ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")

# Memory that processes share counts once, as it does where cgroups keep the account.
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdSpoolDir={folder}/spool-%n
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/prolog
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=UsePss,OverMemoryKill
AccountingStorageType=accounting_storage/none
MpiDefault=none
MinJobAge=3600
KillWait=2
ReturnToService=2
{nodes}
PartitionName=main Nodes=ALL Default=YES State=UP MaxTime=INFINITE
"""


def pytest_collection_modifyitems(items):
    """Keep these out of `make test`: they start daemons and take minutes."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slurm")


def missing() -> str:
    """Return what these tests need and this machine has not; nothing where all is there."""
    if sys.platform != "linux":
        return "Slurm runs on Linux"
    if programs := [name for name in PROGRAMS if program(name) is None]:
        return f"not installed: {', '.join(programs)} (Debian: slurmctld slurmd slurm-client munge)"
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        return 'not installed: pip install -c requirements.txt -e ".[slurm]"'
    return ""


def program(name: str) -> str | None:
    """Return the path of a program; daemons are not on everybody's PATH."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def final_files(run: Path) -> dict[str, str]:
    """Return the digests of a run's matrix, weights and areas."""
    files = [run / "matrix/matrix.h5", *run.glob("weights/*/weights.npy"), *run.glob("areas/*/*")]
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


@dataclass
class Cluster:
    """The running daemons."""

    folder: Path
    daemons: list[subprocess.Popen] = field(default_factory=list)

    def start(self) -> None:
        self._configure()
        self._daemon(
            "munged",
            *("--foreground", "--force", f"--key-file={self.folder}/munge.key"),
            *(f"--{file}-file={self.folder}/munge.{file}" for file in ("pid", "log", "seed")),
            f"--socket={self.folder}/munge.socket",
        )
        wait_until((self.folder / "munge.socket").exists, SECONDS_TO_START, "munged")
        self._daemon("slurmctld", "-D", "-c")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        wait_until(self._is_idle, SECONDS_TO_START, f"two idle nodes; see {self.folder}")

    def _configure(self) -> None:
        # Held open together, so that they differ; free again when the daemons want them.
        holders = [socket.create_server(("127.0.0.1", 0)) for _ in (*NODES, "slurmctld")]
        ports = [holder.getsockname()[1] for holder in holders]
        for holder in holders:
            holder.close()
        nodes = "\n".join(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
            f"CPUs=1 RealMemory={NODE_MB} State=UNKNOWN"
            for node, port in zip(NODES, ports, strict=False)
        )
        text = CONFIGURATION.format(
            folder=self.folder, user=getpass.getuser(), port=ports[-1], nodes=nodes
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        # What a job has on another machine: the submitting one's environment, with nothing
        # behind its process numbers and folders.
        self._script(
            self.folder / "prolog",
            f"echo export LOCALCAL_COORDINATOR={NO_PROCESS}\n"
            "echo export XDG_RUNTIME_DIR=/run/user/of-another-machine\n",
        )
        # The plugin takes SLURM_CONF from a job's environment before it calls srun.
        (self.folder / "bin").mkdir()
        self._script(
            self.folder / "bin/srun",
            f'SLURM_CONF={self.folder}/slurm.conf exec {shlex.quote(program("srun"))} "$@"\n',
        )

    @staticmethod
    def _script(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def _daemon(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("a") as output:
            process = subprocess.Popen(
                [program(name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
            )
        self.daemons.append(process)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment with this cluster in it and no other."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("SLURM_")}
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return kept | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def ask(self, *command: str) -> list[str]:
        """Return the lines that a command of Slurm answers."""
        result = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        return result.stdout.splitlines() if result.returncode == 0 else []

    def _is_idle(self) -> bool:
        return sorted(self.ask("sinfo", "-hN", "-o", "%N %T")) == [f"{node} idle" for node in NODES]

    def jobs(self, *states: str) -> dict[str, tuple[str, str, str]]:
        """Return state, node and comment (rule and wildcards) by job number."""
        chosen = ",".join(states) or "all"
        lines = self.ask("squeue", "-h", "-t", chosen, "-o", "%i|%T|%N|%k")
        return {number: tuple(rest) for number, *rest in (line.split("|") for line in lines)}

    def cancel(self, *numbers: str) -> None:
        """End jobs, all where none is named, and wait until they are gone."""
        self.ask("scancel", *(numbers or ("--user", getpass.getuser())))
        wait_until(
            lambda: (
                not self.jobs("RUNNING", "PENDING", "COMPLETING").keys() & set(numbers)
                if numbers
                else not self.jobs("RUNNING", "PENDING", "COMPLETING")
            ),
            60,
            "the end of cancelled jobs",
        )

    def stop(self) -> None:
        """Stop nodes, controller and munged, in the reverse order of their start."""
        for process in reversed(self.daemons):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def remainders(self) -> list[psutil.Process]:
        """Return processes of this cluster and of its jobs that are still there."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            mark = str(self.folder)
            line, environment = process.info["cmdline"] or [], process.info["environ"] or {}
            if process.pid != os.getpid() and (
                any(mark in part for part in line) or mark in environment.get("SLURM_CONF", "")
            ):
                found.append(process)
        return found


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(reason)
    # Short, since sockets are in it.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
        cluster.cancel()
    finally:
        cluster.stop()
        _, left = psutil.wait_procs(cluster.remainders(), timeout=20)
        for process in left:
            process.kill()
        if not left:
            shutil.rmtree(folder)
    assert not left, f"outlived the cluster: {left}; its files are in {folder}"


@pytest.fixture
def cluster(running_cluster, monkeypatch) -> Iterator[Cluster]:
    """The cluster, in the environment of this test, with no job of another test."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, running_cluster.environment[name])
    yield running_cluster
    running_cluster.cancel()


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen]]:
    """Processes that are killed when the test ends, however it ends."""
    processes: list[subprocess.Popen] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
