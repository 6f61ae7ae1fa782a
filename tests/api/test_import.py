"""The import of people: a roster as CSV, a result for each line, safe to run twice."""

import csv
import io
import pathlib
import re
import threading

import pytest

from api.given import UUID, check_problem, committee, new_key, new_label, new_number, organisation, person
from harness import wait_until

IMPORT = "/v1/people:import"


def send(client, text, query=None, type="text/csv", **more):
    return client.request("POST", IMPORT, raw=text if isinstance(text, bytes) else text.encode(), type=type, query=query, **more)


def imported(client, text, **query):
    """The reply to a roster that is taken, its counts checked against its rows."""
    reply = send(client, text, query).expect(200).json()
    outcomes = [row["outcome"] for row in reply.get("rows", [])]
    for outcome in ("created", "updated", "unchanged", "refused"):
        assert reply[outcome] == outcomes.count(outcome), reply
    return reply


def outcomes(reply):
    """(line, outcome, code, field) of each row."""
    return [(row["line"], row["outcome"], row.get("code"), row.get("field")) for row in reply.get("rows", [])]


def found(client, number):
    """The person with a student number, or None."""
    people = client.get("/v1/people", query={"q": number}).expect(200).json().get("people", [])
    return next((one for one in people if one["student_number"] == number), None)


@pytest.fixture(scope="module")
def campus(new_campus):
    """With patience for locks, so that a test may hold one while the machine is busy."""
    return new_campus(settings={"CAMPUS_LOCK_MS": "20000"})


@pytest.fixture(scope="module")
def home(campus, admin):
    with campus.client(admin) as client:
        return committee(client)


@pytest.fixture(scope="module")
def colleges(campus, admin):
    """A university with two colleges: {title: path}."""
    with campus.client(admin) as client:
        top = organisation(client, new_label("n"), "university")["path"]
        made = {title: f"{top}.{label}" for title, label in (("信息学院", "info"), ("外国语学院", "languages"))}
        for title, path in made.items():
            organisation(client, path, "college", title=title)
        return made


# -- what is understood ------------------------------------------------------------------------------------------------


def test_chinese_headers(client, colleges):
    number = new_number()
    text = ("学号,姓名,拼音,学院,年级,班级,状态,邮箱,手机号\n"
            f"{number},张三,Zhang San,信息学院,2024级,计科2401,在读,z@example.org,+86 138 0013 8000\n")
    reply = imported(client, text)
    assert outcomes(reply) == [(2, "created", None, None)]
    one = found(client, number)
    assert UUID.fullmatch(reply["rows"][0]["id"]) and reply["rows"][0]["id"] == one["id"]
    expected = {"student_number": number, "name": "张三", "latin_name": "Zhang San", "home": colleges["信息学院"],
                "grade": 2024, "class_name": "计科2401", "status": "active", "email": "z@example.org",
                "version": 1}
    assert {name: one.get(name) for name in expected} == expected and "phone" not in one
    told = client.post(f"/v1/people/{one['id']}/sensitive:read", {"fields": ["phone"], "read_reason": "a test"}).expect(200)
    assert told.json()["phone"] == "+86 138 0013 8000"


@pytest.mark.parametrize("header", ["student_number,name,home", "Student Number, Name ,HOME", "STUDENT-NUMBER,full name,college",
                                    "student id,姓名,院系", "studentno,Full_Name,所在学院", "home,x,name,y,student_number"])
def test_headers_in_any_order_and_case(client, home, header):
    number, cells = new_number(), {}
    columns = [column.strip().lower() for column in header.split(",")]
    for column in columns:
        cells[column] = (number if column.startswith("student") else "李四" if "name" in column or column == "姓名"
                         else home if column in ("home", "college", "院系", "所在学院") else "aside")
    imported(client, f"{header}\r\n{','.join(cells[column] for column in columns)}\r\n")
    assert found(client, number)["name"] == "李四"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_byte_order_mark_and_line_ends(client, home, mark, ending):
    numbers = [new_number(), new_number()]
    lines = ["学号,姓名,学院", f'{numbers[0]},"王, 五",{home}', "", f'"{numbers[1]}","赵 ""六""",{home}']
    for last in ("", ending):
        reply = imported(client, mark + (ending.join(lines) + last).encode())
    assert outcomes(reply) == [(2, "unchanged", None, None), (4, "unchanged", None, None)]
    assert [found(client, number)["name"] for number in numbers] == ["王, 五", '赵 "六"']


def test_lines_are_counted_where_rows_begin(client, home):
    """A quoted cell may hold line ends; what it says is refused, and the next row is told by its own line."""
    text = f'学号,姓名,学院\n{new_number()},"两\n行",{home}\n\n{new_number()},一行,{home}\n'
    assert outcomes(imported(client, text)) == [(2, "refused", "bad_text", "name"), (5, "created", None, None)]


def test_mapping(client, home):
    number = new_number()
    text = f"登记号,全名=,备注,姓名\n{number},真名,甲,假名\n"
    reply = imported(client, text, mapping=["登记号=student_number", "全名==name", "姓名=class_name"], home=home)
    assert outcomes(reply) == [(2, "created", None, None)]
    one = found(client, number)
    assert one["name"] == "真名" and one["class_name"] == "假名" and one["home"] == home


def test_home_by_default_is_for_new_people(client, home):
    old = person(client, home)
    other = committee(client)
    numbers = [old["student_number"], new_number()]
    reply = imported(client, f"学号,姓名\n{numbers[0]},李雷\n{numbers[1]},韩梅\n", home=other)
    assert [row["outcome"] for row in reply["rows"]] == ["unchanged", "created"]
    assert [found(client, number)["home"] for number in numbers] == [home, other]


def test_empty_cells_say_nothing(client, home):
    one = person(client, home, email="a@example.org", grade=2023, latin_name="Li Lei")
    number = one["student_number"]
    assert outcomes(imported(client, f"学号,姓名,邮箱,年级,拼音\n{number},,  ,,\n")) == [(2, "unchanged", None, None)]
    assert outcomes(imported(client, f"学号,年级\n{number},2024\n")) == [(2, "updated", None, None)]
    now = found(client, number)
    assert (now["email"], now["grade"], now["latin_name"], now["version"]) == ("a@example.org", 2024, "Li Lei", 2)


def test_words_for_status_and_grade(client, home):
    words = [("在读", "active"), ("休学", "on_leave"), ("毕业", "graduated"), ("退学", "left"), ("on_leave", "on_leave")]
    numbers = [new_number() for _ in words]
    lines = [f"{number},甲,{home},{word},{grade}" for number, (word, _), grade
             in zip(numbers, words, ["2020级", "2020", "1950", "2100", "2024级"])]
    reply = imported(client, "学号,姓名,学院,学籍状态,入学年份\n" + "\n".join(lines))
    assert reply["created"] == len(words)
    assert [found(client, number)["status"] for number in numbers] == [status for _, status in words]


def test_a_person_may_move(client, colleges):
    one = person(client, colleges["信息学院"])
    reply = imported(client, f"学号,学院\n{one['student_number']},外国语学院\n")
    assert reply["updated"] == 1 and found(client, one["student_number"])["home"] == colleges["外国语学院"]


# -- what spreadsheets write -------------------------------------------------------------------------------------------

SAVED_AS = [  # Python's codec, mark, separator; encoding and separator as they are told
    ("utf-8", b"", ",", "utf_8", "comma"),
    ("utf-8", b"\xef\xbb\xbf", ",", "utf_8", "comma"),          # Excel: CSV UTF-8
    ("gbk", b"", ",", "gb18030", "comma"),                       # Excel and WPS in Chinese: CSV
    ("gbk", b"", ";", "gb18030", "semicolon"),
    ("gb18030", b"\x84\x31\x95\x33", ",", "gb18030", "comma"),
    ("utf-16-le", b"\xff\xfe", "\t", "utf_16le", "tab"),        # Excel: Unicode Text
    ("utf-16-be", b"\xfe\xff", "\t", "utf_16be", "tab"),
]


@pytest.mark.parametrize("codec, mark, separator, encoding, told", SAVED_AS,
                         ids=lambda value: value if isinstance(value, str) and value.isidentifier() else "")
def test_what_a_spreadsheet_saves(client, colleges, codec, mark, separator, encoding, told):
    """A title, a header with hints, empty columns and empty rows: told alike in a dry run, in earnest, and once more."""
    numbers = [new_number() for _ in range(2)]
    rows = [["2026级新生名单", "", "", "", "", ""], ["学号（必填）", "姓名*", "学　院", "年级", "", ""],
            [f'="{numbers[0]}"', "艾力·买买提", "信息学院", "２０２６级", "", ""],
            [f'"\t\'{numbers[1]}"', '"王,五;六\n"', "　外国语学院　", "2026.0", "", ""]] + [[""] * 6] * 3
    file = mark + ("\r\n".join(separator.join(row) for row in rows) + "\r\n").encode(codec)
    for dry_run in ("true", "false"):
        reply = imported(client, file, dry_run=dry_run)
        assert outcomes(reply) == [(3, "created", None, None), (4, "created", None, None)]
        assert (reply["encoding"], reply["separator"]) == (encoding, told)
    assert imported(client, file)["unchanged"] == 2
    people = [found(client, number) for number in numbers]
    assert [one["name"] for one in people] == ["艾力·买买提", "王,五;六"]
    assert [one["home"] for one in people] == list(colleges.values()) and {one["grade"] for one in people} == {2026}


@pytest.mark.parametrize("name", ["王喆", "朱镕基", "刘〇", "王䶮", "卢𬭎"])
def test_rare_characters(client, home, name):
    number = new_number()
    reply = imported(client, f"学号,姓名,学院\r\n{number},{name},{home}\r\n".encode("gb18030"))
    assert reply["encoding"] == "gb18030" and found(client, number)["name"] == name


def test_separator_declared(client, home):
    number = new_number()
    reply = imported(client, f"sep=;\r\n学号;姓名;学院;备注\r\n{number};甲;{home};a,b,c,d,e\r\n")
    assert outcomes(reply) == [(3, "created", None, None)] and reply["separator"] == "semicolon"


def test_encoding_is_told_again(client, home):
    """By the stored answer, which holds no row of the file."""
    file, key = f"学号,姓名,学院\n{new_number()},甲,{home}\n".encode("gbk"), {"Idempotency-Key": new_label("import-")}
    first, again = (send(client, file, headers=key).expect(200) for _ in range(2))
    assert again.headers["Idempotent-Replayed"] == "true" and again.json() == first.json()
    assert again.json()["encoding"] == "gb18030"


def test_what_a_spreadsheet_has_spoilt(client, home):
    rows = [("2.02699E+09", "甲", "", "number_in_scientific_notation", "student_number"),
            (new_number(), "甲", "1.38001E+10", "number_in_scientific_notation", "phone"),
            ("#N/A", "甲", "", "spreadsheet_error", "student_number"),
            (new_number(), "#REF!", "", "spreadsheet_error", "name"),
            ("########", "甲", "", "spreadsheet_error", "student_number"),
            (new_number(), "王?", "", "character_lost", "name")]
    text = "学号,姓名,手机,学院\r\n" + "".join(f"{number},{name},{phone},{home}\r\n" for number, name, phone, *_ in rows)
    assert outcomes(imported(client, text.encode("gbk"))) == [
        (2 + i, "refused", code, field) for i, (*_, code, field) in enumerate(rows)]
    # In UTF-8 a question mark is one: nothing is lost on the way there.
    assert [row["outcome"] for row in imported(client, text)["rows"]] == ["refused"] * 5 + ["created"]


@pytest.mark.parametrize("damage", [
    lambda file: file[:-4], lambda file: file.replace("三".encode(), "三".encode()[:2]),
    lambda file: file + "2,李四\n".encode("gbk")], ids=["cut off", "a byte lost", "a line of GBK"])
def test_damaged_utf8_is_no_gbk(client, damage):
    """Most of such files would be valid GB 18030, and names of nonsense."""
    problem = check_problem(send(client, damage("学号,姓名\n1,张三\n2,李四".encode())), 422, "unknown_charset",
                            {"file": "unknown_charset"})
    assert "line 2" in problem["detail"] or "line 3" in problem["detail"]


def test_line_of_a_broken_quote(client):
    """Where its row begins: the end of the file is no help."""
    problem = check_problem(send(client, '学号,姓名\n1,甲\n2,"乙\n3,丙\n4,丁\n'), 422, "bad_csv", {"file": "bad_csv"})
    assert "line 3" in problem["detail"]


def test_gbk_cut_off(client):
    problem = check_problem(send(client, "学号,姓名\n1,张三\n2,李四".encode("gbk")[:-1]), 422, "unknown_charset")
    assert "line 3" in problem["detail"] and problem["next_step"]
    problem = send(client, b"\xff\n", headers={"Accept-Language": "zh"}).expect(422).json()
    assert "第 1 行" in problem["detail"]


def peak_mib(campus):
    """The most memory that the program has had so far."""
    status = pathlib.Path(f"/proc/{campus.entrance.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def test_large_import_holds_nobody_up(new_campus):
    """While the only worker reads a file of many rows it answers others, and the gateway does not take it for silent."""
    campus = new_campus(split=True, workers=1, settings={"CAMPUS_RATE_PRINCIPAL": "0", "CAMPUS_RATE_ADDRESS": "0"})
    replies, key = [], campus.key()

    def send_file():
        with campus.client(key) as sender:
            sender.timeout = 120
            replies.append(send(sender, text, {"dry_run": "true"}))

    with campus.client(key) as client:
        home = committee(client)
        cells = f"张三李四王五,{home},2024,计科2401,+86 138 0013 8000,{'备注' * 10}"
        text = "学号,姓名,学院,年级,班级,电话,备注\r\n" + "".join(f"{new_label('H')},{cells}\r\n" for _ in range(50000))
        sender = threading.Thread(target=send_file)
        sender.start()
        while sender.is_alive():
            client.get(f"/v1/organisations/{home}").expect(200)
        sender.join()
    assert replies[0].expect(200).json()["created"] == 50000


def test_large_in_gbk(campus, client, home):
    """Near the limit a file in GBK takes what one in UTF-8 takes, and besides its own size doubled once."""
    def file(rows, codec):
        lines = "".join(f"{new_label('L')},{'学生' * 20},{home},{'备注' * 40}\r\n" for _ in range(rows))
        return f"学号,姓名,学院,备注\r\n{lines}".encode(codec)

    peaks = []
    for rows, codec, encoding in ((21000, "utf-8", "utf_8"), (31500, "gbk", "gb18030")):
        content = file(rows, codec)
        assert 7 << 20 < len(content) < 8 << 20
        reply = imported(client, content, dry_run="true")
        assert reply["created"] == rows and reply["encoding"] == encoding
        peaks.append(peak_mib(campus))
    assert peaks[1] < 2 * peaks[0] + 16  # a sanitizer keeps what was freed for a while


# -- what is refused, row by row ---------------------------------------------------------------------------------------


def test_bad_rows_among_good_ones(client, home, colleges):
    good = [new_number() for _ in range(3)]
    top = next(iter(colleges.values())).split(".")[0]
    organisation(client, f"{top}.twin1", "college", title=f"双名 {top}")
    organisation(client, f"{top}.twin2", "college", title=f"双名 {top}")
    rows = [
        (f"{good[0]},甲,{home},2024,,,,", "created", None, None),
        (f",乙,{home},2024,,,,", "refused", "required", "student_number"),
        (f"{new_number()},,{home},2024,,,,", "refused", "required", "name"),
        (f"{new_number()},丙,,2024,,,,", "refused", "required", "home"),
        (f"{new_number()},丙,no.such,2024,,,,", "refused", "home_unknown", "home"),
        (f"{new_number()},丙,无此学院,2024,,,,", "refused", "home_unknown", "home"),
        (f"{new_number()},丙,双名 {top},2024,,,,", "refused", "home_unknown", "home"),
        (f"bad number,丁,{home},2024,,,,", "refused", "bad_format", "student_number"),
        (f"{new_number()},{'名' * 101},{home},2024,,,,", "refused", "too_long", "name"),
        (f"{new_number()},戊\x01,{home},2024,,,,", "refused", "bad_text", "name"),
        (f"{new_number()},Jose\u0301,{home},2024,,,,", "refused", "bad_text", "name"),
        (f"{new_number()},己,{home},二零,,,,", "refused", "wrong_type", "grade"),
        (f"{new_number()},己,{home},1949,,,,", "refused", "out_of_range", "grade"),
        (f"{new_number()},己,{home},20240,,,,", "refused", "wrong_type", "grade"),
        (f"{new_number()},庚,{home},2024,,在看,,", "refused", "wrong_type", "status"),
        (f"{new_number()},辛,{home},2024,,,no address,", "refused", "bad_format", "email"),
        (f"{new_number()},壬,{home},2024,,,,letters", "refused", "bad_format", "phone"),
        (f"{good[1]},癸,{home}", "created", None, None),
        (f"{good[0]},甲,{home},2024,,,,", "refused", "twice_in_file", "student_number"),
        (f"{good[2]},子,{home},2024,,,,,more,cells", "created", None, None),
    ]
    text = "学号,姓名,学院,年级,班级,状态,邮箱,电话\n" + "\n".join(row[0] for row in rows) + "\n"
    reply = imported(client, text)
    assert outcomes(reply) == [(2 + i, *row[1:]) for i, row in enumerate(rows)]
    assert all(("id" in row) == (row["outcome"] != "refused") for row in reply["rows"])
    assert all(found(client, number) for number in good)
    again = imported(client, text)
    assert [row["outcome"] for row in again["rows"]] == ["unchanged" if row[1] == "created" else "refused" for row in rows]


def test_dry_run_changes_nothing(client, home):
    one, new = person(client, home), new_number()
    text = f"学号,姓名,学院\n{one['student_number']},改名,{home}\n{new},新人,{home}\n,无号,\n"
    reply = imported(client, text, dry_run="true")
    assert [row["outcome"] for row in reply["rows"]] == ["updated", "created", "refused"]
    assert "id" not in reply["rows"][1]
    assert found(client, new) is None and found(client, one["student_number"])["name"] == one["name"]
    assert imported(client, text, dry_run="false")["created"] == 1


def test_run_twice(client, home):
    text = "学号,姓名,学院,年级\n" + "".join(f"{new_number()},学生{i},{home},2024\n" for i in range(50))
    first, second = imported(client, text), imported(client, text)
    assert first["created"] == 50 and second["unchanged"] == 50
    assert [row["id"] for row in first["rows"]] == [row["id"] for row in second["rows"]]


def test_same_idempotency_key(client, home):
    """The answer is told again; with another file, or another parameter, it is another request."""
    text, key = f"学号,姓名,学院\n{new_number()},甲,{home}\n", {"Idempotency-Key": new_label("import-")}
    first = send(client, text, headers=key).expect(200)
    again = send(client, text, headers=key).expect(200)
    assert first.json() == again.json() and again.json()["created"] == 1
    assert again.headers["Idempotent-Replayed"] == "true"
    check_problem(send(client, text + "\n", headers=key), 422, "idempotency_key_reused")
    check_problem(send(client, text, {"dry_run": "true"}, headers=key), 422, "idempotency_key_reused")


# -- what is refused as a whole ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text, query, code, pointer", [
    ("学号,姓名\n1,甲\n".encode("utf-16-le"), {}, "unknown_charset", "file"),
    ("學號,姓名\n1,甲\n".encode("big5"), {}, "unknown_charset", "file"),
    (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0", {}, "unknown_charset", "file"),
    (b'\xef\xbb\xbfstudent_number,name\n1,"open\n', {}, "bad_csv", "file"),
    ('学号,姓名\n1,"a"b\n', {}, "bad_csv", "file"),
    ("姓名,学院\n甲,乙\n", {}, "no_student_number_column", "file"),
    ("\n\n", {}, "no_student_number_column", "file"),
    (" ", {}, "no_student_number_column", "file"),
    ("题\n" * 5 + "学号,姓名\n1,甲\n", {}, "no_student_number_column", "file"),
    ("手机（家长）,学号（旧）\n1,2\n", {}, "no_student_number_column", "file"),
    ("学号,姓名,学号\n1,甲,2\n", {}, "column_twice", "file"),
    ("学号,student number\n1,2\n", {}, "column_twice", "file"),
    ('学号,student number\n1,"2\n', {}, "column_twice", "file"),
    ("学号\n1\n", {"mapping": "登记号"}, "bad_mapping", "mapping"),
    ('学号\n"1\n', {"mapping": "登记号"}, "bad_mapping", "mapping"),
    ("学号\n1\n", {"mapping": "登记号=password"}, "bad_mapping", "mapping"),
    ("学号\n1\n", {"mapping": "=name"}, "bad_mapping", "mapping"),
    ("学号\n" + "1\n" * 50001, {}, "too_many_rows", "file"),
], ids=lambda value: value if isinstance(value, str) and value.isascii() and 3 < len(value) < 30 else "")
def test_files_refused(client, text, query, code, pointer):
    check_problem(send(client, text, query), 422, code, {pointer: code})


@pytest.mark.parametrize("query, status, code", [
    ({"mapping": "x"}, 422, "invalid"), ({"mapping": ["a=name"] * 21}, 422, "invalid"), ({"dry_run": "yes"}, 400, "bad_parameter"),
    ({"home": "A"}, 422, "invalid"), ({"encoding": "gbk"}, 400, "unknown_parameter"),
    ({"dry_run": ["true", "true"]}, 400, "duplicate_parameter")])
def test_bad_parameters(client, query, status, code):
    check_problem(send(client, "学号\n1\n", query), status, code)


def test_media_types(client):
    for type in ("application/json", "text/plain", "text/csvx; charset=gbk", "application/octet-stream"):
        check_problem(send(client, "学号\n", type=type), 415, "unsupported_media_type",
                      {"Content-Type": "unsupported_media_type"})
    for type in ("text/csv", "text/csv; charset=utf-8", "TEXT/CSV;charset=UTF-8", "text/csv; header=present"):
        assert send(client, "学号\n", type=type).expect(200).json().get("rows", []) == []
    # The bytes say how the file is encoded, whatever the sender believes.
    for charset in ("gbk", "utf-8", "iso-8859-1", '"GB2312"'):
        reply = send(client, "学号\n".encode("gbk"), type=f"text/csv; charset={charset}").expect(200).json()
        assert reply["encoding"] == "gb18030"
    check_problem(send(client, b""), 400, "body_required")


def test_too_large(client):
    """Just within the limit it is read; a byte more is refused by its length alone."""
    aside = b"\xe5\xad\xa6\xe5\x8f\xb7,x\n1,"
    send(client, aside + b"a" * (8388608 - len(aside))).expect(200)
    send(client, aside + b"a" * (8388609 - len(aside))).expect(413, "too_large")
    client.close()


def test_student_number_taken_meanwhile(campus, client, home):
    """By a request that commits while the import waits for it: all of the file is taken back, and may be sent again."""
    number, before = new_number(), new_number()
    text = f"学号,姓名,学院\n{before},甲,{home}\n{number},乙,{home}\n"
    answers = []
    with campus.cluster.session() as other:
        other.sql(f"""BEGIN; INSERT INTO membership.person (id, student_number, name, home)
                      VALUES (campus.new_id(), '{number}', '丙', '{home}')""")
        sender = threading.Thread(target=lambda: answers.append(send(client, text)))
        sender.start()
        wait_until(lambda: campus.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "1",
                   "the import waiting", pause=0.005)
        other.sql("COMMIT")
        sender.join()
    check_problem(answers[0], 409, "student_number_taken")
    assert found(client, before) is None
    assert [row["outcome"] for row in imported(client, text)["rows"]] == ["created", "updated"]


# -- scopes ------------------------------------------------------------------------------------------------------------


def test_scopes(campus, client):
    """Who may write in one subtree brings people into it, changes those it keeps, and no others."""
    ours, theirs = committee(client), committee(client)
    mine, strange = person(client, ours), person(client, theirs)
    key = new_key(client, ["membership.people.*"], ours)["secret"]
    new = [new_number() for _ in range(2)]
    text = ("学号,姓名,学院\n"
            f"{mine['student_number']},改名,\n{strange['student_number']},改名,\n{new[0]},甲,{ours}\n{new[1]},乙,{theirs}\n"
            f"{mine['student_number']}X,丙,no.such\n")
    with campus.client(key) as holder:
        reply = imported(holder, text)
        moved = imported(holder, f"学号,学院\n{mine['student_number']},{theirs}\n")
    assert outcomes(reply) == [(2, "updated", None, None), (3, "refused", "person_not_permitted", "student_number"),
                               (4, "created", None, None), (5, "refused", "home_not_permitted", "home"),
                               (6, "refused", "home_unknown", "home")]
    assert outcomes(moved) == [(2, "refused", "home_not_permitted", "home")]
    assert found(client, strange["student_number"])["name"] == strange["name"]
    assert found(client, mine["student_number"])["home"] == ours and found(client, new[1]) is None


def test_permissions(campus, client, anonymous):
    text = "学号\n1\n"
    reader = new_key(client, ["membership.people.read"])["secret"]
    with campus.client(reader) as holder:
        check_problem(send(holder, text), 403, "permission_denied")
    check_problem(send(anonymous, text), 401, "unauthenticated")


# -- many --------------------------------------------------------------------------------------------------------------


def test_20000_rows(client, home):
    """Once all are created, then all are unchanged; then one differs."""
    client.timeout = 120  # a busy machine takes long
    start = new_label("R")
    rows = [[f"{start}-{i:05d}", f"学生{i:05d}", f"Xuesheng {i:05d}", home, 2020 + i % 5] for i in range(20000)]

    def text():
        out = io.StringIO()
        csv.writer(out).writerows([["学号", "姓名", "拼音", "学院", "年级"], *rows])
        return out.getvalue()

    reply = imported(client, text())
    assert reply["created"] == 20000 and [row["line"] for row in reply["rows"]] == list(range(2, 20002))
    assert len({row["id"] for row in reply["rows"]}) == 20000
    listed = client.get("/v1/people", query={"home": home, "q": f"{start}-", "count": "exact"}).expect(200).json()
    assert listed["total_count"] == 20000
    assert imported(client, text())["unchanged"] == 20000
    rows[12345][1] = "改名"
    reply = imported(client, text())
    assert reply["unchanged"] == 19999 and reply["rows"][12345]["outcome"] == "updated"
