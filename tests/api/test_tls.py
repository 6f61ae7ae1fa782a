"""TLS: who is let in and how, what the end of a connection means, and certificates that change under load. That HTTP over it
is HTTP, test_http*.py show."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from api.wire import GET, Read, fill, read_answer, settled
from harness import give, wait_until
from load import found, lock_home, PATIENT, person, wait_blocked
from tls import Certificate, Wire

CLOSE = GET + b"Connection: close\r\n\r\n"


@pytest.fixture(scope="module")
def campus(new_campus):
    return new_campus(tls=True, settings=PATIENT)


def tcp(campus):
    return socket.create_connection(("127.0.0.1", campus.port), 10)


def context_of(campus, version=None, protocols=None):
    context = campus.certificate.context()
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would not even try
        context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


# -- who is let in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(campus, version):
    with Wire(tcp(campus), context_of(campus, version)) as wire:
        assert wire.tls.version() == version.name.replace("_", ".")
        assert "GCM" in wire.tls.cipher()[0] or "POLY1305" in wire.tls.cipher()[0]
        assert wire.tls.compression() is None
        wire.sendall(CLOSE)
        answer = Read(wire)
        assert answer.statuses == [200] and answer.closed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions(campus, version):
    with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
        Wire(tcp(campus), context_of(campus, version))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ciphers_without_forward_secrecy(campus):
    context = context_of(campus, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
        Wire(tcp(campus), context)


def test_handshakes_of_one_address(new_campus):
    """Whoever connects too often is not shaken hands with. Others are, and in time so is he."""
    campus = new_campus(tls=True, settings={"CAMPUS_RATE_HANDSHAKES": "2", "CAMPUS_RATE_BURST_S": "1"})

    def let_in(source=None):
        with socket.create_connection(("127.0.0.1", campus.port), 10, source and (source, 0)) as sock:
            try:
                wire = Wire(sock, context_of(campus))
            except OSError:
                return False
            wire.sendall(CLOSE)
            return Read(wire).statuses == [200]

    def turned_away():
        with contextlib.ExitStack() as others:  # that connect, and say nothing
            for _ in range(5):
                others.enter_context(socket.create_connection(("127.0.0.1", campus.port), 10))
            return not let_in()

    wait_until(turned_away, "turned away")
    assert let_in("127.0.0.2")
    wait_until(let_in, "let in again")


def test_protocols(campus):
    for offered, chosen in ((None, None), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1")):
        with Wire(tcp(campus), context_of(campus, protocols=offered)) as wire:
            assert wire.tls.selected_alpn_protocol() == chosen
    for offered in (["h2"], ["http/1.0"], ["h2", "http/1"]):
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            Wire(tcp(campus), context_of(campus, protocols=offered))


def test_plain_http_is_not_answered(campus):
    with tcp(campus) as sock:
        sock.sendall(CLOSE)
        answer = Read(sock)
        assert answer.data == b"" and answer.closed


def test_sessions_are_resumed(campus):
    context = context_of(campus)
    for reused in (False, True):
        with context.wrap_socket(tcp(campus), server_hostname="127.0.0.1", session=session if reused else None) as sock:
            sock.sendall(CLOSE)
            assert Read(sock).statuses == [200] and sock.session_reused == reused
            session = sock.session


def test_failed_handshakes_are_counted(campus):
    before = settled(campus, "campus_http_handshakes_failed_total")
    for data in (CLOSE, b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\xff\xff" + bytes(70000), b""):
        with tcp(campus) as sock, contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            Read(sock)
    wait_until(lambda: campus.metric("campus_http_handshakes_failed_total") == before + 4, "four more")
    assert campus.client().get("/healthz").status == 200


def test_unfinished_handshakes_end(campus):
    """In their own time, which is shorter than a header's."""
    start = time.monotonic()
    with tcp(campus) as silent, tcp(campus) as begun:
        begun.sendall(b"\x16\x03\x01\x00\xee\x01")
        for sock in (silent, begun):
            assert Read(sock).data == b""
    assert 4.5 < time.monotonic() - start < 9


# -- records, and the end ----------------------------------------------------------------------------------------------


class Recorded:
    """A socket that keeps what came on it."""

    def __init__(self, sock):
        self.sock, self.came = sock, b""

    def recv(self, size):
        part = self.sock.recv(size)
        self.came += part
        return part

    def records(self):
        """The sizes of the records of application data."""
        sizes, data = [], self.came
        while data:
            size = int.from_bytes(data[3:5], "big")
            sizes += [size] if data[0] == 23 else []
            data = data[5 + size:]
        return sizes

    def __getattr__(self, name):
        return getattr(self.sock, name)


def test_a_small_answer_is_one_record(campus):
    recorded = Recorded(tcp(campus))
    with Wire(recorded, context_of(campus, ssl.TLSVersion.TLSv1_2)) as wire:
        wire.sendall(GET + b"\r\n")
        read_answer(wire)
        assert len(recorded.records()) == 1
        wire.sendall(CLOSE)
        assert Read(wire).closed  # by a close_notify: else reading would fail
    assert len(recorded.records()) == 2


@pytest.fixture(scope="module")
def home(campus, admin):
    with campus.client(admin) as client:
        found(client, "tls")
    return "tls"


def creation_of(admin, home):
    body = json.dumps(person(home)).encode()
    head = b"POST /v1/people HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer @KEY\r\nContent-Type: application/json\r\n"
    return fill(head, admin) + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("way", ["cut", "reset"])
def test_cut_off_under_way(campus, admin, home, way):
    """An end that is not said is no end, and its request is given up, as is one whose client resets."""
    before = settled(campus, "campus_http_aborted_total")
    with lock_home(campus, home):
        with campus.client().dial() as wire:
            wire.sendall(creation_of(admin, home))
            wait_blocked(campus)
            if way == "reset":
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.sock.close()
        wait_until(lambda: campus.metric("campus_http_aborted_total") == before + 1, "one given up")
        assert campus.metric("campus_http_connections") == 0


def test_reset_behind_the_last_word(campus, admin, home):
    """Who has said the end is not read from any more; that it resets is seen all the same."""
    before = settled(campus, "campus_http_aborted_total")
    with lock_home(campus, home):
        with campus.client().dial() as wire:
            wire.sendall(creation_of(admin, home))
            wait_blocked(campus)
            wire.shutdown(socket.SHUT_WR)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            wire.sock.close()
        wait_until(lambda: campus.metric("campus_http_aborted_total") == before + 1, "one given up")


@pytest.mark.parametrize("garbage", [b"\x17\x03\x03\x00\x20" + bytes(32), b"GET / HTTP/1.1\r\n"], ids=["forged", "plain"])
def test_garbage_behind_a_request(campus, garbage):
    """It comes with a request whose answer can be sealed no more: the connection ends, and everybody else's goes on."""
    with Wire(tcp(campus), context_of(campus)) as wire:
        wire.tls.write(GET + b"\r\n")
        wire.sock.sendall(wire.going.read() + garbage)
        with pytest.raises(ssl.SSLError):
            wire.recv(1)
    assert campus.client().get("/healthz").status == 200


def test_cut_off_when_idle(campus):
    before = settled(campus, "campus_http_aborted_total")
    with campus.client().dial() as wire:
        wire.sendall(GET + b"\r\n")
        assert read_answer(wire).status == 200
        wire.sock.close()
    wait_until(lambda: campus.metric("campus_http_connections") == 0, "no connections left")
    assert campus.metric("campus_http_aborted_total") == before


def memory(campus):
    status = open(f"/proc/{campus.entrance.pid}/status", encoding="ascii").read()
    return int(status.partition("VmRSS:")[2].split()[0]) << 10


def test_memory_of_clients_that_do_not_read(campus):
    """Each asks for 200 MB, and has no more of it made than may wait; a sanitizer keeps 256 MB of what was freed."""
    clients, bound = 20, 20 << 20
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(campus.client().dial()) for _ in range(clients)]
        before = memory(campus)
        for wire in wires:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.settimeout(0.3)
            with contextlib.suppress(OSError):
                wire.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 5000)
        assert campus.client().get("/healthz").status == 200
        grown = memory(campus) - before
        print(f"{grown / clients / 1024:.0f} KiB a client")
        assert grown < clients * bound


# -- a drain -----------------------------------------------------------------------------------------------------------


def test_drain_during_a_handshake(campus):
    """Who has connected is about to ask, and is answered."""
    process = campus.entrance
    with tcp(campus) as sock:
        process.terminate()
        wait_until(lambda: " stopping " in process.log(), "stopping")
        with Wire(sock, context_of(campus)) as wire:
            wire.sendall(GET + b"\r\n")
            answer = Read(wire)
            assert answer.statuses == [200] and answer.closed
    assert process.wait() == 0
    campus.start_process("campus")


def unread(campus, sock):
    """What it has sent and the program has not read, as the kernel has it for the program's end."""
    ends = [f":{port:04X}" for port in (campus.port, sock.getsockname()[1])]
    rows = (row.split() for row in open("/proc/net/tcp", encoding="ascii"))
    return next(int(row[4].partition(":")[2], 16) for row in rows if [row[1][8:], row[2][8:]] == ends)


def test_drain_within_a_record(campus):
    """A part of a record is a request on its way, however long its client was silent before."""
    process = campus.entrance
    with Wire(tcp(campus), context_of(campus)) as wire:
        time.sleep(2.5)  # more than the moment that any client has
        wire.tls.write(GET + b"\r\n")
        record = wire.going.read()
        wire.sock.sendall(record[:20])
        wait_until(lambda: unread(campus, wire) == 0, "the part is taken")
        process.terminate()
        wait_until(lambda: " stopping " in process.log(), "stopping")
        wire.sock.sendall(record[20:])
        answer = Read(wire)
        assert answer.statuses == [200] and answer.closed
    assert process.wait() == 0
    campus.start_process("campus")


# -- certificates that change ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def others(campus):
    return [Certificate(campus.folder, f"other{i}", give) for i in range(3)]


def put(campus, certificate, key=None, readable=True):
    """Its files in place of those that are served; `key` another's; the key not `readable` to anybody."""
    for source, place in ((certificate.certificate_file, campus.certificate.certificate_file),
                          ((key or certificate).key_file, campus.certificate.key_file)):
        shutil.copy(source, f"{place}.new")
        give(f"{place}.new")
        if not readable and place == campus.certificate.key_file:
            os.chmod(f"{place}.new", 0)
        os.replace(f"{place}.new", place)


def served_serial(port, context):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="127.0.0.1") as sock:
        return sock.getpeercert()["serialNumber"]


class Load:
    """Requests without a pause, in threads: on connections that stay, and on a new one each."""

    def __init__(self, campus, context):
        self.campus, self.context = campus, context
        self.answers, self.troubles, self.over = 0, [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(stays,)) for stays in (True, True, False, False)]

    def run(self, stays):
        with self.campus.client() as client:
            client.trust = self.context
            while not self.over.is_set():
                try:
                    client.get("/version").expect(200)
                    self.answers += 1
                except (OSError, AssertionError) as trouble:
                    self.troubles.append(trouble)
                if not stays:
                    client.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_reload_under_load(campus, others):
    trust = campus.certificate.context()
    for other in others:
        trust.load_verify_locations(other.certificate_file)
    with Load(campus, trust) as load, campus.client().dial() as early:
        for other in (*others, others[0]):
            put(campus, other)
            wait_until(lambda: served_serial(campus.port, trust) == other.serial, "the new certificate")
            sofar = load.answers
            wait_until(lambda: load.answers > sofar + 50, "requests go on")
        early.sendall(CLOSE)  # with the first certificate of all
        assert Read(early).statuses == [200]
    assert load.troubles == []


def test_broken_files_change_nothing(campus, others):
    """One line in the log for each change; the good pair is taken up when it comes."""
    first, second, third = others
    trust = first.context()
    trust.load_verify_locations(third.certificate_file)
    put(campus, first)
    wait_until(lambda: served_serial(campus.port, trust) == first.serial, "the first certificate")

    def told():
        return campus.entrance.full_log().count(" the certificate stays as it was ")

    before = told()
    put(campus, second, key=third)
    wait_until(lambda: told() == before + 1, "told of keys that do not match")
    assert "setting tls_key_file: not the certificate's key" in campus.entrance.full_log()
    campus.certificate.certificate_file.write_text("no certificate")
    wait_until(lambda: told() == before + 2, "told of a file that holds nothing")
    campus.certificate.key_file.unlink()
    wait_until(lambda: told() == before + 3, "told of a file that is not there")
    assert served_serial(campus.port, trust) == first.serial
    put(campus, third)
    wait_until(lambda: served_serial(campus.port, trust) == third.serial, "the third certificate")
    assert told() == before + 3


def test_a_key_made_readable_later(campus, others):
    """Only its mode changes, and that is a change."""
    first, second, _ = others
    trust = first.context()
    trust.load_verify_locations(second.certificate_file)
    known = campus.entrance.log().count(first.serial)
    put(campus, first)
    wait_until(lambda: campus.entrance.log().count(first.serial) > known, "the first certificate")
    put(campus, second, readable=False)
    wait_until(lambda: "tls_key_file: may not be read" in campus.entrance.log(), "told of a key that may not be read")
    assert served_serial(campus.port, trust) == first.serial
    campus.certificate.key_file.chmod(0o600)
    wait_until(lambda: served_serial(campus.port, trust) == second.serial, "the second certificate")


# -- the start ---------------------------------------------------------------------------------------------------------


def start(campus, certificate_file, key_file):
    return campus.run("serve", "gateway", f"--tls_certificate_file={certificate_file}", f"--tls_key_file={key_file}",
                      "--listen=127.0.0.1:0", check=False)


def test_the_scheme_is_told(campus):
    assert f"url=https://127.0.0.1:{campus.port}" in campus.entrance.log()


def expired(folder):
    """A certificate of last year, which only an authority can make."""
    files = {"policy": "[p]\ncommonName=supplied\n[c]\ndatabase=index\nserial=serial\nnew_certs_dir=.\npolicy=p\n"
                       "default_md=sha256\n[ca]\ndefault_ca=c\n", "index": "", "serial": "01"}
    for name, text in files.items():
        (folder / name).write_text(text)
    for command in ("req -new -newkey rsa:2048 -nodes -keyout old.key -out old.csr -subj /CN=old",
                    "ca -batch -config policy -selfsign -keyfile old.key -in old.csr -out old.pem -notext "
                    "-startdate 20250101000000Z -enddate 20250201000000Z"):
        subprocess.run(["openssl", *command.split()], check=True, capture_output=True, cwd=folder)
    give(folder / "old.key")
    return folder / "old.pem", folder / "old.key"


def test_files_that_stop_the_start(campus, others):
    first, second, _ = others
    strange = campus.folder / "strange.pem"
    strange.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    hidden = campus.folder / "hidden.pem"
    shutil.copy(first.key_file, hidden)
    hidden.chmod(0)
    locked = campus.folder / "locked.key"
    for command in (["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", first.key_file, "-out", locked],
                    ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", campus.folder / "rsa.key",
                     "-out", campus.folder / "rsa.pem", "-subj", "/CN=x"]):
        subprocess.run(command, check=True, capture_output=True)
    for file in (strange, hidden, locked, campus.folder / "rsa.key", campus.folder / "rsa.pem"):
        give(file)
    for certificate_file, key_file, reason in (
            ("", first.key_file, "tls_certificate_file: is needed beside tls_key_file"),
            (first.certificate_file, "", "tls_key_file: is needed beside tls_certificate_file"),
            ("/no/such", first.key_file, "tls_certificate_file: there is no such file"),
            (first.certificate_file, "/no/such", "tls_key_file: there is no such file"),
            (first.certificate_file, hidden, "tls_key_file: may not be read"),
            (campus.folder, first.key_file, "tls_certificate_file: is not a file of sensible size"),
            (strange, first.key_file, "tls_certificate_file: holds no usable PEM certificate"),
            (first.key_file, first.key_file, "tls_certificate_file: holds no usable PEM certificate"),
            (first.certificate_file, first.certificate_file, "tls_key_file: holds no usable PEM private key"),
            (first.certificate_file, locked, "tls_key_file: holds no usable PEM private key without a passphrase"),
            (first.certificate_file, second.key_file, "tls_key_file: not the certificate's key"),
            (first.certificate_file, campus.folder / "rsa.key", "tls_key_file: not the certificate's key"),
            (*expired(campus.folder), "tls_certificate_file: the certificate has expired")):
        done = start(campus, certificate_file, key_file)
        assert done.returncode == 1 and f'cannot start reason="setting {reason}' in done.stderr, (reason, done.stderr)


def test_a_key_that_others_may_read(campus, others):
    assert " mode=" not in campus.entrance.log()
    others[1].key_file.chmod(0o640)
    put(campus, others[1])
    wait_until(lambda: "may use the file of tls_key_file mode=640" in campus.entrance.log(), "a warning")
