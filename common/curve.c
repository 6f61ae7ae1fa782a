/* curve.c -- the files of keys. */
#include "common/curve.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { KEY_BYTES = 32 };

bool curve_needed(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", strlen("tcp://")) == 0;
}

/* NULL, or why there is no key. */
static const char *read_key(const char *path, bool secret, char key[CURVE_TEXT])
{
    char text[CURVE_TEXT + 1] = "";
    uint8_t bytes[KEY_BYTES];
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return strerrordesc_np(errno);
    ssize_t size = read(fd, text, CURVE_TEXT);
    bool open_to_others = fstat(fd, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO));
    close(fd);
    if (secret && open_to_others)
        return "others can read it; its mode must be 0600";
    text[strcspn(text, "\n")] = '\0';
    bool valid = size > 0 && strlen(text) == CURVE_TEXT - 1 && zmq_z85_decode(bytes, text);
    if (valid)
        memcpy(key, text, CURVE_TEXT);
    sodium_memzero(text, sizeof text);
    sodium_memzero(bytes, sizeof bytes);
    return valid ? NULL : "it holds no key (campus keys new makes one)";
}

static bool read_setting(struct arena *arena, const char *setting, const char *path, bool secret, char key[CURVE_TEXT],
                         const char **error)
{
    const char *reason = *path ? read_key(path, secret, key) : "a bus over tcp needs it";
    if (reason)
        *error = arena_printf(arena, "setting %s: '%s': %s", setting, path, reason);
    return !reason;
}

bool curve_load(struct arena *arena, struct curve_keys *keys, const char *secret_file, const char *gateway_file,
                const char **error)
{
    *keys = (struct curve_keys){ 0 };
    if (!read_setting(arena, "bus_key_file", secret_file, true, keys->secret, error))
        return false;
    if (zmq_curve_public(keys->own, keys->secret) != 0) {
        *error = arena_printf(arena, "setting bus_key_file: '%s': %s", secret_file, zmq_strerror(errno));
        return false;
    }
    return !gateway_file || read_setting(arena, "gateway_key_file", gateway_file, false, keys->gateway, error);
}

/* NULL, or why the file could not be made. It is whole, or not there. */
static const char *write_key(const char *path, const char *key, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return strerrordesc_np(errno);
    bool written = fchmod(fd, mode) == 0 && write(fd, key, CURVE_TEXT - 1) == CURVE_TEXT - 1 &&
                   write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    const char *reason = written ? NULL : strerrordesc_np(errno);
    close(fd);
    if (!written)
        unlink(path);
    return reason;
}

bool curve_make(struct arena *arena, const char *folder, const char *name, char public_key[CURVE_TEXT],
                const char **error)
{
    char secret[CURVE_TEXT];
    const char *secret_path = arena_printf(arena, "%s/%s.secret", folder, name);
    const char *public_path = arena_printf(arena, "%s/%s.public", folder, name);
    const char *path = secret_path, *reason = NULL;
    if (zmq_curve_keypair(public_key, secret) != 0)
        reason = zmq_strerror(errno);
    if (!reason)
        reason = write_key(secret_path, secret, 0600);
    sodium_memzero(secret, sizeof secret);
    if (!reason && (reason = write_key(path = public_path, public_key, 0644)))
        unlink(secret_path);
    if (reason)
        *error = arena_printf(arena, "%s: %s", path, reason);
    return !reason;
}
