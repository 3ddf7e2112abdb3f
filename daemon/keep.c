/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/keep.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macaddr.h"
#include "daemon/addresses.h"
#include "daemon/keep_file.h"
#include "daemon/keep_load.h"
#include "daemon/keep_writer.h"

#define NO_ROW          UINT16_MAX
#define SLICE_LINES     16384u
#define SLICE_MACS      1024u
#define CHUNK_MACS      (KEEP_WRITER_BYTES / sizeof(struct keep_mac))
#define CARRIER_NS      (5 * NS_PER_S)
#define FORGET_WAIT_NS  (20 * NS_PER_MS)
#define SAVE_NS         NS_PER_S
#define RETRY_NS        (60 * NS_PER_S)
#define AGES_PER_AGEING 4u
/* Writings that need not be paid for yet, where the file is gone. */
#define CREDIT_WRITINGS 2u

/* What a snapshot names, as it was when its rows were written. */
struct rows {
	struct keep_bridge bridge[KEEP_BRIDGES_MAX];
	struct keep_vlan vlan[KEEP_VLANS_MAX];
	struct keep_port port[KEEP_PORTS_MAX];
	uint32_t n_bridges, n_vlans, n_ports;
	uint16_t of_bridge[VIEW_BRIDGES], of_fid[FDB_FIDS], of_port[VIEW_PORTS];
};

enum stage {
	STAGE_NONE,
	STAGE_BEGUN,                    /* the new file is being made */
	STAGE_WALK,                     /* rows are being written */
	STAGE_END,
	STAGE_FORGET,
};

struct keep {
	int dir_fd;
	struct keep_writer *writer;
	struct keep_file *file;         /* as found at start; NULL: none, or taken */
	sd_event_source *source;
	enum stage stage;
	bool forget;                    /* the file, or what is being written, does not hold */
	bool gone;                      /* it was removed, and there is none */
	uint32_t cursor, epoch;         /* of the walk */
	uint32_t n_macs;
	uint64_t sum;
	uint64_t n_learned, n_moved;    /* when it was begun */
	uint64_t begun_ns, next_ns, carrier_ns;
	uint64_t paid_ns;               /* when the disk has rested from all that was written */
	uint64_t whole_ns;              /* how long it rests from the largest file not paid yet */
	struct rows rows;
};

static void complain(const char *what, int error, const char *then)
{
	static struct log_limit limit = LOG_LIMIT(600, 1);
	uint32_t suppressed;

	if (log_limit_pass(&limit, &suppressed)) {
		log_warn("learned addresses: %s: %s; a crash now would %s", what, strerror(-error),
			 then);
	}
}

/* ---- rows ---- */

static void rows_add_vlans(struct rows *rows, const struct bridge *bridge, uint16_t bridge_row)
{
	for (uint32_t v = 0; v < bridge->n_vlans && rows->n_vlans < KEEP_VLANS_MAX; v++) {
		rows->vlan[rows->n_vlans] =
			(struct keep_vlan){.bridge = bridge_row, .vid = bridge->vlan[v].vid};
		rows->of_fid[bridge->vlan[v].fid] = (uint16_t)rows->n_vlans++;
	}
}

static void rows_fill(struct vswitch *vswitch, struct rows *rows)
{
	memset(rows, 0, sizeof(*rows));
	memset(rows->of_bridge, 0xff, sizeof(rows->of_bridge));
	memset(rows->of_fid, 0xff, sizeof(rows->of_fid));
	memset(rows->of_port, 0xff, sizeof(rows->of_port));
	for (struct bridge *bridge = bridge_next(vswitch, NULL);
	     bridge && rows->n_bridges < KEEP_BRIDGES_MAX;
	     bridge = bridge_next(vswitch, bridge)) {
		struct keep_bridge *row = &rows->bridge[rows->n_bridges];

		snprintf(row->name, sizeof(row->name), "%s", bridge->conf->name);
		row->step_ns = bridge->clock_step_ns;
		rows_add_vlans(rows, bridge, (uint16_t)rows->n_bridges);
		rows->of_bridge[bridge->idx] = (uint16_t)rows->n_bridges++;
	}
	for (uint32_t i = 1; i < VIEW_PORTS && rows->n_ports < KEEP_PORTS_MAX; i++) {
		const struct port *port = &vswitch->port[i];
		struct keep_port *row = &rows->port[rows->n_ports];

		if (!port->idx || rows->of_bridge[port->bridge_idx] == NO_ROW) {
			continue;
		}
		snprintf(row->name, sizeof(row->name), "%s", port->name);
		row->bridge = rows->of_bridge[port->bridge_idx];
		rows->of_port[i] = (uint16_t)rows->n_ports++;
	}
}

/* Still called what the row says? An index may be another's by now. */
static bool rows_name(struct vswitch *vswitch, const struct rows *rows,
		      const struct fdb_entry *entry, struct keep_mac *ret)
{
	const struct port *port = &vswitch->port[entry->port_idx];
	uint32_t fid = fdb_key_fid(entry->key);
	const struct bridge_vlan *vlan = vswitch->fid_vlan[fid];
	uint16_t vlan_row = rows->of_fid[fid], port_row = rows->of_port[entry->port_idx];

	if (entry->is_static || !vlan || !port->idx || vlan_row == NO_ROW || port_row == NO_ROW ||
	    rows->vlan[vlan_row].vid != vlan->vid ||
	    strcmp(rows->port[port_row].name, port->name) != 0) {
		return false;
	}
	*ret = (struct keep_mac){
		.vlan = vlan_row, .port = (uint8_t)port_row, .age_steps = entry->age_steps};
	macaddr_store(ret->macaddress, entry->key & MACADDR_MASK);
	return true;
}

/* ---- writing ---- */

/*
 * From one writing to the next: 5 s, and as long as 64 KB/s take. A million addresses, 12 MB, are
 * written every 190 s then, 5 GB a day at most; a hundred, 38 KB, twelve times a minute at most and
 * never while nothing happens but four times per ageing-time. One that a flush cut short counts as
 * far as it came: else a port that flaps wears out the disk. But after a flush there is no file,
 * and a crash would lose all: the next one is written at once, and its time is rested later. Who
 * flushes again and again has used up that credit soon.
 */
static uint64_t write_pause_ns(const struct keep *keep)
{
	return 5 * NS_PER_S + keep->n_macs * sizeof(struct keep_mac) * NS_PER_S / (64 * 1024);
}

static void charge(struct keep *keep)
{
	uint64_t now = clock_now_ns();

	keep->paid_ns = (keep->paid_ns > now ? keep->paid_ns : now) + write_pause_ns(keep);
}

static bool disk_has_rested(const struct keep *keep, uint64_t now_ns)
{
	return now_ns + (keep->gone ? CREDIT_WRITINGS * keep->whole_ns : 0) >= keep->paid_ns;
}

static uint64_t ages_hold_ns(struct vswitch *vswitch)
{
	uint64_t hold_ns = UINT64_MAX;

	for (struct bridge *bridge = bridge_next(vswitch, NULL); bridge;
	     bridge = bridge_next(vswitch, bridge)) {
		uint64_t ageing_ns = bridge->conf->ageing_ms * NS_PER_MS;

		if (ageing_ns && ageing_ns / AGES_PER_AGEING < hold_ns) {
			hold_ns = ageing_ns / AGES_PER_AGEING;
		}
	}
	return hold_ns;
}

static bool is_due(struct vswitch *vswitch)
{
	const struct keep *keep = vswitch->keep;
	uint64_t now = clock_now_ns();
	struct fdb_counts counts;

	fdb_counts(vswitch->fdb, &counts);
	return now >= keep->next_ns && disk_has_rested(keep, now) &&
	       (counts.n_learned != keep->n_learned || counts.n_moved != keep->n_moved ||
		(counts.n_learned && now - keep->begun_ns >= ages_hold_ns(vswitch)));
}

static void begin(struct vswitch *vswitch)
{
	struct keep *keep = vswitch->keep;
	struct fdb_counts counts;

	fdb_counts(vswitch->fdb, &counts);
	keep->n_learned = counts.n_learned;
	keep->n_moved = counts.n_moved;
	keep->begun_ns = clock_now_ns();
	keep->cursor = 0;
	keep->epoch = vswitch->tables_epoch;
	keep->n_macs = 0;
	keep->stage = STAGE_BEGUN;
	keep_writer_post(keep->writer, KEEP_WORK_BEGIN, 0, NULL);
}

static uint32_t chunk_add(struct keep *keep, uint32_t at, const void *from, size_t bytes)
{
	memcpy((char *)keep_writer_buf(keep->writer) + at, from, bytes);
	keep->sum = keep_sum(keep->sum, from, bytes);
	return at + (uint32_t)bytes;
}

static_assert(sizeof(struct rows) < KEEP_WRITER_BYTES, "the rows that name things are one chunk");

static void append_names(struct vswitch *vswitch)
{
	struct keep *keep = vswitch->keep;
	struct rows *rows = &keep->rows;
	uint32_t at;

	rows_fill(vswitch, rows);
	keep->sum = 0;
	at = chunk_add(keep, 0, rows->bridge, rows->n_bridges * sizeof(rows->bridge[0]));
	at = chunk_add(keep, at, rows->vlan, rows->n_vlans * sizeof(rows->vlan[0]));
	at = chunk_add(keep, at, rows->port, rows->n_ports * sizeof(rows->port[0]));
	keep->stage = STAGE_WALK;
	keep_writer_post(keep->writer, KEEP_WORK_APPEND, at, NULL);
}

/* Some more lines of the table, until the buffer might not hold what comes. Bytes in it. */
static uint32_t chunk_fill(struct vswitch *vswitch) REQUIRES(role_control)
{
	struct keep *keep = vswitch->keep;
	uint32_t end = fdb_n_lines(&vswitch->tables), first = keep->cursor, n = 0;
	struct fdb_entry entry[SLICE_MACS];

	while (keep->cursor < end && keep->cursor - first < SLICE_LINES &&
	       n + SLICE_MACS <= CHUNK_MACS && keep->n_macs + SLICE_MACS <= KEEP_MACS_MAX) {
		uint32_t n_copied = fdb_copy_lines(vswitch->fdb, &vswitch->tables, &keep->cursor,
						   SLICE_MACS, entry, SLICE_MACS);

		for (uint32_t i = 0; i < n_copied; i++) {
			struct keep_mac mac;

			if (rows_name(vswitch, &keep->rows, &entry[i], &mac)) {
				chunk_add(keep, n++ * sizeof(mac), &mac, sizeof(mac));
				keep->n_macs++;
			}
		}
	}
	return n * (uint32_t)sizeof(struct keep_mac);
}

static void post_end(struct keep *keep)
{
	struct keep_header header = {
		.magic = KEEP_FILE_MAGIC, .version = KEEP_FILE_VERSION,
		.header_bytes = sizeof(header), .boottime_ns = keep_boottime_ns(),
		.n_bridges = keep->rows.n_bridges, .n_vlans = keep->rows.n_vlans,
		.n_ports = keep->rows.n_ports, .n_macs = keep->n_macs,
	};

	keep_boot_id(header.boot_id);
	header.sum = keep_header_sum(keep->sum, &header);
	keep->stage = STAGE_END;
	keep_writer_post(keep->writer, KEEP_WORK_END, 0, &header);
}

/* The walk belongs to one pair of tables: where that was replaced it begins again. */
static void walk(struct vswitch *vswitch) REQUIRES(role_control)
{
	struct keep *keep = vswitch->keep;
	uint32_t bytes;

	if (keep->epoch != vswitch->tables_epoch) {
		begin(vswitch);
		return;
	}
	bytes = chunk_fill(vswitch);
	if (bytes || (keep->cursor < fdb_n_lines(&vswitch->tables) &&
		      keep->n_macs + SLICE_MACS <= KEEP_MACS_MAX)) {
		keep_writer_post(keep->writer, KEEP_WORK_APPEND, bytes, NULL);
	} else {
		post_end(keep);
	}
}

static void post_forget(struct keep *keep)
{
	keep->forget = false;
	keep->stage = STAGE_FORGET;
	keep_writer_post(keep->writer, KEEP_WORK_FORGET, 0, NULL);
}

/* An end of writing, in whatever way: the next one is not before this. */
static void rest(struct keep *keep, uint64_t until_ns)
{
	keep->stage = STAGE_NONE;
	if (until_ns > keep->next_ns) {
		keep->next_ns = until_ns;
	}
}

/* What was to be forgotten stays to be: keep_tick() tries again. */
static void has_failed(struct keep *keep, int error)
{
	if (keep->stage == STAGE_FORGET) {
		complain("the file cannot be removed", error, "bring back what was flushed");
		keep->forget = true;
		rest(keep, clock_now_ns());
		return;
	}
	complain("cannot be written", error, "lose them");
	rest(keep, clock_now_ns() + RETRY_NS);
	if (keep->forget) {
		post_forget(keep);
	}
}

/* The writer has done its work: the next. */
static void advance(struct vswitch *vswitch, int error) REQUIRES(role_control)
{
	struct keep *keep = vswitch->keep;

	if (error) {
		has_failed(keep, error);
		return;
	}
	if (keep->forget) {
		if (keep->stage != STAGE_FORGET) {
			charge(keep);
		}
		post_forget(keep);
		return;
	}
	switch (keep->stage) {
	case STAGE_BEGUN:
		append_names(vswitch);
		break;
	case STAGE_WALK:
		walk(vswitch);
		break;
	case STAGE_END:
		if (write_pause_ns(keep) > keep->whole_ns || clock_now_ns() >= keep->paid_ns) {
			keep->whole_ns = write_pause_ns(keep);
		}
		charge(keep);
		keep->gone = false;
		rest(keep, clock_now_ns());
		break;
	case STAGE_FORGET:              /* and what is left is written soon */
		rest(keep, clock_now_ns() + NS_PER_S);
		keep->gone = true;
		keep->n_learned = UINT64_MAX;
		break;
	case STAGE_NONE:
		break;
	}
}

static int on_written(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct vswitch *vswitch = arg;
	int error;

	(void)source;
	(void)fd;
	(void)revents;
	role_assert_control();
	if (keep_writer_take(vswitch->keep->writer, &error)) {
		advance(vswitch, error);
	}
	return 0;
}

/* ---- forgetting ---- */

void keep_forget(struct vswitch *vswitch)
{
	struct keep *keep = vswitch->keep;

	if (!keep || !keep->writer) {
		return;
	}
	keep->forget = true;
	if (keep_writer_is_idle(keep->writer)) {
		post_forget(keep);
	}
}

void keep_forget_wait(struct vswitch *vswitch)
{
	uint64_t deadline_ns = clock_now_ns() + FORGET_WAIT_NS;
	struct keep *keep = vswitch->keep;
	int error;

	if (!keep || !keep->writer) {
		return;
	}
	while ((keep->forget || keep->stage == STAGE_FORGET) &&
	       !keep_writer_is_idle(keep->writer) &&
	       keep_writer_wait(keep->writer, deadline_ns) &&
	       keep_writer_take(keep->writer, &error)) {
		advance(vswitch, error);
	}
}

/* ---- loading ---- */

/* Lines that its addresses fill to a load that asks for no growth, as far as the limits allow. */
static void make_room(struct machine_plan *plan, uint32_t n_macs)
{
	uint32_t lines_log2 = fdb_lines_log2_for(n_macs + n_macs / 3);

	if (lines_log2 > plan->lines_log2_max) {
		lines_log2 = plan->lines_log2_max;
	}
	if (lines_log2 > plan->lines_log2) {
		plan->lines_log2 = lines_log2;
	}
}

/* ---- life ---- */

static int open_dir(const char *state_dir)
{
	if (mkdir(state_dir, 0755) && errno != EEXIST) {
		return -errno;
	}
	int fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void keep_open(struct vswitch *vswitch, const char *state_dir)
{
	struct keep *keep = calloc(1, sizeof(*keep));
	struct err err = {"out of memory"};
	int r;

	if (!keep) {
		return;
	}
	keep->dir_fd = open_dir(state_dir);
	if (keep->dir_fd < 0) {
		log_warn("learned addresses: cannot be kept in '%s': %s; the next start floods "
			 "until they are learned anew (see --state-dir)", state_dir,
			 strerror(-keep->dir_fd));
		free(keep);
		return;
	}
	if (flock(keep->dir_fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		log_warn("learned addresses: not kept: another viaductd uses '%s'; give each a "
			 "--state-dir of its own", state_dir);
		close(keep->dir_fd);
		free(keep);
		return;
	}
	vswitch->keep = keep;
	r = keep_file_open(keep->dir_fd, &keep->file, &err);
	if (r == 0) {
		make_room(&vswitch->plan, keep->file->header.n_macs);
	} else if (r == -ESTALE) {
		log_info("learned addresses: those in '%s/" KEEP_FILE_NAME "' are of another boot",
			 state_dir);
	} else if (r != -ENOENT) {
		log_warn("learned addresses: '%s/" KEEP_FILE_NAME "' is not used: %s", state_dir,
			 err.text);
	}
}

void keep_load(struct vswitch *vswitch)
{
	struct keep *keep = vswitch->keep;
	struct err err;

	if (!keep) {
		return;
	}
	if (keep->file) {
		keep_load_file(vswitch, keep->file);
		keep_file_close(keep->file);
		keep->file = NULL;
		keep->carrier_ns = clock_now_ns() + CARRIER_NS;
	}
	keep->n_learned = UINT64_MAX;   /* to be written for the first time */
	keep->next_ns = clock_now_ns() + NS_PER_S;
	if (keep_writer_open(keep->dir_fd, &keep->writer, &err) < 0 ||
	    sd_event_add_io(vswitch->event, &keep->source, keep_writer_fd(keep->writer), EPOLLIN,
			    on_written, vswitch) < 0) {
		log_warn("learned addresses: cannot be kept: no thread for it");
		keep_writer_close(keep->writer, UINT64_MAX);
		keep->writer = NULL;
	}
}

/* Ports for which carrier did not come: what was taken for them is no news any more. */
static void carrier_is_late(struct vswitch *vswitch) REQUIRES(role_control)
{
	for (struct port *port = port_next(vswitch, NULL); port; port = port_next(vswitch, port)) {
		if (port_state_of(port) != PORT_STATE_FORWARDING) {
			addresses_flush_port(vswitch, port);
		}
	}
}

void keep_tick(struct vswitch *vswitch)
{
	struct keep *keep = vswitch->keep;

	if (!keep) {
		return;
	}
	if (keep->carrier_ns && clock_now_ns() >= keep->carrier_ns) {
		keep->carrier_ns = 0;
		carrier_is_late(vswitch);
	}
	if (!keep->writer || !keep_writer_is_idle(keep->writer)) {
		return;
	}
	if (keep->forget) {
		post_forget(keep);
	} else if (!vswitch->table_job.running && is_due(vswitch)) {
		begin(vswitch);
	}
}

/* Until nothing is under way. false: not in time. */
static bool finish(struct vswitch *vswitch, uint64_t deadline_ns) REQUIRES(role_control)
{
	struct keep *keep = vswitch->keep;
	int error;

	while (!keep_writer_is_idle(keep->writer)) {
		if (!keep_writer_wait(keep->writer, deadline_ns) ||
		    !keep_writer_take(keep->writer, &error)) {
			return false;
		}
		advance(vswitch, error);
	}
	return true;
}

/*
 * Ends what is under way and writes all once more, but not a table that a flush has sentenced: the
 * one in its place is not there yet. false: not in time.
 */
static bool save_now(struct vswitch *vswitch, uint64_t deadline_ns) REQUIRES(role_control)
{
	struct keep *keep = vswitch->keep;
	int error;

	/* A writing under way is cut short: what it wrote is written anew. */
	if (!keep_writer_is_idle(keep->writer) &&
	    (!keep_writer_wait(keep->writer, deadline_ns) ||
	     !keep_writer_take(keep->writer, &error))) {
		return false;
	}
	if (keep->forget || keep->stage == STAGE_FORGET || vswitch->table_job.flushing) {
		post_forget(keep);
		if (!finish(vswitch, deadline_ns)) {
			return false;
		}
	}
	if (vswitch->table_job.flushing) {
		return true;
	}
	keep->forget = false;           /* where that failed, the new file replaces the old one */
	begin(vswitch);
	return finish(vswitch, deadline_ns);
}

void keep_close(struct vswitch *vswitch, bool save)
{
	uint64_t deadline_ns = clock_now_ns() + SAVE_NS;
	struct keep *keep = vswitch->keep;

	if (!keep) {
		return;
	}
	if (save && keep->writer && !save_now(vswitch, deadline_ns)) {
		complain("cannot be written", -ETIMEDOUT, "lose them");
	}
	vswitch->keep = NULL;
	sd_event_source_disable_unref(keep->source);
	keep_file_close(keep->file);
	if (!keep_writer_close(keep->writer, deadline_ns)) {
		return;                 /* a disk that does not answer: the thread has its use */
	}
	close(keep->dir_fd);
	free(keep);
}
