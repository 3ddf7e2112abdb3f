/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define JOURNAL_VERSION     1
#define JOURNAL_FILE        "restore.json"
#define JOURNAL_FILE_NEW    "restore.json.new"
#define JOURNAL_FILE_BAD    "restore.json.bad"
#define JOURNAL_LOCK        "lock"
#define LOCK_PID_BYTES      16
#define LOCK_LIVE_NS        (200 * NS_PER_MS)
#define LOCK_ENDING_NS      (3 * NS_PER_S)
/* 254 ports and all that can be changed on each, with room */
#define JOURNAL_ENTRIES_MAX 16384
/* what a document of that many entries stays below */
#define JOURNAL_FILE_BYTES  (24 * 1024 * 1024)

struct journal {
	char *dir;
	int dir_fd, lock_fd;
	struct journal_entry *entry;
	uint32_t n, n_room;
	struct journal_entry *kept;     /* between begin and commit: the entries as on disk */
	uint32_t n_kept;
	bool is_held, is_dirty;
};

static const char *const kind_name[JOURNAL_KIND_N] = {
	[JOURNAL_FEATURE] = "feature",
	[JOURNAL_SYSFS] = "sysfs",
	[JOURNAL_LINK] = "link",
	[JOURNAL_MTU] = "mtu",
	[JOURNAL_HOST_PORT] = "host-port",
	[JOURNAL_SETTING] = "setting",
	[JOURNAL_IRQ] = "irq",
	[JOURNAL_IRQBALANCE] = "irqbalance",
	[JOURNAL_KERNEL_BRIDGE] = "kernel-bridge",
};

/* ---- the document ---- */

static json_t *entry_pack(const struct journal_entry *e)
{
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "kind", kind_name[e->kind], "ifname",
			 e->ifname, "ifindex", (json_int_t)e->ifindex, "key", e->key, "was", e->was,
			 "set", e->set);
}

static bool text_copy(char *to, size_t to_bytes, const char *from)
{
	size_t n = strlen(from);

	if (n >= to_bytes) {
		return false;
	}
	memcpy(to, from, n + 1);
	return true;
}

static bool entry_unpack(json_t *json, struct journal_entry *ret)
{
	const char *kind, *ifname, *key, *was, *set;
	struct journal_entry e = { .kind = JOURNAL_KIND_N };
	json_int_t ifindex;

	if (json_unpack(json, "{s:s, s:s, s:I, s:s, s:s, s:s !}", "kind", &kind, "ifname", &ifname,
			"ifindex", &ifindex, "key", &key, "was", &was, "set", &set) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < JOURNAL_KIND_N; i++) {
		if (strcmp(kind, kind_name[i]) == 0) {
			e.kind = i;
		}
	}
	if (e.kind == JOURNAL_KIND_N || ifindex < 0 || ifindex > INT32_MAX || !*ifname ||
	    !text_copy(e.ifname, sizeof(e.ifname), ifname) ||
	    !text_copy(e.key, sizeof(e.key), key) || !text_copy(e.was, sizeof(e.was), was) ||
	    !text_copy(e.set, sizeof(e.set), set)) {
		return false;
	}
	e.ifindex = (uint32_t)ifindex;
	*ret = e;
	return true;
}

static int entries_reserve(struct journal *journal, uint32_t n)
{
	uint32_t n_room = journal->n_room ? journal->n_room : 16;
	struct journal_entry *entry;

	if (n > JOURNAL_ENTRIES_MAX) {
		return -E2BIG;
	}
	while (n_room < n) {
		n_room *= 2;
	}
	if (n_room == journal->n_room) {
		return 0;
	}
	entry = reallocarray(journal->entry, n_room, sizeof(*entry));
	if (!entry) {
		return -ENOMEM;
	}
	journal->entry = entry;
	journal->n_room = n_room;
	return 0;
}

/* -EBADMSG: not a document of ours; what is wrong with it goes to 'why'. */
static int entries_unpack(struct journal *journal, json_t *document, char *why, size_t why_bytes)
{
	json_t *entries = NULL, *json;
	json_error_t error;
	int version = 0, r;
	size_t i;

	if (json_unpack_ex(document, &error, 0, "{s:i, s:o !}", "version", &version, "entries",
			   &entries) < 0) {
		snprintf(why, why_bytes, "%s", error.text);
		return -EBADMSG;
	}
	if (version != JOURNAL_VERSION || !json_is_array(entries)) {
		snprintf(why, why_bytes, "a document of version %d", version);
		return -EBADMSG;
	}
	if (json_array_size(entries) > JOURNAL_ENTRIES_MAX) {
		snprintf(why, why_bytes, "%zu entries", json_array_size(entries));
		return -EBADMSG;
	}
	r = entries_reserve(journal, (uint32_t)json_array_size(entries));
	if (r < 0) {
		return r;
	}
	json_array_foreach(entries, i, json) {
		if (!entry_unpack(json, &journal->entry[i])) {
			snprintf(why, why_bytes, "entry %zu is malformed", i);
			return -EBADMSG;
		}
	}
	journal->n = (uint32_t)json_array_size(entries);
	return 0;
}

static int journal_read(struct journal *journal, char *why, size_t why_bytes)
{
	/* O_NONBLOCK: a FIFO of that name must not stop the start */
	int fd = openat(journal->dir_fd, JOURNAL_FILE,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	json_error_t error;
	json_t *document;
	struct stat st;
	int r;

	if (fd < 0) {
		r = -errno;
		snprintf(why, why_bytes, "%s", strerror(-r));
		return r == -ENOENT ? 0 : -EBADMSG;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > JOURNAL_FILE_BYTES) {
		snprintf(why, why_bytes, "not a regular file of less than %d bytes",
			 JOURNAL_FILE_BYTES);
		close(fd);
		return -EBADMSG;
	}
	document = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);
	close(fd);
	if (!document) {
		snprintf(why, why_bytes, "line %d: %s", error.line, error.text);
		return -EBADMSG;
	}
	r = entries_unpack(journal, document, why, why_bytes);
	json_decref(document);
	return r;
}

static json_t *document_pack(const struct journal *journal)
{
	json_t *entries = json_array();

	for (uint32_t i = 0; i < journal->n; i++) {
		/* both accept NULL and steal the reference; a lost one shows in the size */
		json_array_append_new(entries, entry_pack(&journal->entry[i]));
	}
	if (json_array_size(entries) != journal->n) {
		json_decref(entries);
		return NULL;
	}
	return json_pack("{s:i, s:o}", "version", JOURNAL_VERSION, "entries", entries);
}

static int document_write(const struct journal *journal, json_t *document)
{
	int fd = openat(journal->dir_fd, JOURNAL_FILE_NEW,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	errno = 0;
	if (json_dumpfd(document, fd, JSON_INDENT(2)) < 0 || fsync(fd) < 0) {
		r = errno ? -errno : -EIO;
	}
	if (close(fd) < 0 && r == 0) {
		r = -errno;
	}
	return r;
}

/*
 * Replaces the file: a reader, or a crash at any point, finds the old document or the new one,
 * whole.
 */
static int journal_replace(const struct journal *journal, struct err *reterr)
{
	json_t *document = document_pack(journal);
	int r = document ? document_write(journal, document) : -ENOMEM;

	json_decref(document);
	journal_fault_point();
	if (r == 0 &&
	    renameat(journal->dir_fd, JOURNAL_FILE_NEW, journal->dir_fd, JOURNAL_FILE) < 0) {
		r = -errno;
	}
	journal_fault_point();
	if (r == 0 && fsync(journal->dir_fd) < 0) {
		r = -errno;
	}
	if (r < 0) {
		err_set(reterr, -r,
			"cannot write '%s/%s': %s; nothing is changed that could not be put back",
			journal->dir, JOURNAL_FILE, strerror(-r));
	}
	return r;
}

static int journal_write(struct journal *journal, struct err *reterr)
{
	journal->is_dirty = journal->is_held;
	return journal->is_held ? 0 : journal_replace(journal, reterr);
}

/* ---- one owner per directory ---- */

/*
 * A lock file may be removed by the owner that leaves (journal_close()), so the one that was locked
 * counts only if it still is the one in the directory: else two daemons could each hold a file, one
 * of them without a name.
 */
static bool lock_is_current(const struct journal *journal)
{
	struct stat held, named;

	return fstat(journal->lock_fd, &held) == 0 &&
	       fstatat(journal->dir_fd, JOURNAL_LOCK, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* The number that its owner wrote into the lock file; "" where there is none. */
static void lock_owner(const struct journal *journal, char pid[static LOCK_PID_BYTES])
{
	ssize_t n = pread(journal->lock_fd, pid, LOCK_PID_BYTES - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
}

/*
 * A process that was killed holds its lock until its sockets are closed, which takes a grace period
 * for each queue. It shows by having no program any more.
 */
static bool lock_owner_is_ending(const struct journal *journal)
{
	char pid[LOCK_PID_BYTES] = "", path[40], exe[8];

	lock_owner(journal, pid);
	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	return *pid && readlink(path, exe, sizeof(exe)) < 0 && errno == ENOENT;
}

/*
 * Another try, soon? A signal takes a moment to act, so that even a live owner is waited for a
 * little.
 */
static bool lock_wait(const struct journal *journal, uint64_t since_ns)
{
	const struct timespec nap = {.tv_nsec = 10 * (long)NS_PER_MS};
	uint64_t waited_ns = clock_now_ns() - since_ns;

	if (waited_ns > LOCK_ENDING_NS ||
	    (waited_ns > LOCK_LIVE_NS && !lock_owner_is_ending(journal))) {
		return false;
	}
	nanosleep(&nap, NULL);
	return true;
}

static int lock_refused(const struct journal *journal, int errnum, struct err *reterr)
{
	char pid[LOCK_PID_BYTES] = "";

	if (errnum != EWOULDBLOCK) {
		return err_set(reterr, errnum, "cannot lock '%s/%s': %s", journal->dir,
			       JOURNAL_LOCK, strerror(errnum));
	}
	lock_owner(journal, pid);
	return err_set(reterr, EBUSY,
		       "another viaductd (pid %s) uses '%s'; stop it, or give this one another "
		       "--runtime-dir",
		       *pid ? pid : "unknown", journal->dir);
}

static int journal_lock(struct journal *journal, struct err *reterr)
{
	uint64_t since_ns = clock_now_ns();

	for (;;) {
		journal->lock_fd = openat(journal->dir_fd, JOURNAL_LOCK,
					  O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (journal->lock_fd < 0) {
			return err_set(reterr, errno, "cannot make '%s/%s': %s", journal->dir,
				       JOURNAL_LOCK, strerror(errno));
		}
		if (flock(journal->lock_fd, LOCK_EX | LOCK_NB) < 0) {
			int errnum = errno;

			if (errnum != EWOULDBLOCK || !lock_wait(journal, since_ns)) {
				return lock_refused(journal, errnum, reterr);
			}
		} else if (lock_is_current(journal)) {
			break;
		}
		close(journal->lock_fd);
	}
	/* the number is for the message above only: the lock itself is what counts */
	if (ftruncate(journal->lock_fd, 0) < 0 || dprintf(journal->lock_fd, "%d\n", getpid()) < 0) {
		return err_set(reterr, errno, "cannot write '%s/%s': %s", journal->dir,
			       JOURNAL_LOCK, strerror(errno));
	}
	return 0;
}

/* ---- the verbs ---- */

static void journal_free(struct journal *journal)
{
	if (!journal) {
		return;
	}
	if (journal->lock_fd >= 0) {
		close(journal->lock_fd);
	}
	if (journal->dir_fd >= 0) {
		close(journal->dir_fd);
	}
	free(journal->kept);
	free(journal->entry);
	free(journal->dir);
	free(journal);
}

/* 0, or 1 with the reason in 'reterr': the file is out of the way, and the journal starts empty. */
static int journal_set_aside(struct journal *journal, const char *why, struct err *reterr)
{
	journal->n = 0;
	if (renameat(journal->dir_fd, JOURNAL_FILE, journal->dir_fd, JOURNAL_FILE_BAD) < 0) {
		return err_set(reterr, errno,
			       "'%s/%s' is unreadable (%s) and cannot be moved aside: %s",
			       journal->dir, JOURNAL_FILE, why, strerror(errno));
	}
	err_set(reterr, EBADMSG,
		"'%s/%s' is unreadable (%s) and was kept as %s; what it listed is not put back",
		journal->dir, JOURNAL_FILE, why, JOURNAL_FILE_BAD);
	return 1;
}

static int journal_load(struct journal *journal, const char *runtime_dir, struct err *reterr)
{
	char why[256] = "";
	int r;

	journal->dir = strdup(runtime_dir);
	if (!journal->dir) {
		return err_set(reterr, ENOMEM, "out of memory");
	}
	if (mkdir(runtime_dir, 0755) < 0 && errno != EEXIST) {
		return err_set(reterr, errno, "cannot make the runtime directory '%s': %s",
			       runtime_dir, strerror(errno));
	}
	journal->dir_fd = open(runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal->dir_fd < 0) {
		return err_set(reterr, errno, "cannot open the runtime directory '%s': %s",
			       runtime_dir, strerror(errno));
	}
	r = journal_lock(journal, reterr);
	if (r < 0) {
		return r;
	}
	r = journal_read(journal, why, sizeof(why));
	if (r == -EBADMSG) {
		return journal_set_aside(journal, why, reterr);
	}
	return r < 0 ? err_set(reterr, -r, "cannot read '%s/%s': %s", runtime_dir, JOURNAL_FILE,
			       strerror(-r)) : 0;
}

int journal_open(const char *runtime_dir, struct journal **ret, struct err *reterr)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	int r;

	if (!journal) {
		return err_set(reterr, ENOMEM, "out of memory");
	}
	journal->dir_fd = journal->lock_fd = -1;
	r = journal_load(journal, runtime_dir, reterr);
	if (r < 0) {
		journal_free(journal);
		return r;
	}
	*ret = journal;
	return r;
}

void journal_close(struct journal *journal)
{
	if (!journal) {
		return;
	}
	if (journal->n == 0) {
		/* neither may be there; the lock goes last, while it is still held */
		unlinkat(journal->dir_fd, JOURNAL_FILE_NEW, 0);
		unlinkat(journal->dir_fd, JOURNAL_FILE, 0);
	}
	unlinkat(journal->dir_fd, JOURNAL_LOCK, 0);
	journal_free(journal);
}

const char *journal_dir(const struct journal *journal)
{
	return journal->dir;
}

uint32_t journal_count(const struct journal *journal)
{
	return journal->n;
}

const struct journal_entry *journal_get(const struct journal *journal, uint32_t i)
{
	return i < journal->n ? &journal->entry[i] : NULL;
}

const struct journal_entry *journal_find(const struct journal *journal, enum journal_kind kind,
					 uint32_t ifindex, const char *key)
{
	for (uint32_t i = 0; i < journal->n; i++) {
		const struct journal_entry *e = &journal->entry[i];

		if (e->kind == kind && e->ifindex == ifindex && strcmp(e->key, key) == 0) {
			return e;
		}
	}
	return NULL;
}

int journal_add(struct journal *journal, const struct journal_entry *entry, struct err *reterr)
{
	const struct journal_entry *found =
		journal_find(journal, entry->kind, entry->ifindex, entry->key);
	uint32_t i = found ? (uint32_t)(found - journal->entry) : journal->n;
	struct journal_entry old = { 0 };
	int r;

	journal_fault_point();
	if (found) {
		old = *found;
		journal->entry[i] = *entry;
		memcpy(journal->entry[i].was, old.was, sizeof(old.was));
	} else {
		r = entries_reserve(journal, journal->n + 1);
		if (r < 0) {
			return err_set(reterr, -r, "the journal in '%s' is full: %s", journal->dir,
				       strerror(-r));
		}
		journal->entry[journal->n++] = *entry;
	}
	r = journal_write(journal, reterr);
	if (r < 0 && found) {
		journal->entry[i] = old;
	} else if (r < 0) {
		journal->n--;
	}
	journal_fault_point();
	return r;
}

int journal_forget(struct journal *journal, enum journal_kind kind, uint32_t ifindex,
		   const char *key, struct err *reterr)
{
	const struct journal_entry *found = journal_find(journal, kind, ifindex, key);
	struct journal_entry old;
	uint32_t i;
	int r;

	if (!found) {
		return 0;
	}
	journal_fault_point();
	i = (uint32_t)(found - journal->entry);
	old = *found;
	journal->n--;
	memmove(&journal->entry[i], &journal->entry[i + 1], (journal->n - i) * sizeof(old));
	r = journal_write(journal, reterr);
	if (r < 0) {
		memmove(&journal->entry[i + 1], &journal->entry[i], (journal->n - i) * sizeof(old));
		journal->entry[i] = old;
		journal->n++;
	}
	journal_fault_point();
	return r;
}

int journal_begin(struct journal *journal)
{
	struct journal_entry *kept = calloc(journal->n + 1, sizeof(*kept));

	if (!kept) {
		return -ENOMEM;
	}
	if (journal->n > 0) {
		memcpy(kept, journal->entry, journal->n * sizeof(*kept));
	}
	journal->kept = kept;
	journal->n_kept = journal->n;
	journal->is_held = true;
	journal->is_dirty = false;
	return 0;
}

int journal_commit(struct journal *journal, struct err *reterr)
{
	int r = journal->is_dirty ? journal_replace(journal, reterr) : 0;

	if (!journal->is_held) {
		return 0;               /* no memory to begin: all is written */
	}
	if (r < 0) {
		free(journal->entry);
		journal->entry = journal->kept;
		journal->n = journal->n_kept;
		journal->n_room = journal->n_kept + 1;
	} else {
		free(journal->kept);
	}
	journal->kept = NULL;
	journal->is_held = journal->is_dirty = false;
	return r;
}

/*
 * Looked up at each call, not once: a test sets the variable in a child of its own.
 * VIADUCT_FAULT_COUNT names a file that always holds the number of points passed so far, so that a
 * test can try every one.
 */
void journal_fault_point(void)
{
	static unsigned long n_passed;
	const char *fault = secure_getenv("VIADUCT_FAULT");
	const char *count = secure_getenv("VIADUCT_FAULT_COUNT");

	if (!fault && !count) {
		return;
	}
	n_passed++;
	if (count) {
		FILE *f = fopen(count, "we");

		if (f) {
			fprintf(f, "%lu\n", n_passed);
			fclose(f);
		}
	}
	if (fault && strtoul(fault, NULL, 10) == n_passed) {
		raise(SIGKILL);
	}
}
