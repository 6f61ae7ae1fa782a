"""hosts.py -- several hosts on one machine: network namespaces on a switch, each with an address and a hosts file of its own.

Only root may make them; see possible().
"""

import contextlib
import itertools
import os
import pathlib
import shutil
import subprocess

import harness

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
