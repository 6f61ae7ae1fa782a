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
    lock files for those of a living one. They go when its children have let go of the shared memory, and not before: they are
    what keeps two servers off the same data."""
    locks = [cluster.folder / "data/postmaster.pid", cluster.folder / ".s.PGSQL.5432.lock"]
    if locks[0].exists() and not _attached(locks[0]):
        stat = pathlib.Path(f"/proc/{postmaster(cluster)}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z":
            for lock in locks:
                lock.unlink(missing_ok=True)


def _attached(lock):
    """Whether processes still have the shared memory that the lock file names, in its line 7 by key and id."""
    lines = lock.read_text().split("\n")
    segments = (line.split() for line in pathlib.Path("/proc/sysvipc/shm").read_text().splitlines()[1:])
    attached = {segment[1]: int(segment[6]) for segment in segments}
    return len(lines) > 6 and attached.get(lines[6].split()[-1], 0) > 0


def start_again(cluster):
    """As soon as the last child of the dead postmaster lets go of the shared memory."""
    def started():
        forget_zombie(cluster)
        try:
            return cluster.start()
        except HarnessError:
            return None
    wait_until(started, "PostgreSQL starts again", 30, pause=0.1)
