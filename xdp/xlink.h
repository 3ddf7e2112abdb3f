/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * xlink - a program's attachment that an earlier process left to this one: a descriptor of a
 * bpf_link, of which nothing is known but what the kernel tells.
 *
 * Fits:    daemon/successor.c reads what it inherited; port.c takes it over, so that a device sees
 *          one program replaced by another and no detaching, on which some drivers reset.
 * Threads: control.
 */
#include <stdbool.h>
#include <stdint.h>

struct err;

struct xlink {
	int fd; /* -1: none */
	uint32_t ifindex;
	bool native; /* in the driver, not in the kernel's generic path */
};

/*
 * What 'fd' is: 0, or -errno and what is odd about it: no link, no link to an interface, one whose
 * interface is gone or in another network namespace. 'fd' stays the caller's until 0.
 */
int xlink_read(int fd, struct xlink *ret, struct err *reterr);

/*
 * Takes the program off, whoever else may hold the link, and closes. One without a link, or with a
 * descriptor of something else, is fine.
 */
void xlink_drop(struct xlink *xlink);
