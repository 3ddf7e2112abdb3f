/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * varlink - messages of the Varlink protocol: a call as it came, replies and errors as they go.
 *
 * Fits:    conn.c cuts the stream at its NUL bytes, method.c answers. Pure: no socket here.
 * Limits:  a call nests at most VARLINK_DEPTH_MAX deep and has at most VARLINK_VALUES_MAX values;
 *          this is counted before the text is parsed, so that a small text cannot become a large
 *          tree.
 * Spec:    varlink.org, "Method call": method, parameters, oneway, more, upgrade.
 */
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "base/err.h"
#include "mgmt/bytes.h"

#define VARLINK_DEPTH_MAX   8u
#define VARLINK_VALUES_MAX  64u
#define VARLINK_REQUEST_MAX ((1u << 20) + (1u << 18))   /* 1 MiB of text, and escapes */

#define VARLINK_INTERFACE "io.viaduct"
#define VARLINK_SERVICE   "org.varlink.service"

struct varlink_call {
	json_t *message;                /* owns what the others point to */
	const char *method;
	json_t *parameters;             /* NULL: none */
	bool more, oneway;
};

/*
 * One message without its NUL. 0, or -EBADMSG: what came is no call, and the peer no Varlink
 * client.
 */
int varlink_call_parse(const char *text, size_t n, struct varlink_call *ret, struct err *reterr);
void varlink_call_done(struct varlink_call *call);

/* Messages to send; both take 'parameters' over. NULL: no memory. */
json_t *varlink_reply(json_t *parameters, bool continues);
json_t *varlink_error(const char *error, json_t *parameters);

/* Appends a message with its NUL. false: no memory; then a part of it may be there. */
bool varlink_append(struct bytes *out, const json_t *message);
