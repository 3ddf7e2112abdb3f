/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/tables.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/addresses.h"
#include "daemon/publish.h"

#define MIGRATE_SLICE_LINES 4096u

/*
 * ---- growing: make, publish the pair, grace period, copy, publish alone, grace period, free ----
 */

/* A pass by cursor belongs to one pair of tables: passes under way begin again. */
static void set_tables(struct vswitch *vswitch, struct fdb_tables tables)
{
	vswitch->tables = tables;
	vswitch->tables_epoch++;
	vswitch->age.cursor = 0;
}

static void job_ends(struct vswitch *vswitch)
{
	vswitch->table_job.running = false;
	vswitch->table_job.flushing = false;
	sd_event_source_disable_unref(vswitch->table_job.source);
	vswitch->table_job.source = NULL;
}

static void old_is_gone(void *arg) NO_THREAD_SAFETY
{
	struct vswitch *vswitch = arg;

	fdb_table_free(vswitch->table_job.made);
	log_info("table: grown to 2^%u lines", fdb_table_lines_log2(vswitch->tables.cur));
	vswitch->table_job.made = NULL;
	job_ends(vswitch);
}

/* Everything is in the new table: show it alone; the old one goes after a grace period. */
static void publish_alone(struct vswitch *vswitch) REQUIRES(role_control)
{
	struct fdb_table *old = vswitch->tables.old;
	struct err err;

	set_tables(vswitch, (struct fdb_tables){.cur = vswitch->tables.cur});
	if (publish_view(vswitch, &err) < 0) {
		log_warn("table: %s; trying again", err.text);
		set_tables(vswitch, (struct fdb_tables){.cur = vswitch->tables.cur, .old = old});
		sd_event_source_set_enabled(vswitch->table_job.source, SD_EVENT_ONESHOT);
		return;
	}
	vswitch->table_job.made = old;
	if (reclaim_after_grace(vswitch->reclaim, old_is_gone, vswitch) < 0) {
		log_err("table: no memory to free the old table; it stays");
	}
}

static int on_migrate_slice(sd_event_source *source, void *arg)
{
	struct vswitch *vswitch = arg;

	role_assert_control();
	if (fdb_migrate(vswitch->fdb, &vswitch->tables, &vswitch->table_job.cursor,
			MIGRATE_SLICE_LINES)) {
		publish_alone(vswitch);
		return 0;
	}
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Every worker knows the pair now, so nobody learns into the old table any more. */
static void pair_is_known(void *arg)
{
	struct vswitch *vswitch = arg;

	vswitch->table_job.cursor = 0;
	if (sd_event_add_defer(vswitch->event, &vswitch->table_job.source, on_migrate_slice,
			       vswitch) < 0) {
		log_err("table: cannot go on growing: out of memory");
	}
}

/* In the reclaim thread. */
static void make_table(void *arg)
{
	struct vswitch *vswitch = arg;
	struct table_job *job = &vswitch->table_job;

	job->error = fdb_table_new(vswitch->fdb, job->lines_log2, &job->made, NULL);
}

static void bigger_is_made(void *arg) NO_THREAD_SAFETY
{
	struct vswitch *vswitch = arg;
	struct table_job *job = &vswitch->table_job;
	struct fdb_tables was = vswitch->tables;
	struct err err = {"out of memory"};

	if (vswitch->stopping) {
		return;                 /* tables_close() frees it */
	}
	if (job->error == 0) {
		set_tables(vswitch, (struct fdb_tables){.cur = job->made, .old = was.cur});
		job->made = NULL;
		if (publish_view(vswitch, &err) == 0 &&
		    reclaim_after_grace(vswitch->reclaim, pair_is_known, vswitch) == 0) {
			return;
		}
		job->made = vswitch->tables.cur;
		set_tables(vswitch, was);
	}
	log_warn("table: cannot grow to 2^%u lines (%s); new stations are flooded",
		 job->lines_log2, err.text);
	fdb_table_free(job->made);
	job->made = NULL;
	job->retry_ns = clock_now_ns() + 10 * NS_PER_S;
	job_ends(vswitch);
}

void tables_grow_if_wanted(struct vswitch *vswitch)
{
	struct table_job *job = &vswitch->table_job;
	uint32_t lines_log2 = fdb_table_lines_log2(vswitch->tables.cur);

	if (job->running || vswitch->stopping || lines_log2 >= vswitch->plan.lines_log2_max ||
	    clock_now_ns() < job->retry_ns ||
	    !fdb_wants_growth(vswitch->fdb, &vswitch->tables)) {
		return;
	}
	job->lines_log2 = lines_log2 + 1;
	if (reclaim_run(vswitch->reclaim, make_table, bigger_is_made, vswitch) == 0) {
		job->running = true;
	}
}

/* ---- the unfiltered flush: make, publish alone, grace period, free ---- */

static void flushed_is_gone(void *arg) NO_THREAD_SAFETY
{
	struct vswitch *vswitch = arg;

	const struct fdb_tables gone = {.cur = vswitch->table_job.made};

	/* Until now a worker could still learn into it. */
	fdb_uncount(vswitch->fdb, &gone);
	fdb_table_free(vswitch->table_job.made);
	vswitch->table_job.made = NULL;
	job_ends(vswitch);
}

/* The fresh table is made, if it could be: fill in the static entries and show it. */
static bool show_fresh(struct vswitch *vswitch) REQUIRES(role_control)
{
	struct fdb_table *fresh = vswitch->table_job.made;
	struct fdb_tables was = vswitch->tables;

	if (vswitch->table_job.error < 0 || fdb_copy_static(vswitch->fdb, &was, fresh) < 0) {
		return false;
	}
	set_tables(vswitch, (struct fdb_tables){.cur = fresh});
	if (publish_view(vswitch, NULL) < 0) {
		set_tables(vswitch, was);
		return false;
	}
	vswitch->table_job.flushing = false;
	vswitch->table_job.made = was.cur;
	if (reclaim_after_grace(vswitch->reclaim, flushed_is_gone, vswitch) < 0) {
		log_err("table: no memory to free the flushed table; it stays");
	}
	return true;
}

static void give_up_fresh(struct vswitch *vswitch)
{
	fdb_table_free(vswitch->table_job.made);
	vswitch->table_job.made = NULL;
	job_ends(vswitch);
	log_info("table: no memory for a fresh one; it is flushed entry by entry");
}

static void fresh_is_made(void *arg) NO_THREAD_SAFETY
{
	struct vswitch *vswitch = arg;

	if (vswitch->stopping) {
		return;                 /* tables_close() frees it */
	}
	if (!show_fresh(vswitch)) {
		give_up_fresh(vswitch);
		addresses_flush_walk(vswitch);
	}
}

bool tables_flush(struct vswitch *vswitch, uint32_t *ret_n_removed)
{
	struct table_job *job = &vswitch->table_job;
	struct fdb_counts counts;

	if (job->running || vswitch->stopping) {
		return false;
	}
	fdb_counts(vswitch->fdb, &counts);
	job->lines_log2 = fdb_table_lines_log2(vswitch->tables.cur);
	job->running = true;
	job->flushing = true;
	if (fdb_table_bytes(job->lines_log2) <= TABLES_INLINE_BYTES) {
		make_table(vswitch);
		if (!show_fresh(vswitch)) {
			give_up_fresh(vswitch);
		}
	} else if (reclaim_run(vswitch->reclaim, make_table, fresh_is_made, vswitch) < 0) {
		job_ends(vswitch);
	}
	if (job->running) {
		*ret_n_removed = counts.n_learned;
	}
	return job->running;
}

void tables_close(struct vswitch *vswitch)
{
	fdb_table_free(vswitch->table_job.made);
	fdb_table_free(vswitch->tables.cur);
	fdb_table_free(vswitch->tables.old);
	vswitch->tables = (struct fdb_tables){0};
	vswitch->table_job.made = NULL;
	job_ends(vswitch);
}
