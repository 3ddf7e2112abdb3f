/* SPDX-License-Identifier: BSD-2-Clause */
/* json_capture - captured frames as JSON. See json.h. */
#include "mgmt/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "mgmt/base64.h"
#include "mgmt/json_value.h"

/* RFC 3339 to the nanosecond: what a file of frames wants. */
static json_t *write_instant_ns(const void *value)
{
	uint64_t realtime_ns = *(const uint64_t *)value;
	time_t seconds = (time_t)(realtime_ns / NS_PER_S);
	char text[48];
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%09uZ", (unsigned int)(realtime_ns % NS_PER_S));
	return json_string(text);
}

static json_t *write_data(const void *value)
{
	const struct mgmt_frame *frame = value;
	size_t n = BASE64_TEXT_BYTES(frame->n_bytes);
	char *text = malloc(n + 1);
	json_t *data;

	if (!text) {
		return NULL;
	}
	base64_encode(frame->data, frame->n_bytes, text);
	data = json_stringn_nocheck(text, n);
	free(text);
	return data;
}

json_t *json_frame(const struct mgmt_frame *frame)
{
	static const struct json_field field[] = {
		FIELD(mgmt_frame, "time", realtime_ns, write_instant_ns),
		FIELD(mgmt_frame, "port", port, json_write_word),
		FIELD(mgmt_frame, "direction", direction, json_write_word),
		FIELD(mgmt_frame, "reason", reason, json_write_word),
		FIELD(mgmt_frame, "vlan", vlan, json_write_i64),
		FIELD(mgmt_frame, "length", length, json_write_u32),
		{"data", write_data, 0},
	};

	return OBJECT(field, frame);
}

static json_t *write_port(const void *value)
{
	static const struct json_field field[] = {
		FIELD(mgmt_capture_port, "port", port, json_write_text),
		FIELD(mgmt_capture_port, "ifname", ifname, json_write_text_or_null),
		FIELD(mgmt_capture_port, "bridge", bridge, json_write_text_or_null),
		FIELD(mgmt_capture_port, "macaddress", macaddress, json_write_macaddress_or_null),
		FIELD(mgmt_capture_port, "speed_mbps", speed_mbps, json_write_i64),
		FIELD(mgmt_capture_port, "lost", lost, json_write_u64),
	};

	return OBJECT(field, value);
}

json_t *json_capture_ports(const struct mgmt_capture_ports *ports)
{
	return json_list(ports->port, ports->n, sizeof(ports->port[0]), write_port);
}
