/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * kept - answers that the daemon has to work for are made anew as long as that takes no more than a
 * tenth of control's time, and a second at once. Where more is asked, each is given again for ten
 * times as long as the work took.
 *
 * Fits:    server.c owns it with the connections; method.c asks it first.
 * Threads: control.
 */
#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "mgmt/command.h"

#define KEPT_TIMES    10u
#define KEPT_AHEAD_NS (10 * NS_PER_S)   /* a second of work */

struct kept {
	uint64_t paid_ns;               /* until then a tenth of the time is spent */
	struct {
		json_t *parameters;     /* NULL: none */
		uint64_t until_ns;
	} answer[COMMAND_N];
};

/* A reference of the caller's, or NULL: it is to be made anew. */
json_t *kept_get(const struct kept *kept, enum command_id id, uint64_t now_ns);

/* 'parameters' stay the caller's; they were worked for from 'begin_ns' to 'end_ns'. */
void kept_put(struct kept *kept, enum command_id id, json_t *parameters, uint64_t begin_ns,
	      uint64_t end_ns);

/* Something has changed, or it is the end. */
void kept_forget(struct kept *kept);
