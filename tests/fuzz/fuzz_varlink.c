/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_varlink - bytes as a client sends them, into the parser and the dispatcher, with a daemon
 * made of constants behind. The first byte says whether the client may change things (1) and
 * whether the table is large (2).
 *
 * With libFuzzer (clang): LLVMFuzzerTestOneInput. Otherwise replay.c runs it over
 * files and folders.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/method.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_ops.h"

/* Every message that goes out must be one JSON object with `parameters` or `error`, and its NUL. */
static void check_message(const char *text, size_t n)
{
	json_t *message = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(json_object_get(message, "parameters"))) {
		fprintf(stderr, "not a reply: %.*s\n", (int)n, text);
		abort();
	}
	json_decref(message);
}

static void check_messages(const struct bytes *out)
{
	const char *text, *end;

	if (!out->data) {
		return;                 /* nothing was ever written */
	}
	text = out->data + out->start;
	end = out->data + out->end;
	while (text < end) {
		const char *nul = memchr(text, '\0', (size_t)(end - text));

		if (!nul) {
			fprintf(stderr, "a message without its end\n");
			abort();
		}
		check_message(text, (size_t)(nul - text));
		text = nul + 1;
	}
}

static void run_walk(struct walk *walk, struct fake *fake, struct bytes *out)
{
	while (walk_step(walk, &fake_ops, fake, out) == WALK_GOES_ON) {
	}
	walk_free(walk);
}

static void run_feed(struct feed *feed, struct bytes *out)
{
	while (feed_step(feed, out) == FEED_GOES_ON) {
	}
	feed_close(feed);
}

static void run_call(const struct method_env *env, const char *text, size_t n, struct bytes *out)
{
	struct varlink_call call;
	struct walk *walk = NULL;
	struct feed *feed = NULL;
	json_t *message = NULL;
	struct err err;

	if (varlink_call_parse(text, n, &call, &err)) {
		return;
	}
	switch (method_call(env, &call, &message, &walk, &feed)) {
	case METHOD_REPLIED:
		if (!varlink_append(out, message)) {
			abort();
		}
		json_decref(message);
		break;
	case METHOD_WALKS:
		run_walk(walk, env->ctx, out);
		break;
	case METHOD_CAPTURES:
		run_feed(feed, out);
		break;
	case METHOD_WATCHES:
		break;
	case METHOD_BROKEN:
		abort();
	}
	varlink_call_done(&call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data)
{
	struct fake fake = {.n_learned = n_data && data[0] & 2 ? 1500 : 3};
	struct method_env env = {&fake_ops, &fake, n_data && data[0] & 1, NULL};
	struct bytes out = {0};

	for (size_t i = 1; i < n_data;) {
		const uint8_t *nul = memchr(data + i, '\0', n_data - i);
		size_t n = nul ? (size_t)(nul - (data + i)) : n_data - i;

		run_call(&env, (const char *)data + i, n, &out);
		i += n + 1;
	}
	check_messages(&out);
	bytes_done(&out);
	return 0;
}
