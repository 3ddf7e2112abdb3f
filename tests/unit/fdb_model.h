/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * The naive model of the learning table and the world that it is compared with; test_fdb_model.c.
 */
#include "daemon/bridge/fdb_internal.h"
#include "tests/unit/test_fdb.h"

enum {
	N_KEYS = 2048,
	N_CROWDED = 512,
	CROWDED_LINES = 16,
	N_PORTS = 6, /* 1 .. 5 */
	N_GROUPS = 2,
	N_FIDS = 4, /* even FIDs belong to group 0, odd ones to 1 */
	LINES_LOG2_MAX = 17,
	LATE_TICKS = 3, /* how late the ager comes at most */
};

struct model_entry {
	bool present, is_static, sticky, local;
	uint8_t port;
	uint64_t tick; /* of its last refresh; never wraps */
};

/* What is published, and who may still see what. */
enum stage {
	STAGE_SINGLE,
	STAGE_CLOSED, /* the pair is published; some see old alone */
	STAGE_MIGRATING,
	STAGE_DRAINED, /* cur is published; some still see the pair */
};

struct world {
	struct test_rng rng;
	struct fdb *fdb;
	struct fdb_tables pair;
	enum stage stage;
	uint32_t migrate_cursor;
	uint64_t key[N_KEYS], mixed[N_KEYS];
	bool crowded[N_KEYS];           /* both of its buckets may be full: see keys_crowd() */
	struct model_entry entry[N_KEYS];
	uint32_t clock[N_GROUPS];
	uint32_t last_aged[N_GROUPS];
	uint32_t port_n[N_PORTS], port_limit[N_PORTS];
	uint32_t group_n[N_GROUPS], group_limit[N_GROUPS];
	struct fdb_counts counts;
	const char *failed;
	uint32_t n_of[FDB_FORGOTTEN + 1], n_full_seen, n_aged, n_grown, n_flushed, n_enospc;
};

#define CHECK(w, cond)                                                                             \
	do {                                                                                       \
		if (!(cond) && !(w)->failed) {                                                     \
			(w)->failed = #cond;                                                       \
		}                                                                                  \
	} while (0)

/* ---- fdb_model.c: the model, and what workers do ---- */

uint32_t key_group_of(const struct world *w, uint32_t k);
uint32_t key_index(const struct world *w, uint64_t key);
uint64_t tick_of(const struct world *w, uint32_t k, uint32_t clock);
struct fdb_tables view_control(const struct world *w);
void count_learned(struct world *w, uint32_t k, uint8_t port, int by);
/* Both buckets of the key are full in the table that takes new ones. */
bool is_crowded_out(const struct fdb_tables *tables, uint32_t k, const struct world *w);
void entry_check(struct world *w, uint32_t k, const struct fdb_entry *got);
void step_learn(struct world *w);
void step_lookup(struct world *w);
void step_find(struct world *w);
void step_copy(struct world *w);
