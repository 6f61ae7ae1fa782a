/* test_letter.c -- a letter is well formed whatever stands in it. */
#include "tests/unit/arena_fixture.h"

#include "common/letter.h"

#include <ctype.h>

static const struct letter plain = {
    .id = "01900000-0000-7000-8000-000000000001",
    .from = "campus@example.edu.cn",
    .to = "li@example.edu.cn",
    .date = "Sat, 21 Nov 2026 18:30:00 +0000",
    .language = "en",
    .subject = "Hello",
    .text = "One\nTwo\n",
};

static const char *written(struct letter letter)
{
    struct buffer out = buffer_in(arena);
    letter_write(&out, &letter);
    return buffer_cstring(&out);
}

static void test_the_whole(void **state)
{
    (void)state;
    assert_string_equal(written(plain), "Date: Sat, 21 Nov 2026 18:30:00 +0000\r\n"
                                        "From: campus@example.edu.cn\r\n"
                                        "To: li@example.edu.cn\r\n"
                                        "Message-ID: <01900000-0000-7000-8000-000000000001@example.edu.cn>\r\n"
                                        "Subject: Hello\r\n"
                                        "Auto-Submitted: auto-generated\r\n"
                                        "MIME-Version: 1.0\r\n"
                                        "Content-Language: en\r\n"
                                        "Content-Type: text/plain; charset=utf-8\r\n"
                                        "Content-Transfer-Encoding: base64\r\n"
                                        "\r\n"
                                        "T25lDQpUd28NCg==\r\n");
}

static const char *subject_of(const char *subject)
{
    struct letter letter = plain;
    letter.subject = subject;
    char *header = strstr(written(letter), "Subject: ") + strlen("Subject: ");
    *strstr(header, "\r\nAuto-Submitted") = '\0';
    return header;
}

static void test_subjects(void **state)
{
    (void)state;
    static const struct {
        const char *subject, *header;
    } cases[] = {
        { "Set up, please: 100%", "Set up, please: 100%" },
        { "密码", "=?UTF-8?B?5a+G56CB?=" },
        { "a\r\nBcc: b@c.cn", "=?UTF-8?B?YQ0KQmNjOiBiQGMuY24=?=" },
        { "=?UTF-8?B?YQ==?=", "=?UTF-8?B?PT9VVEYtOD9CP1lRPT0/PQ==?=" },
        { "", "=?UTF-8?B?"
              "?=" },
        { " a", "=?UTF-8?B?IGE=?=" },
        /* Thirteen characters of three bytes are one word, and no character is cut in two. */
        { "一二三四五六七八九十一二三", "=?UTF-8?B?5LiA5LqM5LiJ5Zub5LqU5YWt5LiD5YWr5Lmd5Y2B5LiA5LqM5LiJ?=" },
        { "a一二三四五六七八九十一二三",
          "=?UTF-8?B?YeS4gOS6jOS4ieWbm+S6lOWFreS4g+WFq+S5neWNgeS4gOS6jA==?=\r\n =?UTF-8?B?5LiJ?=" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(subject_of(cases[i].subject), cases[i].header);
}

/* Lines of at most 78 characters, of ASCII alone, each ended by CRLF. */
static void assert_formed(const char *text)
{
    while (*text) {
        size_t size = strcspn(text, "\r\n");
        assert_true(size <= 78);
        for (size_t i = 0; i < size; i++)
            assert_true(text[i] >= ' ' && text[i] < 0x7F);
        assert_memory_equal(text + size, "\r\n", 2);
        text += size + 2;
    }
}

static void test_lines_are_short(void **state)
{
    (void)state;
    struct letter letter = plain;
    char subject[600], text[3000];
    for (size_t i = 0; i < sizeof subject - 1; i++)
        subject[i] = (char)(i * 37 % 255 + 1);
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = (char)(i * 91 % 255 + 1);
    subject[sizeof subject - 1] = text[sizeof text - 1] = '\0';
    letter.subject = letter.from_name = subject;
    letter.text = text;
    assert_formed(written(letter));
}

static void test_names_of_senders(void **state)
{
    (void)state;
    struct letter letter = plain;
    letter.from_name = "Student Union";
    assert_non_null(strstr(written(letter), "From: Student Union\r\n <campus@example.edu.cn>\r\n"));
    letter.from_name = "Union, Student";
    assert_non_null(strstr(written(letter), "From: =?UTF-8?B?VW5pb24sIFN0dWRlbnQ=?=\r\n <campus@example.edu.cn>\r\n"));
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = { "a@b", "li.lei+x@example.edu.cn", "o'neill_1@a-b.c",
                                        "!#$%&'*+-/=?^_`{|}~@b.cn" };
    static const char *const bad[] = { "",       "a",       "@b",          "a@",      "a@b@c",    "a b@c",
                                       "a@b c",  "a@b\n",   "a\r\n@b",     "<a@b>",   "a@b>",     "a,c@b",
                                       "a@b,c",  ".a@b",    "a.@b",        "a..c@b",  "a@.b",     "a@b.",
                                       "a@b..c", "\"a\"@b", "a@[1.2.3.4]", "李@b.cn", "a@b.中国", "a@b.cn;c@d" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(letter_is_address(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(letter_is_address(bad[i]));
    const char *longest = arena_printf(arena, "%064d@%061d.%061d.%061d.cn", 0, 0, 0, 0);
    assert_int_equal(strlen(longest), 253);
    assert_true(letter_is_address(longest));
    assert_false(letter_is_address(arena_printf(arena, "%065d@b.cn", 0)));
    assert_false(letter_is_address(arena_printf(arena, "a@%064d.cn", 0)));
    assert_false(letter_is_address(arena_printf(arena, "%064d@%063d.%063d.%060d.cn", 0, 0, 0, 0)));
}

static void test_senders_are_split(void **state)
{
    (void)state;
    const char *name, *address;
    assert_true(letter_split_address(arena, "campus@example.cn", &name, &address));
    assert_null(name);
    assert_string_equal(address, "campus@example.cn");
    assert_true(letter_split_address(arena, "学生会 <campus@example.cn>", &name, &address));
    assert_string_equal(name, "学生会");
    assert_string_equal(address, "campus@example.cn");
    assert_true(letter_split_address(arena, "<campus@example.cn>", &name, &address));
    assert_null(name);
    static const char *const bad[] = { "", "<", "<>", "a", "a <b", "a <b>", "a <b@c", "a <b@c> d", "a <b@c>>" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(letter_split_address(arena, bad[i], &name, &address));
    assert_string_equal(letter_domain("a@b.cn"), "b.cn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_whole),        TEST(test_subjects),  TEST(test_lines_are_short),
        TEST(test_names_of_senders), TEST(test_addresses), TEST(test_senders_are_split),
    };
    return cmocka_run_group_tests_name("letter", tests, NULL, NULL);
}
