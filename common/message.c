/* message.c -- fields and enum values by name and number. */
#include "common/message.h"

const struct field *message_find(const struct message *message, struct slice name)
{
    for (size_t i = 0; i < message->count; i++)
        if (slice_is(name, message->fields[i].name))
            return &message->fields[i];
    return NULL;
}

const struct enum_value *enum_by_number(const struct enumeration *enumeration, int32_t number)
{
    for (size_t i = 0; i < enumeration->count; i++)
        if (enumeration->values[i].number == number)
            return &enumeration->values[i];
    return NULL;
}

const struct enum_value *enum_by_name(const struct enumeration *enumeration, struct slice name)
{
    for (size_t i = 0; i < enumeration->count; i++)
        if (slice_is(name, enumeration->values[i].name))
            return &enumeration->values[i];
    return NULL;
}
