/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_end.h"

#include <stdio.h>

int ctl_complain(int status, const char *text)
{
	fprintf(stderr, "viaductctl: %s\n", text);
	return status;
}

int ctl_refused(const json_t *message)
{
	json_t *parameters = json_object_get(message, "parameters");
	const char *error = json_string_value(json_object_get(message, "error"));
	const char *reason = json_string_value(json_object_get(parameters, "reason"));
	const char *param = json_string_value(json_object_get(parameters, "parameter"));
	char text[256];

	if (reason && *reason) {
		return ctl_complain(CTL_STATUS_REFUSED, reason);
	}
	snprintf(text, sizeof(text), "the daemon refused: %s%s%s", error ? error : "",
		 param ? " " : "", param ? param : "");
	return ctl_complain(CTL_STATUS_REFUSED, text);
}
