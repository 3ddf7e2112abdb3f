/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/json.h"
#include "mgmt/json_value.h"
#include "mgmt/method.h"
#include "mgmt/varlink.h"

struct walk {
	struct mgmt_mac_filter filter;
	char *bridge, *port;            /* what the filter points to */
	uint32_t cursor;
	bool more, count;
	bool broken, too_many;
	uint64_t n_rows;
	json_t *rows;                   /* of the reply being filled */
	struct bytes *out;              /* set during a step */
};

struct mgmt_mac_filter walk_filter(const struct command_args *args)
{
	return (struct mgmt_mac_filter){
		.bridge = args->bridge,
		.port = args->port,
		.vlan = args->vlan,
		.type = args->type,
		.has_macaddress = args->has_macaddress,
		.macaddress = args->macaddress,
	};
}

struct walk *walk_new(const struct command_args *args, bool more)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (!walk) {
		return NULL;
	}
	walk->more = more;
	walk->count = args->count;
	walk->filter = walk_filter(args);
	walk->bridge = args->bridge ? strdup(args->bridge) : NULL;
	walk->port = args->port ? strdup(args->port) : NULL;
	walk->filter.bridge = walk->bridge;
	walk->filter.port = walk->port;
	walk->rows = json_array();
	if (!walk->rows || !walk->bridge != !args->bridge || !walk->port != !args->port) {
		walk_free(walk);
		return NULL;
	}
	return walk;
}

void walk_free(struct walk *walk)
{
	if (!walk) {
		return;
	}
	json_decref(walk->rows);
	free(walk->bridge);
	free(walk->port);
	free(walk);
}

/* Sends 'message', which is taken over. */
static bool send(struct walk *walk, json_t *message)
{
	bool sent = message && varlink_append(walk->out, message);

	json_decref(message);
	walk->broken = walk->broken || !sent;
	return sent;
}

/* Sends the rows that are there and begins anew. */
static bool send_rows(struct walk *walk, bool continues)
{
	json_t *rows = walk->rows;

	walk->rows = json_array();
	return send(walk, varlink_reply(json_wrap("macs", rows), continues)) && walk->rows;
}

static bool offer(const struct mgmt_mac *mac, void *arg)
{
	struct walk *walk = arg;

	walk->n_rows++;
	if (walk->count) {
		return true;
	}
	if (!walk->more && walk->n_rows > WALK_ROWS_SINGLE) {
		walk->too_many = true;
		return false;
	}
	/*
	 * Sent when the next row is there, so that the last reply, without `continues`, has rows.
	 */
	if (walk->more && json_array_size(walk->rows) == WALK_ROWS_MAX && !send_rows(walk, true)) {
		walk->broken = true;
		return false;
	}
	walk->broken = json_array_append_new(walk->rows, json_mac(mac)) != 0;
	return !walk->broken;
}

static bool send_end(struct walk *walk)
{
	if (walk->count) {
		json_t *count = json_wrap("count", json_integer((json_int_t)walk->n_rows));

		return send(walk, varlink_reply(count, false));
	}
	return send_rows(walk, false);
}

enum walk_outcome walk_step(struct walk *walk, const struct mgmt_ops *ops, void *ctx,
			    struct bytes *out)
{
	struct err err = {""};
	enum mgmt_error error;
	bool done = false;

	walk->out = out;
	error = ops->mac_walk(ctx, &walk->filter, &walk->cursor, WALK_SLICE, offer, walk, &done,
			      &err);
	if (walk->too_many) {
		error = MGMT_TOO_MANY;
		err_set(&err, E2BIG, "more than %u addresses match: ask with `more`, or with count",
			WALK_ROWS_SINGLE);
	}
	if (error) {
		send(walk, method_error(error, err.text));
		done = true;
	} else if (done && !walk->broken) {
		send_end(walk);
	}
	walk->out = NULL;
	if (walk->broken) {
		return WALK_BROKEN;
	}
	return done ? WALK_ENDED : WALK_GOES_ON;
}
