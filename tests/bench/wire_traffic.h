/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#pragma once
/*
 * wire_traffic - what wire_traffic.bpf.c and the programs that load it have in common: variables of
 * the BPF programs, written by one side while the other only reads.
 */
#define WIRE_CPUS     64
#define WIRE_ETHERTYPE 0x88b5 /* for local experiments: no protocol of anybody parses further */

/*
 * How the senders' frames look. Written before a call of BPF_PROG_RUN and constant during it, but
 * for the limit; while that is reached, n_sent may be set back.
 */
struct wire_order {
	unsigned int n_pairs;    /* stations on either side; the i-th talks to the i-th */
	unsigned int from_side;  /* 0 or 1: which side's addresses are the sources */
	unsigned int in_order;   /* 1: pair after pair; 0: random pairs */
	unsigned int unused;
	unsigned long long limit; /* of n_sent: then none */
};

/* The sender of one CPU. One cache line each. */
struct wire_sender {
	unsigned long long n_sent;
	unsigned int lcg;
	unsigned int unused[13];
};

/* One cache line a CPU. */
struct wire_count {
	unsigned long long n[2]; /* by the side of the interface */
	unsigned long long unused[6];
};
