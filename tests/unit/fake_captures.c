/* SPDX-License-Identifier: BSD-2-Clause */
#include "fake_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define N_FRAMES 3u
#define BEGIN_NS UINT64_C(1772356502123456789)

struct mgmt_capture {
	char port[MGMT_NAME_BYTES];     /* "": all */
	bool drops, told;
	uint32_t snap_bytes;
	uint64_t nth;                   /* of the next frame */
};

static const uint8_t data[72] = {
	2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 20, 8, 0, 0x45,
};

static const struct mgmt_frame frames[N_FRAMES] = {
	{.realtime_ns = BEGIN_NS, .port = "enp2s0", .direction = "rx", .vlan = 20,
	 .length = sizeof(data), .data = data, .n_bytes = sizeof(data)},
	{.realtime_ns = BEGIN_NS + 1000, .port = "enp3s0", .direction = "tx", .vlan = 20,
	 .length = sizeof(data), .data = data, .n_bytes = sizeof(data)},
	{.realtime_ns = BEGIN_NS + 2000, .port = "enp3s0", .direction = "rx", .reason = "runt",
	 .vlan = MGMT_NULL, .length = 13, .data = data, .n_bytes = 13},
};

enum mgmt_error fake_capture_open(void *ctx, const struct mgmt_capture_filter *filter,
				  struct mgmt_capture **ret, struct err *reterr)
{
	struct fake *fake = ctx;
	struct mgmt_capture *capture;

	if (filter->port && strcmp(filter->port, "enp2s0") != 0 &&
	    strcmp(filter->port, "enp3s0") != 0) {
		err_set(reterr, ENOENT, "there is no port '%s'", filter->port);
		return MGMT_NOT_FOUND;
	}
	if (fake->n_captures) {
		err_set(reterr, EUSERS, "1 captures are running already");
		return MGMT_TOO_MANY;
	}
	capture = calloc(1, sizeof(*capture));
	if (!capture) {
		return MGMT_BUSY;
	}
	if (filter->port) {
		memcpy(capture->port, filter->port, strlen(filter->port));
	}
	capture->drops = filter->drops;
	capture->snap_bytes = filter->snap_bytes;
	fake->snap_bytes = filter->snap_bytes;
	fake->n_captures++;
	*ret = capture;
	return MGMT_OK;
}

static bool wants(const struct mgmt_capture *capture, const struct mgmt_frame *frame)
{
	return (!*capture->port || strcmp(capture->port, frame->port) == 0) &&
	       (!capture->drops || frame->reason);
}

uint32_t fake_capture_read(void *ctx, struct mgmt_capture *capture, uint32_t max,
			   mgmt_frame_fn *fn, void *arg)
{
	const struct fake *fake = ctx;
	uint32_t n = 0;

	while (n < max && (fake->floods || capture->nth < N_FRAMES)) {
		struct mgmt_frame frame = frames[capture->nth++ % N_FRAMES];

		if (!wants(capture, &frame)) {
			continue;
		}
		if (frame.n_bytes > capture->snap_bytes) {
			frame.n_bytes = capture->snap_bytes;
		}
		n++;
		if (!fn(&frame, arg)) {
			break;
		}
	}
	return n;
}

enum mgmt_error fake_capture_ports(void *ctx, struct mgmt_capture *capture,
				   struct mgmt_capture_ports *ret, struct err *reterr)
{
	static const struct mgmt_capture_port ports[] = {
		{"enp2s0", "enp2s0", "lan", 0x020000000102, 1000, 7},
		{"enp3s0", "", "lan", MGMT_NULL, MGMT_NULL, 0},
	};

	(void)ctx;
	(void)reterr;
	ret->port = calloc(2, sizeof(ports[0]));
	if (!ret->port) {
		return MGMT_BUSY;
	}
	for (uint32_t i = 0; i < 2 && !capture->told; i++) {
		if (!*capture->port || !strcmp(capture->port, ports[i].port)) {
			ret->port[ret->n++] = ports[i];
		}
	}
	capture->told = true;
	return MGMT_OK;
}

void fake_capture_close(void *ctx, struct mgmt_capture *capture)
{
	struct fake *fake = ctx;

	fake->n_captures--;
	free(capture);
}
