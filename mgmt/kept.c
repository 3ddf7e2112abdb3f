/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/kept.h"

#include <stddef.h>

json_t *kept_get(const struct kept *kept, enum command_id id, uint64_t now_ns)
{
	if (kept->paid_ns <= now_ns + KEPT_AHEAD_NS || now_ns >= kept->answer[id].until_ns) {
		return NULL;
	}
	return json_incref(kept->answer[id].parameters);
}

void kept_put(struct kept *kept, enum command_id id, json_t *parameters, uint64_t begin_ns,
	      uint64_t end_ns)
{
	uint64_t share_ns = KEPT_TIMES * (end_ns - begin_ns);

	kept->paid_ns = (kept->paid_ns > begin_ns ? kept->paid_ns : begin_ns) + share_ns;
	json_decref(kept->answer[id].parameters);
	kept->answer[id].parameters = json_incref(parameters);
	kept->answer[id].until_ns = end_ns + share_ns;
}

void kept_forget(struct kept *kept)
{
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		json_decref(kept->answer[i].parameters);
		kept->answer[i].parameters = NULL;
		kept->answer[i].until_ns = 0;
	}
}
