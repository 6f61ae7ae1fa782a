"""kinds.py -- the table of what can go wrong, and how each is done and undone.

do(stage, step) begins a fault, undo(stage, step) ends it; both are called by the thread of the step's target. `needs` names
a part that a stage may lack, where the machine does not let us make it.
"""

import contextlib
import datetime
import os
import signal
import typing

import postmaster


class Kind(typing.NamedTuple):
    name: str
    weight: int
    on: str  # gateway, worker, postgresql or clients
    seconds: tuple  # how long it lasts, at least and at most
    do: typing.Callable
    undo: typing.Callable
    needs: str = None


def nothing(stage, step):
    pass


# -- processes of ours -------------------------------------------------------------------------------------------------


def kill(stage, step):
    with stage.ended(step.target) as process:
        process.kill()


def start(stage, step):
    stage.start(step.target)


def freeze(stage, step):
    if stage.processes[step.target].running():
        stage.processes[step.target].freeze()


def thaw(stage, step):
    if stage.processes[step.target].running():
        stage.processes[step.target].thaw()


def terminate(stage, step):
    with stage.ended(step.target) as process:
        process.terminate()


def start_when_ended(stage, step):
    stage.expect_good_end(stage.processes[step.target])
    stage.start(step.target)


def unplug(stage, step):
    stage.hosts[step.target].unplug()


def plug(stage, step):
    stage.hosts[step.target].plug()


FARTHEST = 3 * 24 * 3600  # seconds by which a clock jumps, back or forth


def step_clock(stage, step):
    stage.clocks[step.target].jump(round((2 * step.draw - 1) * FARTHEST))


def right_clock(stage, step):
    stage.clocks[step.target].jump(0)


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def stop_database(stage, step):
    stage.cluster.stop()


def crash_database(stage, step):
    stage.cluster.crash()


def kill_database(stage, step):
    postmaster.kill_postmaster(stage.cluster)


def start_database(stage, step):
    postmaster.start_again(stage.cluster)


def end_sessions(stage, step):
    stage.cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'campus/%'")


def freeze_session(stage, step):
    """One of ours, wherever it is: what it has locked stays so."""
    pids = stage.cluster.sql("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'campus/%' ORDER BY 1")
    if pids:
        stage.frozen = int(pids[int(step.draw * len(pids))][0])
        _signal(stage.frozen, signal.SIGSTOP)


def thaw_session(stage, step):
    if stage.frozen:
        _signal(stage.frozen, signal.SIGCONT)
        stage.frozen = None


def _signal(pid, number):
    with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
        os.kill(pid, number)


def fill_disk(stage, step):
    stage.disk.fill()


def free_disk(stage, step):
    """A full disk may have ended the server, also while it recovered."""
    stage.disk.free()
    postmaster.start_again(stage.cluster)


DOMAIN_FARTHEST = 1800  # seconds: stored answers live for a day, and whoever asks again does so within it


def step_domain_clock(stage, step):
    shift = datetime.timedelta(seconds=round((2 * step.draw - 1) * DOMAIN_FARTHEST))
    stage.cluster.sql(f"UPDATE campus.clock SET shift = '{shift.total_seconds()} seconds'")


def right_domain_clock(stage, step):
    stage.cluster.sql("UPDATE campus.clock SET shift = '0'")


# -- clients -----------------------------------------------------------------------------------------------------------


def cut_clients(stage, step):
    stage.crowd.cut()


def of_a_role(role):
    return [
        Kind(f"{role} killed", 3, role, (0.1, 1.5), kill, start),
        Kind(f"{role} stopped", 2, role, (0, 1), terminate, start_when_ended),
        Kind(f"{role} frozen", 3, role, (0.2, 6), freeze, thaw),
        Kind(f"{role} cut off", 2, role, (0.3, 4), unplug, plug, "hosts"),
        Kind(f"{role}'s clock steps", 2, role, (0.5, 4), step_clock, right_clock, "clocks"),
    ]


KINDS = [
    *of_a_role("gateway"),
    *of_a_role("worker"),
    Kind("PostgreSQL restarted", 2, "postgresql", (0, 1), stop_database, start_database),
    Kind("PostgreSQL crashed", 2, "postgresql", (0, 1), crash_database, start_database),
    Kind("postmaster killed", 2, "postgresql", (0, 1), kill_database, start_database),
    Kind("PostgreSQL's sessions ended", 2, "postgresql", (0, 0), end_sessions, nothing),
    Kind("PostgreSQL's session frozen", 2, "postgresql", (0.2, 4), freeze_session, thaw_session),
    Kind("PostgreSQL's disk full", 2, "postgresql", (0.5, 4), fill_disk, free_disk, "disk"),
    Kind("PostgreSQL's clock steps", 1, "postgresql", (0.5, 4), step_domain_clock, right_domain_clock),
    Kind("clients cut", 3, "clients", (0, 0), cut_clients, nothing),
]
