"""hosts.py -- several hosts on one machine: network namespaces on a switch, each with an address and a hosts file of its own.

Only root may make them; see possible().
"""

import contextlib
import itertools
import os
import pathlib
import re
import shutil
import subprocess

import harness

BUS_PORT = 5555

_numbers = itertools.count(1)


def ip(*words):
    done = subprocess.run(["ip", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise harness.HarnessError(f"ip {' '.join(map(str, words))}: {done.stderr.strip()}")


def possible():
    """Whether this user, here, may make network namespaces: not in every container."""
    name = f"campus-probe-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if done.returncode:
        return False
    subprocess.run(["ip", "netns", "delete", name], check=False)
    return True


class Host:
    """A namespace with one cable to the switch. run_in is what goes before a command to run it there."""

    def __init__(self, network, number):
        self.network = network
        self.name = f"{network.name}-{number}"
        self.address = network.address_of(number)
        self.run_in = ["ip", "netns", "exec", self.name]
        self.etc = pathlib.Path("/etc/netns") / self.name
        self.etc.mkdir(parents=True)
        (self.etc / "hosts").touch()
        (self.etc / "resolv.conf").touch()  # no name server: only the hosts file
        ip("netns", "add", self.name)
        self._plug(number)

    def _plug(self, number):
        port = f"port{number}"
        ip("link", "add", "cable", "netns", self.name, "type", "veth", "peer", "name", port, "netns", self.network.name)
        ip("-n", self.network.name, "link", "set", port, "master", "switch", "up")
        ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", "cable")
        for device in ("lo", "cable"):
            ip("-n", self.name, "link", "set", device, "up")
        self.port = port

    def unplug(self):
        ip("-n", self.network.name, "link", "set", self.port, "down")

    def plug(self):
        ip("-n", self.network.name, "link", "set", self.port, "up")

    def knows(self, names):
        """Its hosts file says {name: [addresses]}; in place, since it is mounted as it is."""
        lines = (f"{address} {name}\n" for name, addresses in names.items() for address in addresses)
        text = "127.0.0.1 localhost\n" + "".join(lines)
        with (self.etc / "hosts").open("r+") as file:  # never empty meanwhile: who reads finds the old or the new
            file.write(text)
            file.truncate()

    def close(self):
        subprocess.run(["ip", "netns", "delete", self.name], check=False)
        shutil.rmtree(self.etc, ignore_errors=True)


class Network:
    """A switch, to which this machine is plugged as well, so that a test reaches the hosts by their addresses."""

    def __init__(self):
        self.number = (os.getpid() * 7 + next(_numbers)) % 250 + 1
        self.name = f"campus-{os.getpid()}-{self.number}"
        self.cable = f"campus{self.number}"
        self.count = 1  # ours is the first address
        self.hosts = contextlib.ExitStack()
        ip("netns", "add", self.name)
        self.hosts.callback(subprocess.run, ["ip", "netns", "delete", self.name], check=False)
        ip("-n", self.name, "link", "add", "switch", "type", "bridge")
        ip("-n", self.name, "link", "set", "switch", "up")
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "uplink", "netns", self.name)
        ip("-n", self.name, "link", "set", "uplink", "master", "switch", "up")
        ip("address", "add", f"{self.address_of(1)}/24", "dev", self.cable)
        ip("link", "set", self.cable, "up")

    def address_of(self, number):
        return f"198.18.{self.number}.{number}"  # kept for tests between networks (RFC 2544)

    def host(self):
        self.count += 1
        host = Host(self, self.count)
        self.hosts.callback(host.close)
        return host

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hosts.close()


class Spread(harness.Campus):
    """A campus with gateway-1 and membership-2, membership-3, each on a host of its own, between them tcp with keys; a test adds
    more, and discards them."""

    def __init__(self, network, workers=2, settings=None, **options):
        settings = {"CAMPUS_RATE_ADDRESS": "0", "CAMPUS_RATE_CONNECTIONS": "0", "CAMPUS_RATE_PRINCIPAL": "0", **(settings or {})}
        super().__init__(settings=settings, **options)
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
        process.run_in, process.address = host.run_in, host.address
        self.processes[name] = process
        self.hosts[name] = host
        return process

    def add_gateway(self):
        process = self._add(f"gateway-{next(self.numbers)}", "gateway", bus=f"tcp://*:{BUS_PORT}",
                            bus_key_file=self.keys / "gateway.secret", allowed_keys_file=self.keys / "allowed")
        process.environment["CAMPUS_LISTEN"] = f"{process.address}:8080"
        return process

    def add_worker(self, name=None, key="membership", gateway_key="gateway"):
        process = self._add(name or f"membership-{next(self.numbers)}", "membership", bus=f"tcp://gateway:{BUS_PORT}",
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


def workers_at(gateway):
    """How many workers a gateway knows, by its own word; 0 before it has said any."""
    port = re.search(r": metrics port=(\d+)", gateway.log())
    with harness.Client(gateway.address, int(port[1]), timeout=5) as client:
        text = client.get("/metrics").expect(200).text
    told = re.search(r'^campus_bus_workers\{service="membership"\} (\d+)$', text, re.M)
    return int(told[1]) if told else 0
