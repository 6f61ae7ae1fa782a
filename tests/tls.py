"""tls.py -- certificates for the tests, and a TLS connection whose every step a test can see."""

import socket
import ssl
import subprocess


class Certificate:
    """A certificate of its own for 127.0.0.1, or for `names`, and its key, in two files that the program serves."""

    def __init__(self, folder, name, give, names="IP:127.0.0.1"):
        self.certificate_file = folder / f"{name}.pem"
        self.key_file = folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.key_file, "-out", self.certificate_file, "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}"],
                       check=True, capture_output=True)
        self.key_file.chmod(0o600)
        for file in (self.key_file, self.certificate_file):
            give(file)

    @property
    def serial(self):
        done = subprocess.run(["openssl", "x509", "-noout", "-serial", "-in", self.certificate_file], check=True,
                              capture_output=True, text=True)
        return done.stdout.strip().partition("=")[2]

    def context(self):
        """What a client needs to believe it."""
        return ssl.create_default_context(cafile=self.certificate_file)


class Wire:
    """As a socket, with TLS between: what is sent and what comes goes through memory, so that nothing waits unseen. Who
    closes the socket under it without a close_notify is told from who says its end: SSLEOFError, not b""."""

    def __init__(self, sock, context, name="127.0.0.1"):
        self.sock = sock
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_hostname=name)
        self.ahead = b""  # read, and only looked at
        self._go_through(self.tls.do_handshake)

    def _flush(self):
        if self.going.pending:
            self.sock.sendall(self.going.read())

    def _go_through(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                came = self.sock.recv(65536)
                if came:
                    self.coming.write(came)
                else:
                    self.coming.write_eof()

    def sendall(self, data):
        if data:
            self._go_through(self.tls.write, data)

    def recv(self, size, flags=0):
        if not self.ahead:
            try:
                self.ahead = self._go_through(self.tls.read, size)
            except ssl.SSLZeroReturnError:
                return b""
        found = self.ahead[:size]
        if not flags & socket.MSG_PEEK:
            self.ahead = self.ahead[size:]
        return found

    def shutdown(self, how):
        """Says that no more will be sent; it can still be read."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._flush()
        self.sock.shutdown(how)

    def close(self):
        try:
            self.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.sock.close()

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
