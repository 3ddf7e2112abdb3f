/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * hostport - the interface through which the box itself is on a bridge (manual 1, Ports).
 *
 * A veth pair: the end called as the file says is the box's, the other ("vd-...") is an ordinary
 * member with AF_XDP on it.
 *
 * Fits:    ports.c opens it before its member and closes it after; queues/journal notes it.
 * Threads: control only.
 * Box end: transmit checksums and VLAN tags are put in before a frame leaves it, since on veth both
 *          are marks beside the frame, which XDP does not see. GRO is on, and with it NAPI, without
 *          which a frame that XDP redirects there is lost.
 * Ours is: a pair that the journal lists and whose far end has our mark (hostport_mark.h). It is
 *          the last thing that making one sets, so a pair without it was left half-made by a crash
 *          and is made anew. The box's end is the user's to change: alias, addresses, state.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "queues/journal.h"

struct hostport_config {
	const char *ifname;             /* the box's end */
	bool has_macaddress;            /* false: made of machine-id and name */
	uint64_t macaddress;
	uint32_t mtu;
	uint32_t n_queues;              /* of both ends; an adopted pair keeps its own */
};

struct hostport_info {
	char ifname[16], peer_ifname[16];
	uint32_t ifindex, peer_ifindex;
	uint64_t macaddress;            /* of the box's end */
	uint32_t mtu, n_queues;
	bool adopted;
	char note[512];                 /* what to warn of; "": nothing */
};

struct hostport;

/*
 * Makes the pair, or adopts the one that an earlier run left. Both ends of a new one are set up; of
 * an adopted one only ours, and nothing that is right already is touched. Our end has to be up
 * until its member is open, AF_XDP binds to no other: say hostport_set_carrier() after that.
 * -EEXIST: the name is another interface's.
 */
int hostport_open(const struct hostport_config *config, struct journal *journal,
		  struct hostport **ret, struct err *reterr);
const struct hostport_info *hostport_get(const struct hostport *hostport);

/*
 * The box's end has carrier while ours is up. A program and bound sockets on ours outlast its being
 * down: a kick says ENETDOWN then, and what is in a TX ring goes out with the first kick after it.
 */
int hostport_set_carrier(struct hostport *hostport, bool carrier, struct err *reterr);
/*
 * What another configuration wants of the pair that there is: address (of the box's end) and MTU.
 * 0 or -errno.
 */
int hostport_change(struct hostport *hostport, const struct hostport_config *config,
		    struct err *reterr);
/* Of both ends. */
int hostport_set_mtu(struct hostport *hostport, uint32_t mtu, struct err *reterr);

/*
 * remove: deletes the pair and forgets it; else it stays, listed in the journal, for a successor.
 * NULL is fine. Frees 'hostport' in any case; an error says that the pair is still listed.
 */
int hostport_close(struct hostport *hostport, bool remove, struct err *reterr);

/* The address for this name on the machine with this id: local bit set, the same for ever. */
uint64_t hostport_macaddress(const char *machine_id, const char *ifname);
