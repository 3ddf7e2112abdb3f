/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/captures.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/epoch.h"
#include "daemon/bridge/counters.h"
#include "daemon/inspect.h"

/*
 * A worker stamps a burst when it begins and shows it when it ends: what is younger waits for what
 * other workers are about to show, so that frames are told in order.
 */
#define SETTLE_NS (2 * NS_PER_MS)

#define TYPE_AT   12u
#define TCI_AT    14u
#define TYPE_VLAN 0x8100u
#define VID_MASK  0x0fffu

/* What the client knows of a port: of a place in vswitch->port, which may be another's later. */
struct told {
	bool seen, told;
	uint64_t lost, lost_before;     /* of this port, and of those that had its place before */
	char name[CONF_NAME_BYTES];     /* as it was when frames of it came last */
	/* frames from then on (realtime) are another port's; 0: there is none */
	uint64_t next_ns, next_lost_before;
	uint64_t since_ns;              /* since when the place is of the port that has it now */
};

struct mgmt_capture {
	struct vswitch *vswitch;
	uint32_t slot;                  /* of worker_shared.capture */
	uint32_t n_workers;
	uint32_t port_idx;              /* of the one port that is wanted; PORT_NONE: all */
	struct capture_ring *ring;      /* of each worker */
	uint8_t *data;                  /* of all rings */
	size_t data_bytes;
	struct told told[VIEW_PORTS];
};

/* ---- life ---- */

static void capture_free(void *arg)
{
	struct mgmt_capture *capture = arg;

	free(capture->ring);
	free(capture->data);
	free(capture);
}

/* No worker can see its rings any more. Until now its place and memory counted. */
static void capture_is_gone(void *arg)
{
	struct mgmt_capture *capture = arg;

	capture->vswitch->capture[capture->slot] = NULL;
	capture_free(capture);
}

static uint32_t ring_bytes(uint32_t n_workers)
{
	uint32_t bytes = CAPTURE_RING_BYTES_MAX;

	while (bytes > CAPTURE_RING_BYTES_MIN && bytes > CAPTURE_BYTES / n_workers) {
		bytes /= 2;
	}
	return bytes;
}

static int make_rings(struct mgmt_capture *capture, const struct mgmt_capture_filter *filter)
{
	uint32_t bytes = ring_bytes(capture->n_workers);

	capture->data_bytes = (size_t)bytes * capture->n_workers;
	capture->data = apart_alloc(capture->data_bytes);
	capture->ring = apart_alloc(capture->n_workers * sizeof(*capture->ring));
	if (!capture->data || !capture->ring) {
		return -ENOMEM;
	}
	for (uint32_t w = 0; w < capture->n_workers; w++) {
		struct capture_ring *ring = &capture->ring[w];

		ring->data = capture->data + (size_t)w * bytes;
		ring->size = bytes;
		ring->snap_bytes = filter->snap_bytes;
		ring->drops_only = filter->drops;
		if (capture->port_idx != PORT_NONE) {
			portset_add(&ring->ports, capture->port_idx);
		} else {
			memset(&ring->ports, 0xff, sizeof(ring->ports));
		}
	}
	return 0;
}

static uint32_t free_slot(const struct vswitch *vswitch)
{
	uint32_t slot = 0;

	while (slot < CAPTURE_MAX && vswitch->capture[slot]) {
		slot++;
	}
	return slot;
}

enum mgmt_error captures_open(void *ctx, const struct mgmt_capture_filter *filter,
			      struct mgmt_capture **ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	const struct port *port = filter->port ? port_find(vswitch, filter->port) : NULL;
	uint32_t slot = free_slot(vswitch);
	struct mgmt_capture *capture;

	role_assert_control();
	if (filter->port && !port) {
		return inspect_not_found(reterr, "port", filter->port);
	}
	if (slot == CAPTURE_MAX) {
		err_set(reterr, EUSERS, "%u captures are running already", CAPTURE_MAX);
		return MGMT_TOO_MANY;
	}
	capture = calloc(1, sizeof(*capture));
	if (!capture) {
		return inspect_out_of_memory(reterr);
	}
	capture->vswitch = vswitch;
	capture->slot = slot;
	capture->n_workers = vswitch->plan.n_workers;
	capture->port_idx = port ? port->idx : PORT_NONE;
	if (make_rings(capture, filter) < 0) {
		capture_free(capture);
		return inspect_out_of_memory(reterr);
	}
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		struct told *told = &capture->told[i];

		told->seen = vswitch->port[i].idx && (!port || port->idx == i);
		memcpy(told->name, vswitch->port[i].name, sizeof(told->name));
	}
	vswitch->capture[slot] = capture;
	/* Release pairs with the loads of worker_capture.c: who sees a ring sees it whole. */
	atomic_store_explicit(&vswitch->shared.capture[slot], capture->ring, memory_order_release);
	atomic_store_explicit(&vswitch->shared.capturing, true, memory_order_relaxed);
	*ret = capture;
	return MGMT_OK;
}

void captures_close(void *ctx, struct mgmt_capture *capture)
{
	struct vswitch *vswitch = ctx;
	bool capturing = false;

	role_assert_control();
	atomic_store_explicit(&vswitch->shared.capture[capture->slot], NULL, memory_order_release);
	for (uint32_t c = 0; c < CAPTURE_MAX; c++) {
		capturing |= atomic_load_explicit(&vswitch->shared.capture[c],
						  memory_order_relaxed) != NULL;
	}
	atomic_store_explicit(&vswitch->shared.capturing, capturing, memory_order_relaxed);
	if (reclaim_after_grace(vswitch->reclaim, capture_is_gone, capture) < 0) {
		/* no memory for the job: waiting here is better than leaking */
		epoch_synchronize();
		capture_is_gone(capture);
	}
}

uint64_t captures_memory_bytes(const struct vswitch *vswitch)
{
	uint64_t bytes = 0;

	for (uint32_t c = 0; c < CAPTURE_MAX; c++) {
		if (vswitch->capture[c]) {
			bytes += vswitch->capture[c]->data_bytes;
		}
	}
	return bytes;
}

/* ---- frames ---- */

static uint64_t lost_at(const struct mgmt_capture *capture, uint32_t port_idx)
{
	uint64_t n = 0;

	for (uint32_t w = 0; w < capture->n_workers; w++) {
		n += counter_read(&capture->ring[w].n_lost[port_idx]);
	}
	return n;
}

/* What is wanted is one port, and that has gone: no worker writes what its heir has. */
static void stop_if_wanted(struct vswitch *vswitch, struct mgmt_capture *capture,
			   const struct port *port)
{
	if (capture->port_idx == port->idx &&
	    strcmp(capture->told[port->idx].name, port->name) != 0) {
		atomic_store_explicit(&vswitch->shared.capture[capture->slot], NULL,
				      memory_order_release);
	}
}

void captures_port_came(struct vswitch *vswitch, const struct port *port)
{
	role_assert_control();
	for (uint32_t c = 0; c < CAPTURE_MAX; c++) {
		struct mgmt_capture *capture = vswitch->capture[c];
		struct told *told = capture ? &capture->told[port->idx] : NULL;

		if (!capture) {
			continue;
		}
		stop_if_wanted(vswitch, capture, port);
		told->since_ns = clock_realtime_ns();
		if (told->next_ns == 0 && told->seen) {
			told->next_ns = told->since_ns;
			told->next_lost_before = lost_at(capture, port->idx);
		}
	}
}

/* The VLAN that a frame is in as it stands on the wire of its port; MGMT_NULL: none is known. */
static int64_t vlan_of(const struct vswitch *vswitch, const struct port *port,
		       const struct capture_record *record)
{
	uint32_t vid = 0;

	if (!vswitch->bridge[port->bridge_idx].conf->vlan_filtering) {
		return MGMT_NULL;
	}
	if (record->n_bytes >= TCI_AT + 2 &&
	    (uint32_t)(record->data[TYPE_AT] << 8 | record->data[TYPE_AT + 1]) == TYPE_VLAN) {
		vid = (uint32_t)(record->data[TCI_AT] << 8 | record->data[TCI_AT + 1]) & VID_MASK;
	}
	vid = vid ? vid : port->pvid;
	return vid ? vid : MGMT_NULL;
}

static const char *reason_of(const struct capture_record *record)
{
	if (record->reason == CAPTURE_PASSED) {
		return NULL;
	}
	return record->kind == CAPTURE_RX ? rx_drop_name[record->reason]
					  : tx_drop_name[record->reason];
}

/* Is what is told of now of the port that has the place now? */
static bool is_of(const struct told *told, const struct port *port)
{
	return port->idx && told->next_ns == 0;
}

static struct mgmt_frame frame_of(const struct vswitch *vswitch, struct mgmt_capture *capture,
				  const struct capture_record *record)
{
	const struct port *port = &vswitch->port[record->port_idx];
	struct told *told = &capture->told[record->port_idx];

	if (told->next_ns && record->realtime_ns >= told->next_ns) {
		told->lost_before = told->next_lost_before;
		told->lost = 0;
		told->next_ns = 0;
		told->told = false;
	}
	if (is_of(told, port) && strcmp(told->name, port->name) != 0) {
		memcpy(told->name, port->name, sizeof(told->name));
		told->told = false;
	}
	told->seen = true;
	return (struct mgmt_frame){
		.realtime_ns = record->realtime_ns,
		.port = told->name,
		.direction = record->kind == CAPTURE_RX ? "rx" : "tx",
		.reason = reason_of(record),
		.vlan = is_of(told, port) ? vlan_of(vswitch, port, record) : MGMT_NULL,
		.length = record->len,
		.data = record->data,
		.n_bytes = record->n_bytes,
	};
}

/* Of a port that came and went before the client read so far: nobody knows its name. */
static bool is_nameless(const struct mgmt_capture *capture, const struct capture_record *record)
{
	const struct told *told = &capture->told[record->port_idx];

	return told->next_ns && record->realtime_ns >= told->next_ns &&
	       record->realtime_ns < told->since_ns;
}

/* The oldest record of all rings; NULL: none, or it may have elder sisters still to be shown. */
static const struct capture_record *oldest(struct mgmt_capture *capture, uint64_t now_ns,
					   struct capture_ring **ret_ring)
{
	const struct capture_record *found = NULL;

	for (uint32_t w = 0; w < capture->n_workers; w++) {
		const struct capture_record *record = capture_peek(&capture->ring[w]);

		if (record && (!found || record->realtime_ns < found->realtime_ns)) {
			found = record;
			*ret_ring = &capture->ring[w];
		}
	}
	/* Where the clock was set back, what seems to come from the future is told. */
	if (found && found->realtime_ns <= now_ns && now_ns - found->realtime_ns < SETTLE_NS) {
		return NULL;
	}
	return found;
}

uint32_t captures_read(void *ctx, struct mgmt_capture *capture, uint32_t max, mgmt_frame_fn *fn,
		       void *arg)
{
	struct vswitch *vswitch = ctx;
	uint64_t now_ns = clock_realtime_ns();
	uint32_t n = 0;

	while (n < max) {
		struct capture_ring *ring = NULL;
		const struct capture_record *record = oldest(capture, now_ns, &ring);
		struct mgmt_frame frame;
		bool more;

		if (!record) {
			break;
		}
		if (is_nameless(capture, record)) {
			capture_pop(ring, record);
			continue;
		}
		frame = frame_of(vswitch, capture, record);
		more = fn(&frame, arg);
		capture_pop(ring, record);
		n++;
		if (!more) {
			break;
		}
	}
	return n;
}

/* ---- ports ---- */

static void port_fill(const struct vswitch *vswitch, const struct port *port,
		      const struct told *told, struct mgmt_capture_port *ret)
{
	struct mgmt_port link;

	*ret = (struct mgmt_capture_port){
		.macaddress = MGMT_NULL,
		.speed_mbps = MGMT_NULL,
		.lost = told->lost,
	};
	memcpy(ret->port, told->name, sizeof(ret->port));
	if (!is_of(told, port)) {
		return;
	}
	memcpy(ret->bridge, vswitch->bridge[port->bridge_idx].conf->name, sizeof(ret->bridge));
	inspect_port_link(port, &link);
	memcpy(ret->ifname, link.ifname, sizeof(ret->ifname));
	ret->macaddress = link.macaddress;
	ret->speed_mbps = link.speed_mbps;
}

enum mgmt_error captures_ports(void *ctx, struct mgmt_capture *capture,
			       struct mgmt_capture_ports *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct mgmt_capture_ports ports = {.port = calloc(VIEW_PORTS, sizeof(*ports.port))};

	if (!ports.port) {
		return inspect_out_of_memory(reterr);
	}
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *port = &vswitch->port[i];
		struct told *told = &capture->told[i];
		uint64_t lost = (told->next_ns ? told->next_lost_before : lost_at(capture, i)) -
				told->lost_before;

		if (!told->seen || (told->told && lost == told->lost)) {
			continue;
		}
		if (!told->told && is_of(told, port)) {
			memcpy(told->name, port->name, sizeof(told->name));
		}
		told->told = true;
		told->lost = lost;
		port_fill(vswitch, port, told, &ports.port[ports.n++]);
	}
	*ret = ports;
	return MGMT_OK;
}
