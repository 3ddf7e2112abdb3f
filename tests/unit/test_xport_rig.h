/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * test_xport_rig - what the tests of xdp/port.h share: a veth pair of four queues, vtx0 and vtx1,
 * in a network namespace that ends with the process, a packet buffer, and frames with a mark.
 *
 * What is not there for want of something outside of the test ends it ("Bail out!").
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "xdp/port.h"

#define N_FRAMES    8192u
#define N_QUEUES    4u
#define RING	    256u
#define ETHER_TEST  0x88b5u /* IEEE's for experiments: nobody else sends it here */
#define FRAME_BYTES 60u
#define DEADLINE_NS (3 * NS_PER_S)

struct rig {
	struct frames *frames;
	struct frame_cache cache;
};

/* A namespace of the process's own, with the pair in it. false: not permitted. */
bool rig_enter(void);
void rig_veth_make(void);
void rig_run(const char *command);
void rig_bail(const char *what);

/* A packet buffer and a cache; whole: every frame is in one of the two. done: was it whole? */
void rig_init(struct rig *rig);
bool rig_whole(const struct rig *rig);
bool rig_done(struct rig *rig);

/* Opens vtx0 or vtx1, in any mode or in the one named. */
struct xport_config rig_config_of(const char *ifname);
struct xport *rig_open_config(struct rig *rig, const struct xport_config *config);
struct xport *rig_open_mode(struct rig *rig, const char *ifname, enum xq_mode mode);

/* xport_open() that must fail. Returns its error; prints its text. */
int rig_open_refused(struct rig *rig, const struct xport_config *config, struct err *ret_err);

/* A frame from the cache, with 'mark' in it, ready to be sent. */
struct frame_desc rig_frame_make(struct rig *rig, uint32_t mark);

/* The mark of one of our frames; false for what others send. */
bool rig_frame_mark(const struct rig *rig, const struct frame_desc *desc, uint32_t *ret_mark);

/* One turn of a port: gives back what was sent, refills, kicks. */
void rig_turn(struct rig *rig, struct xport *xport);

/*
 * Waits for the frame with 'mark' on any queue; it is the caller's. Returns the queue, or N_QUEUES.
 * 'from' (NULL: none) gets its turns meanwhile.
 */
uint32_t rig_await(struct rig *rig, struct xport *to, struct xport *from, uint32_t mark,
		   struct frame_desc *ret_desc);

/* A station: a packet socket that sends and awaits marked frames. */
int rig_packet_open(const char *ifname);
bool rig_packet_send(int fd, uint32_t mark);
bool rig_packet_await(int fd, uint32_t mark);

/* Of this process. Rings that are still mapped keep their sockets, whoever closes descriptors. */
uint32_t rig_count_fds(void);
uint32_t rig_count_mapped_sockets(void);

/* The id of the XDP program on an interface, or 0; and whether the kernel has freed it, in time. */
uint32_t rig_program_on(const char *ifname);
bool rig_program_gone(uint32_t id);

/* A deadline for a close that lets it take its time. */
static inline uint64_t rig_soon(void)
{
	return clock_now_ns() + DEADLINE_NS;
}

/* Between two looks at a condition. */
void rig_pause_short(void);
