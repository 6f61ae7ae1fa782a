"""postmaster.py -- PostgreSQL's first process: killed, and started again whatever state its end has left."""

import os
import pathlib
import signal

from harness import HarnessError, wait_until


def postmaster(cluster):
    return int((cluster.folder / "data/postmaster.pid").read_text().split()[0])


def kill_postmaster(cluster):
    """As the system would, that runs out of memory: the children notice by themselves, some only after their statement."""
    os.kill(postmaster(cluster), signal.SIGKILL)


def forget_zombie(cluster):
    """Where process 1 reaps nobody, as in some containers, a killed postmaster stays as a zombie, and PostgreSQL takes its
    lock files for those of a living one."""
    locks = [cluster.folder / "data/postmaster.pid", cluster.folder / ".s.PGSQL.5432.lock"]
    if locks[0].exists():
        stat = pathlib.Path(f"/proc/{postmaster(cluster)}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            for lock in locks:
                lock.unlink(missing_ok=True)


def start_again(cluster):
    """As soon as the last child of the dead postmaster lets go of the shared memory."""
    def started():
        forget_zombie(cluster)
        try:
            return cluster.start()
        except HarnessError:
            return None
    wait_until(started, "PostgreSQL starts again", 30, pause=0.1)
