"""A campus spread over hosts: gateways and workers in network namespaces, between them tcp with keys."""

import itertools

import pytest

import harness
from hosts import Network, possible

PORT = 5555


class Spread(harness.Campus):
    """gateway-1 and membership-1, membership-2, each on a host of its own; a test adds more, and discards them."""

    def __init__(self, network, workers=2):
        super().__init__(settings={"CAMPUS_RATE_ADDRESS": "0", "CAMPUS_RATE_CONNECTIONS": "0", "CAMPUS_RATE_PRINCIPAL": "0"})
        self.network = network
        self.keys = harness.new_folder()
        self.numbers = itertools.count(1)
        self.hosts = {}  # by process
        self.processes = {}
        self.make_keys("gateway")
        self.make_keys("membership", "membership")
        self.entrance = self.add_gateway()
        self.address = self.entrance.address
        for _ in range(workers):
            self.add_worker()
        self.know_gateways()

    def make_keys(self, name, serves=None):
        """`campus keys new`, in the folder of keys."""
        serves = [f"--serves={serves}"] if serves else []
        self.run("keys", "new", name, f"--folder={self.keys}", *serves)

    def _add(self, name, role, **settings):
        host = self.network.host()
        environment = {**self.environment, "CAMPUS_METRICS_LISTEN": f"{host.address}:0",
                       **{f"CAMPUS_{key.upper()}": str(value) for key, value in settings.items()}}
        process = harness.Process(name, ["serve", role], self.folder, environment)
        process.run_in = host.run_in
        self.processes[name] = process
        self.hosts[name] = host
        return process

    def add_gateway(self):
        process = self._add(f"gateway-{next(self.numbers)}", "gateway", bus=f"tcp://*:{PORT}",
                            bus_key_file=self.keys / "gateway.secret", allowed_keys_file=self.keys / "allowed")
        process.address = self.hosts[process.name].address
        process.environment["CAMPUS_LISTEN"] = f"{process.address}:8080"
        return process

    def add_worker(self, name=None, key="membership", gateway_key="gateway"):
        process = self._add(name or f"membership-{next(self.numbers)}", "membership", bus=f"tcp://gateway:{PORT}",
                            bus_key_file=self.keys / f"{key}.secret", resolve_ms=200,
                            gateway_key_file=self.keys / f"{gateway_key}.public")
        self.know_gateways()
        return process

    def discard(self, process):
        """Ends a process that a test has added."""
        process.stop()
        self.processes.pop(process.name)
        self.hosts.pop(process.name)

    def know_gateways(self, *gateways):
        """What the name `gateway` stands for on every host: these, or all."""
        known = gateways or [process for name, process in self.processes.items() if name.startswith("gateway-")]
        for host in self.hosts.values():
            host.knows({"gateway": [process.address for process in known]})


@pytest.fixture(scope="session")
def network():
    if not possible():
        pytest.skip("network namespaces cannot be made here")
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def spread(network):
    with Spread(network) as spread:
        yield spread
