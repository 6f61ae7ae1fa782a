"""test_mail.py -- the outbox: what a transaction wants mailed goes, to a folder or a mail server, once in effect."""

import email
import email.policy
import os
import stat

import pytest

import harness
from membership.mail_server import FROM, SUBJECT, MailServer, put, row, settings, wait_sent

WITH_SECRET = {"account_setup", "password_reset"}


@pytest.fixture(scope="module")
def server():
    with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
def campus(new_campus, server):
    """Two workers that share one outbox."""
    return new_campus(split=True, settings=settings(f"smtp://127.0.0.1:{server.port}"))


@pytest.fixture(scope="module")
def foldered(new_campus):
    cluster = harness.Cluster()
    return new_campus(cluster=cluster, settings=settings(f"file://{cluster.folder}/mail"))


@pytest.fixture(autouse=True)
def clean(server):
    server.letters.clear()
    server.answers.clear()
    server.on_letter = None


# -- what a letter is --------------------------------------------------------------------------------------------------


def letters_in(folder):
    return {file.stem: email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in folder.glob("*.eml")}


def test_every_kind_has_a_text_in_both_languages(foldered):
    kinds = [kind for (kind,) in foldered.sql("SELECT kind FROM membership.mail_kind")]
    wanted = {put(foldered, kind, locale=locale)[0]: (kind, locale) for kind in kinds for locale in ("zh", "en")}
    for mail in wanted:
        wait_sent(foldered, mail)
    letters = letters_in(foldered.folder / "mail")
    for mail, (kind, locale) in wanted.items():
        letter = letters[mail]
        assert letter["To"] == "li@example.edu.cn"
        assert letter["From"] == FROM
        assert letter["Message-ID"] == f"<{mail}@mail.example.edu.cn>"
        assert letter["Content-Language"] == locale
        assert letter["Auto-Submitted"] == "auto-generated"
        assert letter["Subject"] and not letter.defects
        assert ("https://campus.example.edu.cn/account#" in letter.get_content()) == (kind in WITH_SECRET)
    assert len({letter["Subject"] for letter in letters.values()}) == len(wanted)


def test_a_folder_has_whole_letters_that_only_its_owner_reads(foldered):
    (mail,) = put(foldered)
    wait_sent(foldered, mail)
    assert stat.S_IMODE((foldered.folder / "mail").stat().st_mode) == 0o700
    assert stat.S_IMODE((foldered.folder / f"mail/{mail}.eml").stat().st_mode) == 0o600
    assert not list((foldered.folder / "mail").glob(".*"))


def test_lines_are_short_and_end_in_crlf(foldered):
    (mail,) = put(foldered, "account_setup")
    wait_sent(foldered, mail)
    text = (foldered.folder / f"mail/{mail}.eml").read_bytes()
    assert text.replace(b"\r\n", b"").isascii() and b"\n" not in text.replace(b"\r\n", b"")
    assert max(len(line) for line in text.split(b"\r\n")) <= 78


def test_a_secret_belongs_to_its_subject(foldered):
    one, again = put(foldered, "account_setup", count=2)
    other = put(foldered, "account_setup", subject="01900000-0000-7000-8000-000000000002")[0]
    for mail in (one, again, other):
        wait_sent(foldered, mail)
    letters = letters_in(foldered.folder / "mail")
    assert letters[one].get_content() == letters[again].get_content() != letters[other].get_content()


# -- a mail server -----------------------------------------------------------------------------------------------------


def test_a_server_gets_it(campus, server):
    (mail,) = put(campus)
    wait_sent(campus, mail)
    (letter,) = server.letters
    assert letter["To"] == "li@example.edu.cn" and letter["Subject"] == "您的密码已更改"
    assert server.senders[-1] == "campus@mail.example.edu.cn" and server.recipients[-1] == "li@example.edu.cn"
    assert server.greetings[-1] == "mail.example.edu.cn"
    assert row(campus, mail, "attempts, failure, leased_until, failed_at") == ["1", None, None, None]


def test_workers_share_the_outbox(campus, server):
    mails = put(campus, count=40)
    for mail in mails:
        wait_sent(campus, mail)
    assert sorted(letter["Message-ID"] for letter in server.letters) == sorted(f"<{m}@mail.example.edu.cn>" for m in mails)


@pytest.mark.parametrize("where, answer", [("RCPT", "550 no such user"), ("DATA", "554 not wanted")])
def test_what_is_refused_for_ever_is_not_sent_again(campus, server, where, answer):
    server.answers[where] = answer
    (mail,) = put(campus, recipient="nobody@example.edu.cn")
    harness.wait_until(lambda: row(campus, mail, "failed_at")[0], "failed")
    attempts, sent, failure = row(campus, mail, "attempts, sent_at, failure")
    assert (attempts, sent) == ("1", None) and answer[:3] in failure and "nobody" not in failure


@pytest.mark.parametrize("where, answer", [("RCPT", "451 later"), ("DATA", "452 full"), ("MAIL", "550 who are you")])
def test_what_may_go_well_later_is_tried_again(campus, server, where, answer):
    server.answers[where] = answer
    (mail,) = put(campus)
    harness.wait_until(lambda: row(campus, mail, "failure")[0], "an attempt")
    attempts, failed, wait = row(campus, mail, "attempts, failed_at, next_attempt_at > campus.now()")
    assert int(attempts) >= 1 and failed is None and wait == "t"
    server.answers.clear()
    wait_sent(campus, mail)
    assert row(campus, mail, "failure")[0] is None


@pytest.mark.parametrize("recipient", ["a@b.cn\r\nBcc: spy@example.com", "a@b.cn, c@d.cn", "no address", "李@example.edu.cn",
                                       "<a@b.cn>", "a@b.cn>\r\nDATA", "a@[127.0.0.1]", "@b.cn", "a@"])
def test_what_is_no_address_gets_nothing(campus, server, recipient):
    (mail,) = put(campus, recipient=recipient)
    harness.wait_until(lambda: row(campus, mail, "failed_at")[0], "failed")
    assert row(campus, mail, "failure")[0] == "the recipient is no address" and not server.letters


def tried(campus, times):
    """A row that has been tried so often already."""
    return campus.value("INSERT INTO membership.mail (kind, recipient, subject_id, attempts) "
                        f"VALUES ('password_changed', 'a@b.cn', '{SUBJECT}', {times}) RETURNING id")


def test_the_last_attempt_is_the_last(campus, server):
    server.answers["DATA"] = "451 later"
    mail = tried(campus, 59)
    harness.wait_until(lambda: row(campus, mail, "failed_at")[0], "failed")
    attempts, failure = row(campus, mail, "attempts, failure")
    assert attempts == "60" and "451" in failure


def test_what_ends_its_workers_is_given_up(campus, server):
    mail = tried(campus, 60)
    harness.wait_until(lambda: row(campus, mail, "failed_at")[0], "failed")
    assert row(campus, mail, "failure")[0] == "given up" and not server.letters


def test_unknown_kinds_and_languages_are_refused(campus):
    with pytest.raises(harness.HarnessError, match="mail_kind_unknown"):
        put(campus, "greetings")
    with pytest.raises(harness.HarnessError, match="mail_locale_check"):
        put(campus, locale="fr")


def test_metrics_count_outcomes(campus, server):
    def sent():
        return sum(harness.sum_samples(page, "campus_jobs_total", job="mail", outcome="done") for page in pages(campus))

    def pages(campus):
        for name, process in campus.processes.items():
            if name.startswith("membership"):
                port = int(harness.re.search(r": metrics port=(\d+)", process.log())[1])
                with harness.Client("127.0.0.1", port) as client:
                    yield client.get("/metrics").expect(200).text

    before = sent()
    wait_sent(campus, put(campus)[0])
    harness.wait_until(lambda: sent() == before + 1, "counted")


# -- settings ----------------------------------------------------------------------------------------------------------


def test_without_a_place_to_go_mail_waits(new_campus):
    campus = new_campus()
    (mail,) = put(campus)
    assert campus.processes["campus"].log().count("mail waits") == 1
    with campus.client(campus.key()) as client:  # a command does not speak of it
        client.get("/v1/me").expect(200)
    assert row(campus, mail, "attempts, sent_at") == ["0", None]


@pytest.mark.parametrize("url, sender, said", [
    ("smtp://127.0.0.1", "", "mail_from"),
    ("smtp://127.0.0.1", "nobody", "mail_from"),
    ("http://127.0.0.1", FROM, "mail_url"),
    ("file:///dev/null/mail", FROM, "mail_url"),
    ("file://relative", FROM, "mail_url"),
])
def test_settings_that_cannot_work_stop_the_start(foldered, url, sender, said):
    environment = {**foldered.environment, "CAMPUS_MAIL_URL": url, "CAMPUS_MAIL_FROM": sender, "CAMPUS_LISTEN": "127.0.0.1:0",
                   "CAMPUS_BUS": f"ipc://{foldered.folder}/unused", "CAMPUS_CONTROL": ""}
    process = harness.Process("wrong", ["serve", "membership"], foldered.folder, environment).start()
    assert process.wait() == 1
    assert f"setting {said}" in process.log()


def test_a_password_file_must_be_there(foldered):
    environment = {**foldered.environment, "CAMPUS_MAIL_URL": "smtp://127.0.0.1", "CAMPUS_MAIL_USER": "campus",
                   "CAMPUS_MAIL_PASSWORD_FILE": os.devnull, "CAMPUS_BUS": f"ipc://{foldered.folder}/unused"}
    process = harness.Process("wrong", ["serve", "membership"], foldered.folder, environment).start()
    assert process.wait() == 1 and "mail_password_file" in process.log()
