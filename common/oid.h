/* oid.h -- PostgreSQL's built-in types by their object ids (src/include/catalog/pg_type.dat). */
#ifndef CAMPUS_OID_H
#define CAMPUS_OID_H

enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_FLOAT8 = 701,
    OID_INT4_ARRAY = 1007,
    OID_TEXT_ARRAY = 1009,
    OID_VARCHAR_ARRAY = 1015,
    OID_INT8_ARRAY = 1016,
    OID_VARCHAR = 1043,
    OID_DATE = 1082,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950,
    OID_UUID_ARRAY = 2951,
    OID_JSONB = 3802,
    OID_FIRST_EXTENSION = 16384, /* FirstNormalObjectId: ltree and its arrays are from here on */
};

#endif
