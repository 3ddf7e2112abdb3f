/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * attach - the XDP program of one port: loaded, attached to its interface, told which sockets serve
 * which queue.
 *
 * Fits:    port.c only.
 * Threads: control.
 * Lives:   by a bpf_link that the process holds: when it ends in any way, the kernel takes the
 *          program off, unless a service manager was given the link to hold, too. No pins, no
 *          dispatcher: neither a mounted bpffs nor a name outside of the process is needed.
 */
#include <stdbool.h>
#include <stdint.h>

struct bpf_program;
struct err;
struct switch_bpf;
struct xlink;

struct attach {
	struct switch_bpf *program;
	struct bpf_program *entry; /* the one of its programs that is loaded */
	uint32_t ifindex;
	uint32_t n_sockets; /* of each queue */
	int link_fd; /* -1: not attached */
	bool native; /* how it is attached, or was last */
	bool left; /* attach_done() lets the link be: somebody else holds it */
};

/*
 * Loads a program of the port's own, its map sized for 'n_queues' with 'n_sockets' (1 or more)
 * each; with several, the program spreads a queue's flows over them. 0 or -errno; the caller calls
 * attach_done() either way.
 */
int attach_load(struct attach *attach, uint32_t ifindex, uint32_t n_queues, uint32_t n_sockets,
		struct err *reterr);

/*
 * Refuses an interface that carries a program already: -EBUSY, naming it, before anything is tried
 * that the kernel could take for a replacement.
 */
int attach_check_free(uint32_t ifindex, const char *ifname, struct err *reterr);

/*
 * Attaches in the driver ('native') or in the kernel's generic path. 0 or -errno without a text:
 * the ladder knows more.
 */
int attach_link(struct attach *attach, bool native);
void attach_unlink(struct attach *attach);

/*
 * Puts the program in the place of the one that 'xlink' holds, in one step; 'xlink' is without a
 * link then. 0 or -errno, nothing changed.
 */
int attach_replace(struct attach *attach, struct xlink *xlink);

/* Receive queues of a device: in use now, and the most that it can be given. */
struct attach_queues {
	uint32_t n;
	uint32_t n_max;
};

/* All zeros where the driver does not tell. */
struct attach_queues attach_queues_get(uint32_t ifindex);

/* Directs a queue's frames, or its part of them, to 'socket_fd', and all back to XDP_PASS. */
int attach_set_socket(struct attach *attach, uint32_t queue_id, uint32_t socket_id, int socket_fd);
void attach_clear_sockets(struct attach *attach, uint32_t queue_id);

void attach_done(struct attach *attach);
