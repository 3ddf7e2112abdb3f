/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the worker's loop costs per frame, the kernel's part taken off: two ports, one worker, 64
 * octets, every address known. Wires time themselves. `cold`: headers are flushed out of the caches
 * first, as they come from a device without direct cache access.
 *
 *   bench_worker ADDRESSES [cold]
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macaddr.h"
#include "worker_rig.h"

#define BURST  64u
#define RUN_NS (2 * NS_PER_S)

static struct rig rig;
static uint32_t n_addresses;
static bool cold;
static uint64_t kernel_ns, thread_ns; /* [W] of its CPU time: in the wire, and all in all */

/* CPU time, so that other programs on the machine do not count. */
static uint64_t thread_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t address(uint32_t port_idx, uint32_t n)
{
	return 0x020000000000 | (uint64_t)port_idx << 32 | n;
}

static void flush(const struct kring *kring, uint32_t nth)
{
#if defined(__x86_64__)
	uint32_t at = (kring->rx.producer - 1 - nth) & (kring->xq.rx_size - 1);

	__builtin_ia32_clflush(kring->xq.frames->area + kring->rx_desc[at].addr);
#else
	(void)kring;
	(void)nth;
#endif
}

static void receive(struct wire *wire)
{
	uint64_t begin = thread_now_ns();
	uint32_t from = wire->kring.xq.port_idx, n = 0;
	uint8_t octet[64] = {0};

	octet[12] = 0x88;
	octet[13] = 0xb5;
	for (; n < BURST; n++) {
		macaddr_store(octet, address(3 - from, wire_random(wire, n_addresses)));
		macaddr_store(octet + 6, address(from, wire_random(wire, n_addresses)));
		if (!kring_receive(&wire->kring, octet, sizeof(octet))) {
			break;
		}
	}
	for (uint32_t i = 0; cold && i < n; i++) {
		flush(&wire->kring, i);
	}
	thread_ns = thread_now_ns();
	kernel_ns += thread_ns - begin;
}

static void transmit(struct wire *wire)
{
	uint64_t begin = thread_now_ns();
	struct kring *kring = &wire->kring;

	kring_transmit(kring, kring->xq.tx_size);
	while (kring->n_sent) {
		kring_complete(kring, kring->n_sent - 1);
	}
	thread_ns = thread_now_ns();
	kernel_ns += thread_ns - begin;
}

static void learn_all(void) NO_THREAD_SAFETY
{
	for (uint32_t p = 1; p <= 2; p++) {
		struct fdb_learner learner = {.port_idx = (uint8_t)p, .learning = true};

		for (uint32_t i = 0; i < n_addresses; i++) {
			uint64_t key = fdb_key(RIG_FID, address(p, i));
			struct fdb_source source;
			uint64_t mixed;

			fdb_mix_burst(rig.shared.fdb, &rig.tables, &key, 1, &mixed);
			fdb_learn_burst(rig.shared.fdb, &rig.tables, &learner, &mixed, 1, &source);
		}
	}
}

static void measure(void) NO_THREAD_SAFETY
{
	const struct timespec run = {.tv_sec = RUN_NS / NS_PER_S};
	const struct worker_stats *stats = &rig.worker[0]->stats;
	uint64_t n;

	rig_start(&rig, 0);
	nanosleep(&run, NULL);
	if (!rig_stop(&rig)) {
		exit(1);
	}
	n = counter_read(&stats->tx_packets);
	printf("%u addresses%s: %.1f ns a frame in the loop, %.1f in the wire; %.1f frames a "
	       "turn\n",
	       2 * n_addresses, cold ? ", cold headers" : "",
	       (double)(thread_ns - kernel_ns) / (double)n, (double)kernel_ns / (double)n,
	       (double)n / (double)counter_read(&stats->turns));
}

int main(int argc, char **argv) NO_THREAD_SAFETY
{
	static const uint16_t worker[] = {0};
	const struct rig_config config = {.n_workers = 1, .polling = CONF_POLLING_BUSY,
					  .batch = BURST, .ring_size = 512, .n_frames = 32768};

	n_addresses = (argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1000) / 2;
	cold = argc > 2;
	rig_open(&rig, &config);
	if (n_addresses > 20000) {
		fdb_table_free(rig.tables.cur);
		fdb_table_new(rig.shared.fdb, fdb_lines_log2_for(2 * n_addresses), &rig.tables.cur,
			      NULL);
	}
	learn_all();
	for (uint32_t p = 1; p <= 2; p++) {
		rig_port_open(&rig, p, 1, worker);
		rig.port[p].wire[0].receive = receive;
		rig.port[p].wire[0].transmit = transmit;
	}
	rig_publish(&rig);
	measure();
	return rig_close(&rig) ? 0 : 1;
}
