"""stage.py -- the campus that things happen to: two gateways and two workers on hosts of their own, between them tcp with
keys, each with a clock of its own, and PostgreSQL on a small disk.

What this machine does not let us make is None: then one gateway and two workers run side by side over ipc (hosts), on the
machine's clock (clocks), and PostgreSQL has the whole disk (disk).
"""

import contextlib
import http.client
import threading

import harness
import hosts
from harness import HarnessError, wait_until
from storm.clock import Clock
from storm.disk import SmallDisk

# Checkpoints come often, so that a crash finds some under way, and what is filled is tables more often than the log.
SETTINGS = ["max_wal_size=64MB", "min_wal_size=32MB", "checkpoint_timeout=30s"]
WELL_SECONDS = 60


class Stage:
    """Closed by the ExitStack that it is given."""

    def __init__(self, stack):
        folder = harness.new_folder()
        self.disk = SmallDisk.mount(folder)
        if self.disk:
            stack.callback(self.disk.unmount)
        self.cluster = harness.Cluster(folder, durable=True)
        self.cluster.settings += SETTINGS
        self.campus = self._spread(stack) if hosts.possible() else self._side_by_side()
        self.hosts = getattr(self.campus, "hosts", None)
        self.processes = self.campus.processes
        self.clocks = {name: Clock(process) for name, process in self.processes.items()} if Clock.possible() else None
        self.crowd = None
        self.down = set()  # processes that we have ended, and shall start again
        self.lock = threading.Lock()  # of `down`: so that nobody starts a process twice
        self.frozen = None  # a process of PostgreSQL
        self.troubles = []
        self.own_ends = []  # who ended unasked, with its last words, and was started again as an init or an engine would
        stack.enter_context(self.campus)
        self.key = self.campus.key()

    def _spread(self, stack):
        spread = hosts.Spread(stack.enter_context(hosts.Network()), cluster=self.cluster)
        spread.add_gateway()
        spread.know_gateways()
        return spread

    def _side_by_side(self):
        settings = {"CAMPUS_RATE_ADDRESS": "0", "CAMPUS_RATE_CONNECTIONS": "0", "CAMPUS_RATE_PRINCIPAL": "0"}
        return harness.Campus(split=True, cluster=self.cluster, settings=settings)

    def describe(self):
        lacking = [part for part in ("hosts", "clocks", "disk") if getattr(self, part) is None]
        shape = "hosts of their own, tcp with keys" if self.hosts else "one host, ipc"
        return f"gateways: {len(self.named('gateway'))}, workers: {len(self.named('membership'))}; {shape}" + \
            (f"; cannot be had here: {', '.join(lacking)}" if lacking else "")

    def named(self, role):
        return [name for name in self.processes if name.startswith(role)]

    def targets(self):
        """By what a kind is on."""
        return {"gateway": self.named("gateway"), "worker": self.named("membership"), "postgresql": ["postgresql"],
                "clients": ["clients"]}

    def entrances(self):
        """Where clients knock: (address, port) of each gateway."""
        if self.hosts is None:
            return [(self.campus.address, self.campus.port)]
        return [(self.hosts[name].address, 8080) for name in self.named("gateway")]

    def expect_good_end(self, process):
        try:
            status = process.wait()
        except HarnessError as error:
            status = error
        if status:
            self.troubles.append(f"{process.name} did not end well: {status}")

    @contextlib.contextmanager
    def ended(self, name):
        """A process that the block ends: it stays so until start()."""
        with self.lock:
            self.down.add(name)
            yield self.processes[name]

    def start(self, name):
        with self.lock:
            self.processes[name].start()
            self.down.remove(name)

    def supervise(self):
        """Whoever ended unasked is started again; a signal or a sanitizer's status is a trouble of its own."""
        with self.lock:
            for name, process in self.processes.items():
                if name not in self.down and not process.running():
                    self.own_ends.append(f"{name}: {harness.tail(process.log(), 1)}")
                    if process.child.returncode != 1:
                        self.troubles.append(f"{name} ended with status {process.child.returncode}")
                    process.start()

    def wait_well(self):
        """Until every gateway is ready and knows every worker."""
        def well():
            self.supervise()
            return self.hosts is None or all(self._knows_all(name) for name in self.named("gateway"))
        wait_until(well, "every gateway knows every worker", WELL_SECONDS, pause=0.1)
        self.campus.wait_ready()

    def _knows_all(self, gateway):
        try:
            return hosts.workers_at(self.processes[gateway]) == len(self.named("membership"))
        except (OSError, http.client.HTTPException, AssertionError, TypeError):  # no good answer, or no port told yet
            return False
