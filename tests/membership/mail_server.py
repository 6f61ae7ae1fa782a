"""mail_server.py -- rows of the outbox, and a real mail server on a free port: what it was given, and what it shall answer."""

import asyncio
import email
import email.policy
import ssl
import threading

import aiosmtpd.smtp
import harness

SUBJECT = "01900000-0000-7000-8000-000000000001"
FROM = "学生组织 <campus@mail.example.edu.cn>"


def put(campus, kind="password_changed", recipient="li@example.edu.cn", locale="zh", count=1,
        subject=SUBJECT):
    """Rows of the outbox, as a transaction of the service makes them; their ids."""
    rows = campus.sql(f"INSERT INTO membership.mail (kind, recipient, locale, subject_id) SELECT '{kind}', $r${recipient}$r$, "
                      f"'{locale}', '{subject}' FROM generate_series(1, {count}) RETURNING id", role="campus_membership")
    return [row[0] for row in rows]


def row(campus, mail, columns):
    return campus.sql(f"SELECT {columns} FROM membership.mail WHERE id = '{mail}'")[0]


def wait_sent(campus, mail, seconds=15):
    harness.wait_until(lambda: row(campus, mail, "sent_at")[0], "sent", seconds)


def settings(url, **more):
    return {"CAMPUS_MAIL_URL": url, "CAMPUS_MAIL_FROM": FROM,
            "CAMPUS_ACCOUNT_URL": "https://campus.example.edu.cn/account#", **more}


class MailServer:
    """Keeps what it takes in `letters`. `answers` has what it says in place of 250: {"RCPT": "550 nobody here"}. `on_letter`
    is called with a letter before it is answered."""

    def __init__(self, port=0, certificate=None, implicit_tls=False, user=None, address="127.0.0.1"):
        self.address, self.port = address, port
        self.letters, self.senders, self.recipients, self.greetings = [], [], [], []
        self.answers = {}
        self.on_letter = None
        self.user = user
        self.certificate, self.implicit_tls = certificate, implicit_tls
        self.loop = asyncio.new_event_loop()
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _tls(self):
        if not self.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.certificate_file, self.certificate.key_file)
        return context

    def _session(self):
        starttls = None if self.implicit_tls else self._tls()
        return aiosmtpd.smtp.SMTP(self, hostname="mail.test", loop=self.loop, tls_context=starttls,
                                  require_starttls=starttls is not None, auth_required=self.user is not None,
                                  auth_require_tls=not self.implicit_tls, authenticator=self._knows)

    def _knows(self, _server, _session, _envelope, _mechanism, data):
        return aiosmtpd.smtp.AuthResult(success=(data.login.decode(), data.password.decode()) == self.user)

    def _serve(self):
        asyncio.set_event_loop(self.loop)
        tls = self._tls() if self.implicit_tls else None
        self.server = self.loop.run_until_complete(
            self.loop.create_server(self._session, self.address, self.port, ssl=tls, reuse_address=True))
        self.port = self.server.sockets[0].getsockname()[1]
        self.started.set()
        self.loop.run_forever()

    # What aiosmtpd asks

    async def handle_EHLO(self, _server, session, _envelope, hostname, responses):
        session.host_name = hostname
        self.greetings.append(hostname)
        return responses

    async def handle_MAIL(self, _server, _session, envelope, address, _options):
        self.senders.append(address)
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        self.recipients.append(address)
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append(letter)
        if self.on_letter:
            await asyncio.get_running_loop().run_in_executor(None, self.on_letter, letter)
        return self.answers.get("DATA", "250 OK")

    def wait(self, count, seconds=15):
        harness.wait_until(lambda: len(self.letters) >= count, f"{count} letters", seconds)
        return self.letters

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
