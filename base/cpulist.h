/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * cpulist - sets of small numbers written "1-3,8": CPUs (0 to 1023) and VLAN ids (1 to 4094).
 * "" is none. The spelling of /sys/devices/system/cpu/online and of irqbalance. Any thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NUMSET_MAX 4096

struct numset {
	uint64_t word[NUMSET_MAX / 64];
};

static inline bool numset_has(const struct numset *set, uint32_t n)
{
	return n < NUMSET_MAX && (set->word[n / 64] >> (n % 64) & 1);
}

static inline void numset_add(struct numset *set, uint32_t n)
{
	set->word[n / 64] |= 1ull << (n % 64);
}

static inline bool numset_equal(const struct numset *a, const struct numset *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool numset_is_empty(const struct numset *set);
bool numset_meet(const struct numset *a, const struct numset *b);       /* share a member */
struct numset numset_union(const struct numset *a, const struct numset *b);
struct numset numset_without(const struct numset *set, const struct numset *less);

/* Parses 'text' whole; every number lies in min..max. false: not such a list, '*ret' untouched. */
bool numset_parse(const char *text, uint32_t min, uint32_t max, struct numset *ret);

uint32_t numset_count(const struct numset *set);

/*
 * The smallest member >= 'from', or NUMSET_MAX.
 * Loop: for (n = numset_next(s, 0); n < NUMSET_MAX; n = numset_next(s, n + 1)).
 */
uint32_t numset_next(const struct numset *set, uint32_t from);

/* Canonical text, ranges united. Returns 'buf'; cut after a whole range where it does not fit. */
char *numset_format(const struct numset *set, char *buf, uint32_t buf_bytes);
