/* totp.c -- HMAC-SHA-1 is OpenSSL's: libsodium has none. */
#include "services/membership/totp.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { SHA1 = 20, DRIFT = 1 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void totp_code(struct slice secret, uint64_t step, unsigned digits, char *code)
{
    uint8_t counter[8], mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    uint32_t modulus = 1;
    for (size_t i = 0; i < sizeof counter; i++)
        counter[i] = (uint8_t)(step >> (56 - 8 * i));
    const uint8_t *done = HMAC(EVP_sha1(), secret.data, (int)secret.size, counter, sizeof counter, mac, &size);
    assert(done && size == SHA1);
    const uint8_t *at = mac + (mac[SHA1 - 1] & 15); /* RFC 4226 §5.3: dynamic truncation */
    uint32_t value = (uint32_t)(at[0] & 127) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    for (unsigned i = 0; i < digits; i++)
        modulus *= 10;
    snprintf(code, digits + 1, "%0*u", (int)digits, value % modulus);
}

int64_t totp_step(const uint8_t secret[TOTP_SECRET], const char *code, int64_t now_seconds, int64_t last)
{
    int64_t now = now_seconds / TOTP_SECONDS, found = -1;
    if (strlen(code) != TOTP_DIGITS)
        return -1;
    for (int64_t step = now - DRIFT; step <= now + DRIFT; step++) {
        char expected[TOTP_DIGITS + 1];
        totp_code(slice_of(secret, TOTP_SECRET), (uint64_t)step, TOTP_DIGITS, expected);
        if (sodium_memcmp(expected, code, TOTP_DIGITS) == 0 && step > last)
            found = step;
    }
    return found;
}

void totp_base32(const uint8_t secret[TOTP_SECRET], char text[TOTP_BASE32])
{
    for (size_t i = 0; i < TOTP_BASE32 - 1; i++) {
        size_t bit = i * 5, byte = bit / 8;
        uint32_t two = (uint32_t)secret[byte] << 8 | (byte + 1 < TOTP_SECRET ? secret[byte + 1] : 0);
        text[i] = alphabet[two >> (11 - bit % 8) & 31];
    }
    text[TOTP_BASE32 - 1] = '\0';
}
