/* accept.c -- a list of choices with their qualities, one after the other. */
#include "services/gateway/accept.h"

#include <ctype.h>

/* Takes what stands before the next `mark` off the front of *rest. */
static struct slice take_until(struct slice *rest, char mark)
{
    const uint8_t *end = rest->size ? memchr(rest->data, mark, rest->size) : NULL;
    struct slice taken = slice_of(rest->data, end ? (size_t)(end - rest->data) : rest->size);
    size_t used = end ? taken.size + 1 : taken.size;
    *rest = used < rest->size ? slice_of(rest->data + used, rest->size - used) : slice_of(NULL, 0);
    return taken;
}

/* ";q=0.8" as 800. Without one 1000; what is no quality counts as 0. */
static int quality_of(struct slice parameter)
{
    parameter = slice_trimmed(parameter);
    if (parameter.size == 0)
        return 1000;
    if (parameter.size < 3 || tolower(parameter.data[0]) != 'q' || parameter.data[1] != '=' ||
        (parameter.data[2] != '0' && parameter.data[2] != '1'))
        return 0;
    int quality = (parameter.data[2] - '0') * 1000, weight = 100;
    for (size_t i = 4; i < parameter.size && weight && isdigit(parameter.data[i]); i++, weight /= 10)
        quality += (parameter.data[i] - '0') * weight;
    return quality > 1000 ? 1000 : quality;
}

bool accept_next(struct slice *header, struct accept_choice *choice)
{
    if (header->size == 0)
        return false;
    struct slice rest = take_until(header, ',');
    choice->value = slice_trimmed(take_until(&rest, ';'));
    choice->quality = quality_of(rest);
    return true;
}
