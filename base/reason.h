/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * reason - why a frame was dropped. The words are the JSON keys and the metric labels of manual 3;
 * every list of them in the program is made from these two.
 *
 * What is refused before a destination is chosen is a receive drop, counted at the port of entry;
 * after that a transmit drop, counted at the port of exit.
 */
#define RX_DROP_REASONS(X)                                                                         \
	X(RUNT, runt) /* shorter than its Ethernet header */                                       \
	X(OVERSIZE, oversize) /* longer than the port's MTU and header */                          \
	X(INVALID_SOURCE, invalid_source) /* a group address or zero */                            \
	X(LINK_LOCAL, link_local) /* 802.1Q table 8-1, not in group-forward */                     \
	X(VLAN_NOT_ALLOWED, vlan_not_allowed)                                                      \
	X(FRAME_TYPE, frame_type)                                                                  \
	X(LOCKED, locked)                                                                          \
	X(BLACKHOLE, blackhole)                                                                    \
	X(SAME_PORT, same_port)                                                                    \
	X(ISOLATED, isolated)                                                                      \
	X(NO_DESTINATION, no_destination) /* a flood to nobody */                                  \
	X(PORT_STATE, port_state)                                                                  \
	X(NO_FRAME, no_frame) /* no packet buffer for the second form of a flood */                \
	X(STORM_CONTROL, storm_control)

#define TX_DROP_REASONS(X)                                                                         \
	X(RING_FULL, ring_full)                                                                    \
	X(HANDOVER_FULL, handover_full)                                                            \
	X(OVERSIZE, oversize) /* longer than this port's MTU and header */                         \
	X(DOUBLE_TAG, double_tag) /* untagged exit of a trunk, payload begins with a tag */        \
	X(NO_CARRIER, no_carrier)                                                                  \
	X(EXPRESS_LOST, express_lost)

enum rx_drop {
#define X(upper, lower) RX_DROP_##upper,
	RX_DROP_REASONS(X)
#undef X
	RX_DROP_N,
};

enum tx_drop {
#define X(upper, lower) TX_DROP_##upper,
	TX_DROP_REASONS(X)
#undef X
	TX_DROP_N,
};

extern const char *const rx_drop_name[RX_DROP_N];
extern const char *const tx_drop_name[TX_DROP_N];
