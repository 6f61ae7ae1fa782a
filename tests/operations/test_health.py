"""`campus health`: the process's own word on whether it is ready, for health checks of containers."""

import re
import time

import pytest

from harness import wait_until


def port_of(process):
    return re.search(r": metrics port=(\d+)", process.log())[1]


def health(campus, process, host="127.0.0.1"):
    """Exit code and the line that was said."""
    done = campus.run("health", f"--metrics_listen={host}:{port_of(process)}", check=False)
    assert not done.stdout and done.stderr.count("\n") == done.returncode, done
    return done.returncode, done.stderr.strip()


def wait_health(campus, process, expected):
    wait_until(lambda: health(campus, process) == expected, f"health is {expected}", 30)


def test_every_process_of_a_campus_is_healthy(split, campus):
    for process in (*split.processes.values(), campus.processes["campus"]):
        wait_health(split, process, (0, ""))
    for host in ("127.0.0.1", "0.0.0.0"):
        assert health(campus, campus.processes["campus"], host) == (0, "")


def test_worker_without_a_database(split):
    split.cluster.crash()
    wait_health(split, split.processes["membership-1"], (1, "campus: not ready: membership"))
    assert health(split, split.processes["gateway"]) == (0, "")  # it has its workers
    split.cluster.start()
    wait_health(split, split.processes["membership-1"], (0, ""))


def test_worker_without_a_gateway(split):
    split.processes["gateway"].stop()
    wait_health(split, split.processes["membership-1"], (1, "campus: not ready: membership"))
    split.start_process("gateway")
    wait_health(split, split.processes["membership-1"], (0, ""))


def test_gateway_without_workers(split):
    for name in ("membership-1", "membership-2"):
        split.processes[name].stop()
    wait_health(split, split.processes["gateway"], (1, "campus: not ready: gateway"))
    for name in ("membership-1", "membership-2"):
        split.processes[name].start()
    split.wait_ready()
    wait_health(split, split.processes["gateway"], (0, ""))


def test_process_that_is_frozen_is_told_within_two_seconds(split):
    process = split.processes["membership-2"]
    process.freeze()
    begun = time.monotonic()
    code, said = health(split, process)
    assert code == 1 and "timed out" in said and time.monotonic() - begun < 5
    process.thaw()
    split.wait_ready()


@pytest.mark.parametrize("listen, words", [
    ("", "setting metrics_listen: it is empty"),
    ("here", "setting metrics_listen: not a numeric address"),
    ("127.0.0.1:1", "Connection refused"),
])
def test_nobody_to_be_asked(split, listen, words):
    done = split.run("health", f"--metrics_listen={listen}", check=False)
    assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, done


def test_words_are_refused(split):
    done = split.run("health", "please", check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
