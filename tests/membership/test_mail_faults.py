"""test_mail_faults.py -- the outbox when servers, workers and the database go away, and over TLS."""

import threading
import time

import pytest

import harness
import tls
from membership.mail_server import MailServer, put, row, settings, wait_sent

# -- when things break -------------------------------------------------------------------------------------------------


def shift(campus, interval):
    campus.sql(f"UPDATE campus.clock SET shift = shift + interval '{interval}'")


def test_a_server_that_is_down_gets_it_when_it_is_up(new_campus):
    with MailServer() as first:
        port = first.port
    campus = new_campus(settings=settings(f"smtp://127.0.0.1:{port}"))
    mails = put(campus, count=3)
    harness.wait_until(lambda: all(row(campus, mail, "failure")[0] for mail in mails), "an attempt each")
    assert all("connect" in row(campus, mail, "failure")[0].lower() for mail in mails)
    with MailServer(port) as server:
        shift(campus, "1 hour")
        for mail in mails:
            wait_sent(campus, mail)
        assert len(server.letters) == 3
        # It goes and comes back under a connection that was kept.
    with MailServer(port) as server:
        wait_sent(campus, put(campus)[0])
        assert len(server.letters) == 1


def test_a_worker_killed_before_its_note_sends_at_most_once_more(new_campus):
    with MailServer() as server:
        campus = new_campus(settings=settings(f"smtp://127.0.0.1:{server.port}"))
        killed = threading.Event()

        def kill(_letter):
            server.on_letter = None
            campus.processes["campus"].kill()
            killed.set()

        server.on_letter = kill
        (mail,) = put(campus)
        assert killed.wait(15)
        campus.start_process("campus")
        assert row(campus, mail, "attempts, sent_at, leased_until > campus.now()") == ["1", None, "t"]
        other = put(campus)[0]
        wait_sent(campus, other)  # the leased one holds nobody up, and is left alone
        assert len(server.letters) == 2
        shift(campus, "3 minutes")
        wait_sent(campus, mail)
        ids = [letter["Message-ID"] for letter in server.letters]
        assert ids.count(f"<{mail}@mail.example.edu.cn>") == 2 and len(ids) == 3
        twice = [letter.as_bytes() for letter in server.letters if letter["Message-ID"].startswith(f"<{mail}")]
        assert twice[0] == twice[1]


def test_a_database_that_is_away_learns_of_it_later(new_campus):
    with MailServer() as server:
        campus = new_campus(settings=settings(f"smtp://127.0.0.1:{server.port}"))
        crashed = threading.Event()

        def crash(_letter):
            campus.cluster.crash()
            crashed.set()

        server.on_letter = crash
        (mail,) = put(campus)
        assert crashed.wait(15)
        campus.cluster.start()
        wait_sent(campus, mail, 30)
        assert len(server.letters) == 1 and row(campus, mail, "attempts")[0] == "1"


def test_a_stop_does_not_wait_for_a_silent_server(new_campus):
    with MailServer() as server:
        let_go = threading.Event()
        campus = new_campus(settings=settings(f"smtp://127.0.0.1:{server.port}", CAMPUS_DRAIN_MS="300"))
        server.on_letter = lambda _letter: let_go.wait(20)
        (mail,) = put(campus)
        server.wait(1)
        begun = time.monotonic()
        campus.processes["campus"].stop()
        assert time.monotonic() - begun < 8
        let_go.set()
        assert row(campus, mail, "sent_at, failed_at, failure") == [None, None, None]


def test_a_stop_waits_for_what_is_nearly_sent(new_campus):
    with MailServer() as server:
        campus = new_campus(settings=settings(f"smtp://127.0.0.1:{server.port}"))
        stopping = threading.Event()

        def stop(_letter):
            campus.processes["campus"].terminate()
            stopping.set()
            harness.wait_until(lambda: " stopping " in campus.processes["campus"].log(), "stopping")

        server.on_letter = stop
        (mail,) = put(campus)
        assert stopping.wait(15)
        assert campus.processes["campus"].wait() == 0
        assert row(campus, mail, "sent_at IS NOT NULL")[0] == "t"


def test_addresses_are_forgotten(new_campus):
    campus = new_campus(settings=settings("smtp://127.0.0.1:1"))
    campus.processes["campus"].stop()
    fresh, month, failed, year = (put(campus)[0] for _ in range(4))
    campus.sql("UPDATE membership.mail SET sent_at = CASE id "
               f"WHEN '{fresh}' THEN campus.now() WHEN '{month}' THEN campus.now() - interval '31 days' "
               f"WHEN '{year}' THEN campus.now() - interval '400 days' END, "
               f"failed_at = CASE WHEN id = '{failed}' THEN campus.now() - interval '31 days' END")
    campus.start_process("campus")
    harness.wait_until(lambda: not campus.sql(f"SELECT FROM membership.mail WHERE id = '{year}'"), "the old one is gone")
    harness.wait_until(lambda: row(campus, month, "recipient")[0] is None, "blanked")
    assert row(campus, failed, "recipient")[0] is None
    assert row(campus, fresh, "recipient")[0] == "li@example.edu.cn"


# -- TLS and sign-in ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate():
    return tls.Certificate(harness.new_folder(), "mail", harness.give, "DNS:mail.localhost,IP:127.0.0.1")


def secured(certificate, url):
    password = certificate.key_file.with_name("password")
    password.write_text("correct horse\n")
    harness.give(password)
    return settings(url, CAMPUS_MAIL_USER="campus", CAMPUS_MAIL_PASSWORD_FILE=str(password),
                    CAMPUS_AUTHORITIES_FILE=str(certificate.certificate_file))


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # with TLS from the first byte there is no STARTTLS to require
@pytest.mark.parametrize("implicit", [False, True], ids=["starttls", "smtps"])
def test_a_password_goes_over_tls(new_campus, certificate, implicit):
    with MailServer(certificate=certificate, implicit_tls=implicit, user=("campus", "correct horse")) as server:
        scheme = "smtps" if implicit else "smtp"
        campus = new_campus(settings=secured(certificate, f"{scheme}://mail.localhost:{server.port}"))
        (mail,) = put(campus)
        wait_sent(campus, mail)
        assert len(server.letters) == 1


def test_without_tls_nothing_goes_to_another_host(new_campus, certificate):
    with MailServer() as server:
        campus = new_campus(settings=secured(certificate, f"smtp://mail.localhost:{server.port}"))
        (mail,) = put(campus)
        harness.wait_until(lambda: row(campus, mail, "failure")[0], "an attempt")
        assert not server.letters and not server.senders


def test_a_certificate_of_another_is_not_believed(new_campus, certificate):
    other = tls.Certificate(harness.new_folder(), "other", harness.give, "DNS:mail.localhost")
    with MailServer(certificate=other) as server:
        campus = new_campus(settings=secured(certificate, f"smtp://mail.localhost:{server.port}"))
        (mail,) = put(campus)
        harness.wait_until(lambda: row(campus, mail, "failure")[0], "an attempt")
        assert not server.letters and not server.senders
