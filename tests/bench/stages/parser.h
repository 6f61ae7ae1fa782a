/* parser.h -- the parser of HTTP by itself: names of llhttp's and of the contract's collide where one file sees both. */
#ifndef CAMPUS_TESTS_STAGES_PARSER_H
#define CAMPUS_TESTS_STAGES_PARSER_H

#include "services/gateway/http.h"

/* The request, valid until the next and as long as the arena's contents and the bytes; NULL where they are not a whole one. */
const struct http_request *parser_run(struct arena *arena, const struct http_handler *handler, struct slice bytes);

#endif
