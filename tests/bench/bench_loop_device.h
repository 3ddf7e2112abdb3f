/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * bench_loop_device - all devices of one worker, and the clock that takes them off: once a turn the
 * worker's last queue asks for a wake-up, and inside that recvfrom() every TX ring is emptied and
 * completed in order, every receiving port gets a burst.
 *
 * Fits:    bench_loop.c; the executable is linked with --wrap=recvfrom.
 * Threads: made by the main thread; all else by the worker that the queues belong to.
 * Time:    the loop's part is what passes between two calls, taken in slices of some turns each.
 *          A slice in which another program had the CPU is an outlier among many; medians are
 *          blind to it. What they do not see is a neighbour on the core's other hyperthread, which
 *          a virtual machine may have for seconds: so each turn times a yardstick as well, a fixed
 *          piece of arithmetic that fills the core, and slices in which it took longer do not
 *          count.
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/apart.h"
#include "daemon/bridge/capture.h"
#include "daemon/handover.h"
#include "fakes/kring.h"

#define DEVICE_PORTS   33u      /* port_idx 1 .. 32 */
#define DEVICE_OUT     8u       /* workers that frames may be handed over to */
#define DEVICE_SLICES  65536u   /* kept; of a longer run the last ones */

/* Of some turns: nanoseconds a frame in the loop, and of the yardstick. */
struct device_slice {
	float loop_ns, yard_ns;
};

/* What the slices tell; 'n' of them counted. */
struct device_figures {
	uint64_t n;
	double p10, median, p90;        /* nanoseconds a frame */
	double yard;                    /* the yardstick's nanoseconds in these slices, median */
};

/* What arrives at one port. Addresses are those of device_address(). */
struct device_traffic {
	uint32_t burst;         /* frames a turn; 0: none */
	uint32_t len;
	uint32_t to_port;       /* destinations are stations of this port; 0: see 'dst' */
	bool to_any;            /* or of any other port, at random */
	uint64_t dst;           /* one destination for all */
	uint16_t vid;           /* the tag's; 0: untagged */
	bool cold;              /* headers are flushed out of the caches */
};

struct device {
	/* [const] by port_idx; NULL: no queue here */
	_Alignas(APART) struct kring *kring[DEVICE_PORTS];
	struct device_traffic traffic[DEVICE_PORTS];
	uint32_t n_ports;                       /* [const] port_idx 1 .. n_ports */
	/*
	 * [const] Where the worker may hand over to. Nothing arrives while there is no room, for a
	 * worker that waits for its CPU would make the others drop, which is cheaper than sending.
	 */
	const struct handover *out[DEVICE_OUT];
	uint32_t n_out;
	uint32_t n_addresses;                   /* [const] stations a port */
	uint32_t slice_turns;                   /* [const] */
	uint32_t spread;                        /* [const] of so many turns one empties a TX ring */
	bool profiled;                          /* [const] sampled, see bench_loop_profile.h */
	uint64_t n_turns_max, n_frames_max;     /* [const] then nothing arrives any more */
	uint64_t run_ticks;                     /* [const] the same; 0: no such limit */
	/* [W] */
	uint64_t deadline_ticks;                /* counted from the first turn */
	uint64_t random;
	uint64_t left_at;                       /* when the last call ended */
	uint64_t loop_ticks, yard_ticks, slice_frames;  /* of the slice so far */
	uint64_t n_given;                       /* in the last turn */
	uint32_t slice_n;                       /* turns of the slice so far */
	uint32_t n_quiet;                       /* turns since the last frame came */
	uint64_t n_turns, n_received, n_lost, n_sent;
	uint64_t total_loop_ticks;
	uint64_t n_slices;
	struct device_slice *slice;             /* DEVICE_SLICES */
	volatile uint64_t yard;                 /* the yardstick's result */
	struct capture_ring *captured;          /* emptied each turn, unread; or NULL */
	_Atomic bool *stop;                     /* set when the last frame has left; or NULL */
	sem_t *stopped;                         /* then this is posted */
	_Atomic uint32_t *n_running;
};

/* Ticks of a clock that costs next to nothing; device_clock_calibrate() before device_tick_ns. */
uint64_t device_ticks(void);
void device_clock_calibrate(void);
double device_tick_ns(void);

static inline uint64_t device_address(uint32_t port_idx, uint32_t n)
{
	return 0x020000000000 | (uint64_t)port_idx << 32 | n;
}

/* The descriptor of a queue; one of each worker's asks for the wake-up that drives 'device'. */
int device_fd(uint32_t worker_idx);
void device_register(uint32_t worker_idx, struct device *device);

/*
 * Of the slices in which the yardstick took no longer than 'yard_ns', with some tolerance; 0: no
 * longer than in the run's best. Sorts them.
 */
struct device_figures device_figures(struct device *device, double yard_ns);
