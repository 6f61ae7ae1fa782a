/* bus_access.c -- reads the settings of keys that the endpoints of `bus` call for. */
#include "services/bus_access.h"

#include "common/zap.h"

#include <errno.h>
#include <string.h>

static bool any_tcp(const char *const *endpoints)
{
    for (; *endpoints; endpoints++)
        if (curve_needed(*endpoints))
            return true;
    return false;
}

static bool start_zap(struct arena *arena, struct bus_access *access, void *zmq, const struct settings *settings,
                      const char **error)
{
    struct allowed *allowed = allowed_load(arena, settings->allowed_keys_file, error);
    if (!allowed)
        return false;
    access->zap = zap_start(zmq, allowed);
    if (access->zap)
        return true;
    allowed_free(allowed);
    *error = arena_printf(arena, "bus: nobody could answer for keys: %s", strerrordesc_np(errno));
    return false;
}

bool bus_access_open(struct arena *arena, struct bus_access *access, void *zmq, const struct settings *settings,
                     bool gateway, bool worker, const char **error)
{
    *access = (struct bus_access){ .needed = any_tcp(settings_list(arena, settings->bus)) };
    if (!access->needed)
        return true;
    /* A process that is both dials itself otherwise; should tcp be dialled too, its opening asks for the key. */
    const char *gateway_file = worker && (!gateway || *settings->gateway_key_file) ? settings->gateway_key_file : NULL;
    return curve_load(arena, &access->keys, settings->bus_key_file, gateway_file, error) &&
           (!gateway || start_zap(arena, access, zmq, settings, error));
}

void bus_access_close(struct bus_access *access)
{
    zap_stop(access->zap);
    access->zap = NULL;
}
