/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every load and store of two real workers counted while frames flow: on queues of their own they
 * have no cache line in common that one of them writes. Where they hand over, what they share is
 * named in sharing.h, and nothing else is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/apart.h"
#include "lines_count.h"
#include "sharing.h"
#include "tap.h"
#include "worker_rig.h"

#define LINE       64u
#define BURST      32u
#define STATIONS   64u
#define STRANGER   0x02000000aa00ull    /* nobody has it */
#define WARM       20000u               /* frames of each worker, before and while it counts */
#define COUNTED    20000u
#define NAMES      16u

extern const char __executable_start;

/* What arrives at a queue; its worker's alone. */
struct flow {
	_Alignas(APART) uint32_t worker_idx;
	uint32_t port_idx, queue_id;
	uint32_t to_port;               /* to the stations of the same queue there; 0: a stranger */
	uint64_t n;
};

/* What two workers have in common, by name. */
struct common {
	const char *name;
	uint32_t n_lines;
	bool both_write;
};

static const uint16_t first[] = {0}, second[] = {1}, both[] = {0, 1};

static struct rig rig;
static struct sharing sharing;
static struct flow flow[RIG_PORTS][RIG_QUEUES];
static struct common common[NAMES];
static uint32_t n_common;

/* ---- traffic: each worker's own queues bring it frames ---- */

/* Stations of the queues are not the rig's, which are static: those are learned. */
static uint64_t station(uint32_t port_idx, uint32_t queue_id, uint64_t n)
{
	return 0x020000010000 | port_idx << 12 | queue_id << 8 | (n % STATIONS);
}

static void bring(struct wire *wire)
{
	struct flow *f = wire->arg;

	lines_count_as(f->worker_idx);
	for (uint32_t i = 0; i < BURST; i++, f->n++) {
		uint64_t src = station(f->port_idx, f->queue_id, f->n);
		uint64_t dst = f->to_port ? station(f->to_port, f->queue_id, f->n / 3) : STRANGER;
		struct wire_frame frame = rig_frame(dst, src, f->n);

		if (!kring_receive(&wire->kring, frame.octet, frame.len)) {
			return;
		}
	}
}

static void sent(struct wire *wire, const uint8_t *octet, uint32_t len)
{
	(void)wire, (void)octet, (void)len;
}

static void port_open(uint32_t port_idx, uint32_t n_queues, const uint16_t *worker,
		      uint32_t to_port) NO_THREAD_SAFETY
{
	rig_port_open(&rig, port_idx, n_queues, worker);
	for (uint32_t q = 0; q < n_queues; q++) {
		struct wire *wire = &rig.port[port_idx].wire[q];

		flow[port_idx][q] = (struct flow){
			.worker_idx = worker[q], .port_idx = port_idx, .queue_id = q,
			.to_port = to_port};
		wire->arg = &flow[port_idx][q];
		wire->receive = bring;
		wire->sent = sent;
	}
}

static bool wait_frames(uint64_t n)
{
	bool all = true;

	for (uint32_t w = 0; w < 2; w++) {
		const _Atomic uint64_t *word = &rig.worker[w]->stats.rx_packets;

		all = rig_wait(word, counter_read(word) + n) && all;
	}
	return all;
}

/* Both workers on the ordinary way, counted. */
static bool run(void) NO_THREAD_SAFETY
{
	bool flows;

	rig_publish(&rig);
	lines_count_clear();
	rig_start_all(&rig);
	flows = wait_frames(WARM);
	lines_count_start();
	flows = wait_frames(COUNTED) && flows;
	lines_count_stop();
	return rig_stop(&rig) && flows;
}

/* ---- what they had in common ---- */

static void list_all(void)
{
	memset(&sharing, 0, sizeof(sharing));
	sharing_add_worker(&sharing, rig.worker[0]);
	sharing_add_worker(&sharing, rig.worker[1]);
	for (uint32_t p = 1; p < RIG_PORTS; p++) {
		for (uint32_t q = 0; q < rig.port[p].n_queues; q++) {
			sharing_add_queue(&sharing, rig.port[p].xq[q], rig.port[p].worker[q]);
		}
	}
	sharing_add_shared(&sharing, &rig.shared);
}

static const char *name_of(uintptr_t line, uint32_t worker_idx)
{
	const char *inherent = sharing_name_inherent(&rig.shared, line);
	const struct sharing_region *region = sharing_find(&sharing, line, LINE, worker_idx);

	return inherent ? inherent : region ? region->name : "unknown";
}

/* true: the first of its name. */
static bool note_common(const char *name, bool both_write)
{
	for (uint32_t i = 0; i < n_common; i++) {
		if (strcmp(common[i].name, name) == 0) {
			common[i].n_lines++;
			common[i].both_write |= both_write;
			return false;
		}
	}
	if (n_common < NAMES) {
		common[n_common++] = (struct common){name, 1, both_write};
	}
	return true;
}

/* A line that the first worker touched: does the second, and does either write it? */
static void look(const struct lines_count *mine, void *arg)
{
	struct lines_count other = lines_count_of(1, mine->line);
	const char *name = name_of(mine->line, mine->n_writes ? 0 : 1);

	(void)arg;
	if (!other.line || !(mine->n_writes || other.n_writes)) {
		return;
	}
	if (note_common(name, mine->n_writes && other.n_writes)) {
		printf("# %s, %#lx: worker 0 reads %lu, writes %lu; worker 1 reads %lu, writes "
		       "%lu; code at %#tx, %#tx\n",
		       name, (unsigned long)mine->line, (unsigned long)mine->n_reads,
		       (unsigned long)mine->n_writes, (unsigned long)other.n_reads,
		       (unsigned long)other.n_writes,
		       (const char *)(mine->n_writes ? mine->writer : mine->reader) -
			       &__executable_start,
		       (const char *)(other.n_writes ? other.writer : other.reader) -
			       &__executable_start);
	}
}

static void count_written(const struct lines_count *mine, void *arg)
{
	*(uint32_t *)arg += mine->n_writes > 0;
}

static void find_common(const char *what)
{
	uint32_t n_written[2] = {0};

	list_all();
	n_common = 0;
	for (uint32_t w = 0; w < 2; w++) {
		lines_count_each(w, count_written, &n_written[w]);
	}
	lines_count_each(0, look, NULL);
	tap_ok(n_written[0] > 100 && n_written[1] > 100,
	       "%s: %u frames each, %u and %u lines written", what, COUNTED, n_written[0],
	       n_written[1]);
	for (uint32_t i = 0; i < n_common; i++) {
		printf("# %s: %u lines of: %s%s\n", what, common[i].n_lines, common[i].name,
		       common[i].both_write ? ", which both write" : "");
	}
}

/* Whether all that they have in common is among these. */
static bool only(const char *const *names, bool both_write)
{
	bool right = true;

	for (uint32_t i = 0; i < n_common; i++) {
		bool named = false;

		for (uint32_t k = 0; names[k]; k++) {
			named = named || strcmp(common[i].name, names[k]) == 0;
		}
		right = right && (named || (both_write && !common[i].both_write));
	}
	return right;
}

/* ---- cases ---- */

static void open_two(void) NO_THREAD_SAFETY
{
	static const struct rig_config config = {.n_workers = 2, .polling = CONF_POLLING_BUSY};

	rig_open(&rig, &config);
}

static void test_own_queues(void) NO_THREAD_SAFETY
{
	open_two();
	port_open(1, 2, both, 2);
	port_open(2, 2, both, 1);
	tap_ok(run(), "own queues: frames flow");
	find_common("own queues");
	tap_ok(n_common == 0, "own queues: no line that one writes is touched by the other");
	tap_ok(counter_read(&rig.worker[0]->stats.handed_over) == 0 && rig_close(&rig),
	       "own queues: nothing was handed over, every frame came home");
}

static void test_floods(void) NO_THREAD_SAFETY
{
	open_two();
	port_open(1, 2, both, 0);
	port_open(2, 2, both, 1);
	port_open(3, 2, both, 0);
	tap_ok(run(), "floods: frames flow");
	find_common("floods");
	tap_ok(n_common == 0, "floods on own queues: nor here");
	tap_ok(rig_close(&rig), "floods: every frame came home");
}

static void test_handover(void) NO_THREAD_SAFETY
{
	static const char *const inherent[] = {"words of frames", "stacks of the pool",
					       "slabs of the pool", "packets", NULL};
	static const char *const read[] = {"words of frames", "stacks of the pool",
					   "slabs of the pool", "packets", "hand-over: head",
					   "hand-over: tail", "hand-over: slots", NULL};

	open_two();
	port_open(1, 1, first, 2);
	port_open(2, 1, second, 1);
	tap_ok(run(), "hand-over: frames flow");
	find_common("hand-over");
	tap_ok(only(inherent, true), "hand-over: both write the frames' words and the pool alone");
	tap_ok(only(read, false), "one writes and the other reads the rings alone");
	/* Not all: what comes while the other waits for its CPU is dropped. */
	tap_ok(counter_read(&rig.worker[0]->stats.handed_over) > 0 &&
		       counter_read(&rig.worker[1]->stats.handed_over) > 0 && rig_close(&rig),
	       "they were handed over, every frame came home");
}

int main(void)
{
	test_own_queues();
	test_floods();
	test_handover();
	return tap_done();
}
