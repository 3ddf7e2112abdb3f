/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * kept - answers that the daemon has to work for are given again for ten times as long as the work
 * took: whoever asks for them without end gets a tenth of control's time at most.
 *
 * Fits:    server.c owns it with the connections; method.c asks it first.
 * Threads: control.
 */
#include <jansson.h>
#include <stdint.h>

#include "mgmt/command.h"

#define KEPT_TIMES 10u

struct kept {
	struct {
		json_t *parameters;     /* NULL: none */
		uint64_t until_ns;
	} answer[COMMAND_N];
};

/* A reference of the caller's, or NULL: none, or it is too old. */
json_t *kept_get(const struct kept *kept, enum command_id id, uint64_t now_ns);

/* 'parameters' stay the caller's; they were worked for from 'begin_ns' to 'end_ns'. */
void kept_put(struct kept *kept, enum command_id id, json_t *parameters, uint64_t begin_ns,
	      uint64_t end_ns);

/* Something has changed, or it is the end. */
void kept_forget(struct kept *kept);
