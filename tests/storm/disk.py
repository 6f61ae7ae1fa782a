"""disk.py -- a disk for PostgreSQL that is small enough to be filled."""

import errno
import os
import subprocess

import harness

SIZE = "512m"


class SmallDisk:
    """A file system in memory below `folder`/data, with a stopped cluster in it. None where we may not mount."""

    @classmethod
    def mount(cls, folder):
        at = folder / "data"
        at.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "campus", at], capture_output=True, check=False)
        if done.returncode:
            at.rmdir()
            return None
        subprocess.run(["cp", "-a", f"{harness.Cluster.template()}/.", at], check=True)
        return cls(at)

    def __init__(self, at):
        self.at = at
        self.ballast = at / "ballast"

    def fill(self):
        """To the last page."""
        size = os.statvfs(self.at).f_bsize << 20
        with self.ballast.open("wb") as file:
            while size >= os.statvfs(self.at).f_bsize:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self):
        self.ballast.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "-l", self.at], check=False)
