"""clock.py -- a wall clock for one process, by Debian's libfaketime."""

import pathlib
import subprocess

import harness

LIBRARY = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class Clock:
    """The wall clock of one process, which may jump. Its monotonic clock stays what it is."""

    @staticmethod
    def possible():
        """A program under a sanitizer may refuse to be preloaded anything."""
        if LIBRARY is None:
            return False
        command = ["env", f"LD_PRELOAD={LIBRARY}", harness.BUILD / "campus", "version"]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.returncode == 0 and not done.stderr

    def __init__(self, process):
        self.file = process.folder / f"{process.name}.clock"
        self.jump(0)
        preload = {"LD_PRELOAD": LIBRARY, "FAKETIME_TIMESTAMP_FILE": self.file, "FAKETIME_NO_CACHE": 1,
                   "FAKETIME_DONT_FAKE_MONOTONIC": 1}
        process.arguments = [*(f"{name}={value}" for name, value in preload.items()), harness.program(), *process.arguments]
        process.path = "/usr/bin/env"

    def jump(self, seconds):
        """To so many seconds from the machine's; who reads finds the old or the new."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self.file)
