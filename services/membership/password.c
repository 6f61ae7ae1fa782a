/* password.c -- libsodium's Argon2id, and a list of passwords that everybody tries first. */
#include "services/membership/password.h"

#include "common/embed.h"
#include "common/utf8.h"

#include <ctype.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum {
    MEMORY = 9 * 1024 * 1024,
    PASSES = 4,
    LONGEST_TAIL = 4, /* what is put behind a common word to pass: "password2024" */
    SHORTEST_OWN = 4, /* a name of one or two characters stands in much by chance */
};

_Static_assert(PASSWORD_HASH == crypto_pwhash_STRBYTES, "libsodium's text of a hash");

/* Of a password that nobody knows, with the parameters above: so that to find no account takes as long as to find one. */
static const char nobody[] =
    "$argon2id$v=19$m=9216,t=4,p=1$GPvd+IJg5hryubGdrGyYpQ$rgg0F303moClihNbKdN23Zho6ZaBQxaGTngAUw9Zrws";

static atomic_ulong hashes;

unsigned long password_hashes(void)
{
    return atomic_load(&hashes);
}

/* ---- hashes ---- */

/* Freed by the caller, as it is no arena's: a thread beside the loop hashes, and the text is to be gone afterwards. */
static char *normalised(const char *text)
{
    char *nfc = (char *)utf8proc_NFC((const utf8proc_uint8_t *)text);
    if (!nfc)
        nfc = strdup(text); /* no UTF-8: as it is */
    if (!nfc)
        abort();
    return nfc;
}

static void forget(char *text)
{
    sodium_memzero(text, strlen(text));
    free(text);
}

bool password_hash(const char *text, char hash[PASSWORD_HASH])
{
    char *nfc = normalised(text);
    atomic_fetch_add(&hashes, 1);
    bool done = crypto_pwhash_str_alg(hash, nfc, strlen(nfc), PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13) == 0;
    forget(nfc);
    return done;
}

bool password_verify(const char *hash, const char *text)
{
    char *nfc = normalised(text);
    atomic_fetch_add(&hashes, 1);
    bool right = crypto_pwhash_str_verify(hash ? hash : nobody, nfc, strlen(nfc)) == 0;
    forget(nfc);
    return right && hash;
}

bool password_is_stale(const char *hash)
{
    return crypto_pwhash_str_needs_rehash(hash, PASSES, MEMORY) != 0;
}

/* ---- what it may be ---- */

/* Whether it is a line of the list, which is in the order of its bytes. */
static bool is_listed(struct slice word)
{
    struct slice list = embed_get("common_passwords.txt");
    size_t low = 0, high = list.size;
    while (low < high) {
        size_t middle = low + (high - low) / 2, from = middle;
        while (from > low && list.data[from - 1] != '\n')
            from--;
        const uint8_t *end = memchr(list.data + from, '\n', list.size - from);
        size_t size = end ? (size_t)(end - list.data) - from : list.size - from;
        size_t shared = size < word.size ? size : word.size;
        int order = memcmp(word.data, list.data + from, shared);
        if (order == 0 && size == word.size)
            return true;
        if (order < 0 || (order == 0 && word.size < size))
            high = from;
        else
            low = from + size + 1;
    }
    return false;
}

/* The word itself, and what remains of it without a few digits and signs behind it. */
static bool is_common_word(const char *text, size_t size)
{
    for (size_t cut = 0; cut <= LONGEST_TAIL && cut < size; cut++) {
        if (is_listed(slice_of(text, size - cut)))
            return true;
        if (isalpha((unsigned char)text[size - cut - 1]) || (unsigned char)text[size - cut - 1] >= 0x80)
            return false;
    }
    return false;
}

/* "abcabcabcabc", "111111111111": one piece again and again, a last one cut short or not. The piece itself is short, or listed. */
static bool is_repetition(const char *text, size_t size)
{
    for (size_t piece = 1; piece <= size / 2; piece++)
        if (memcmp(text, text + piece, size - piece) == 0 && (piece <= size / 3 || is_common_word(text, piece)))
            return true;
    return false;
}

/* "abcdefghijkl", "987654321098": each character follows the one before, nines and zeros too. */
static bool is_sequence(const char *text, size_t size)
{
    size_t up = 1, down = 1;
    for (size_t i = 1; i < size; i++) {
        up += text[i] == text[i - 1] + 1 || (text[i] == '0' && text[i - 1] == '9');
        down += text[i] == text[i - 1] - 1 || (text[i] == '9' && text[i - 1] == '0');
    }
    return up == size || down == size;
}

/* Without case, spaces and the width of letters (NFKC); what is no UTF-8 is left as it is. */
static const char *folded(struct arena *arena, const char *text)
{
    utf8proc_uint8_t *map = NULL;
    utf8proc_ssize_t size =
        utf8proc_map((const utf8proc_uint8_t *)text, 0, &map,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
    const char *from = size >= 0 ? (const char *)map : text;
    char *out = arena_alloc(arena, strlen(from) + 1), *at = out;
    for (; *from; from++)
        if (*from != ' ')
            *at++ = *from;
    *at = '\0';
    free(map);
    return out;
}

static bool is_personal(struct arena *arena, const char *text, const char *const *own)
{
    for (; *own; own++) {
        const char *word = folded(arena, *own);
        if (strlen(word) >= SHORTEST_OWN && strstr(text, word))
            return true;
    }
    return false;
}

const char *password_fault(struct arena *arena, const char *text, size_t shortest, const char *const *own)
{
    const char *plain = folded(arena, text);
    size_t size = strlen(plain);
    if (utf8_length(slice_text(text)) < shortest)
        return "password_too_short";
    if (size == 0 || is_common_word(plain, size) || is_repetition(plain, size) || is_sequence(plain, size))
        return "password_too_common";
    return is_personal(arena, plain, own) ? "password_too_personal" : NULL;
}
