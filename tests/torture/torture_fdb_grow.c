/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The learning table grows from 2^14 lines to a million addresses while two readers and a learner
 * run.
 *
 * What it holds fast: an address that was learned is never answered unknown, or on a wrong port;
 * and a reader executes neither a store nor a lock, for the memory of each table is mapped twice,
 * and the readers' mapping, like their copy of the database, is read-only: any store would be a
 * SIGSEGV. That this would be noticed is shown first, by learning through such a mapping in a
 * child.
 */
#include "daemon/bridge/fdb_internal.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

/* ThreadSanitizer makes it twenty times slower; it gets a quarter of the addresses. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define N_ADDRESSES_LOG2 18
#endif
#endif
#ifndef N_ADDRESSES_LOG2
#define N_ADDRESSES_LOG2 20
#endif

enum {
	N_ADDRESSES = 1 << N_ADDRESSES_LOG2,
	N_READERS = 2,
	BURST = 64,
	N_PORTS = 200,
	EXIT_SEGV = 42,
};

/* One table in memory that is mapped twice, to write and to read. */
struct twin {
	int fd;
	size_t bytes;
	void *mem_rw, *mem_ro;
	struct fdb_table *rw, *ro;
};

/* What is published: the writers' pair and the readers'. */
struct views {
	struct fdb_tables rw, ro;
};

static struct fdb *fdb;
static const struct fdb *fdb_ro; /* a copy in a read-only page */
static uint64_t first_mac;
static _Atomic(struct views *) published; /* [E] control stores with release */
static _Atomic uint32_t n_known; /* learned; release, so that readers hold us to it */
static _Atomic bool stop;
static _Atomic uint32_t n_unknown, n_wrong_port, n_pair_looks;
static _Atomic uint64_t n_looks[N_READERS];
static uint64_t deadline_ns;

static uint64_t nth_key(uint32_t i)
{
	return fdb_key(1 + i % 7, first_mac + i);
}

static uint8_t nth_port(uint32_t i)
{
	return (uint8_t)(1 + i / BURST % N_PORTS);
}

static struct twin *twin_new(uint32_t lines_log2)
{
	struct twin *twin = calloc(1, sizeof(*twin));

	twin->bytes = fdb_table_bytes(lines_log2);
	twin->fd = memfd_create("fdb", MFD_CLOEXEC);
	if (twin->fd < 0 || ftruncate(twin->fd, (off_t)twin->bytes)) {
		abort();
	}
	twin->mem_rw = mmap(NULL, twin->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, twin->fd, 0);
	twin->mem_ro = mmap(NULL, twin->bytes, PROT_READ, MAP_SHARED, twin->fd, 0);
	if (twin->mem_rw == MAP_FAILED || twin->mem_ro == MAP_FAILED ||
	    fdb_table_new_at(lines_log2, twin->mem_rw, &twin->rw, NULL) ||
	    fdb_table_new_at(lines_log2, twin->mem_ro, &twin->ro, NULL)) {
		abort();
	}
	return twin;
}

static void twin_free(struct twin *twin)
{
	fdb_table_free(twin->rw);
	fdb_table_free(twin->ro);
	munmap(twin->mem_rw, twin->bytes);
	munmap(twin->mem_ro, twin->bytes);
	close(twin->fd);
	free(twin);
}

static void database_make(struct test_rng *rng)
{
	size_t bytes = (sizeof(struct fdb) + 4095) & ~(size_t)4095;
	void *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED) {
		abort();
	}
	fdb = test_fdb_new(rng);
	memcpy(mem, (void *)fdb, sizeof(*fdb));
	mprotect(mem, bytes, PROT_READ);
	fdb_ro = mem;
	first_mac = UINT64_C(0x020000000000) + (rng_next(rng) & 0xffffffff);
}

static struct views *views_get(void)
{
	return atomic_load_explicit(&published, memory_order_acquire); /* pairs with publish() */
}

static void publish(const struct twin *cur, const struct twin *old)
{
	struct views *views = malloc(sizeof(*views)), *was;

	*views = (struct views){
		.rw = {.cur = cur->rw, .old = old ? old->rw : NULL},
		.ro = {.cur = cur->ro, .old = old ? old->ro : NULL},
	};
	was = atomic_exchange_explicit(&published, views, memory_order_acq_rel);
	epoch_synchronize();
	free(was);
}

/* ---- threads ---- */

static void *reader(void *arg)
{
	_Atomic uint64_t *n_done = arg;
	struct test_rng rng = {.state = (uintptr_t)arg};
	uint32_t index[BURST];
	uint16_t hit[BURST];
	uint64_t burst[BURST];

	role_enter(ROLE_WORKER);
	epoch_register();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint32_t n = atomic_load_explicit(&n_known, memory_order_acquire);
		const struct views *views = views_get();

		for (uint32_t i = 0; i < BURST && n; i++) {
			/* half of them from the latest learned */
			index[i] = i % 2 || n < 4096 ? rng_below(&rng, n)
						     : n - 1 - rng_below(&rng, 4096);
			burst[i] = nth_key(index[i]);
		}
		if (n) {
			test_lookup_burst(fdb_ro, &views->ro, burst, BURST, hit);
		}
		for (uint32_t i = 0; i < BURST && n; i++) {
			if (!hit[i]) {
				atomic_fetch_add(&n_unknown, 1);
			} else if ((hit[i] & FDB_HIT_PORT_MASK) != nth_port(index[i])) {
				atomic_fetch_add(&n_wrong_port, 1);
			}
		}
		if (views->ro.old) {
			atomic_fetch_add_explicit(&n_pair_looks, 1, memory_order_relaxed);
		}
		atomic_fetch_add_explicit(n_done, n ? BURST : 0, memory_order_relaxed);
		epoch_quiescent();
	}
	epoch_unregister();
	return NULL;
}

/*
 * One burst, again and again until all of it is learned: a full table is refused until it has
 * grown.
 */
static void learn_one_burst(uint32_t first) REQUIRES_SHARED(in_epoch)
{
	struct fdb_learner learner = {.port_idx = nth_port(first), .learning = true};
	struct fdb_source source[BURST];
	uint64_t burst[BURST];
	uint32_t n_refused;

	for (uint32_t i = 0; i < BURST; i++) {
		burst[i] = nth_key(first + i);
	}
	do {
		n_refused = 0;
		test_learn_burst(fdb, &views_get()->rw, &learner, burst, BURST, source);
		for (uint32_t i = 0; i < BURST; i++) {
			n_refused += source[i].outcome == FDB_REFUSED;
		}
		epoch_quiescent();
	} while (n_refused && clock_now_ns() < deadline_ns);
}

static void *learner(void *arg)
{
	(void)arg;
	role_enter(ROLE_WORKER);
	epoch_register();
	for (uint32_t i = 0; i < N_ADDRESSES && clock_now_ns() < deadline_ns; i += BURST) {
		learn_one_burst(i);
		atomic_store_explicit(&n_known, i + BURST, memory_order_release);
	}
	atomic_store(&stop, true);
	epoch_unregister();
	return NULL;
}

static struct twin *grow(struct twin *from) REQUIRES(role_control)
{
	struct twin *bigger = twin_new(fdb_table_lines_log2(from->rw) + 1);
	uint32_t cursor = 0;

	publish(bigger, from);
	while (!fdb_migrate(fdb, &views_get()->rw, &cursor, 1024)) {
	}
	publish(bigger, NULL);
	twin_free(from);
	return bigger;
}

/* ---- */

static void on_segv(int signal)
{
	(void)signal;
	_exit(EXIT_SEGV);
}

/* What a reader that stored would come to. */
static void test_store_is_noticed(const struct twin *twin)
{
	const struct fdb_tables tables = {.cur = twin->ro};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGSEGV, on_segv);
		epoch_register();
		test_learn(fdb, &tables, nth_key(0), 1, 0);
		epoch_unregister();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SEGV,
	       "a store through the readers' mapping is a SIGSEGV");
}

static void results_check(uint32_t lines_log2, uint32_t n_grown)
{
	uint32_t n_learned = 0, n_bad = 0;
	struct fdb_counts counts;

	fdb_counts(fdb, &counts);
	for (uint32_t p = 1; p <= N_PORTS; p++) {
		n_learned += fdb_port_n_learned(fdb, p);
	}
	for (uint32_t i = 0; i < N_ADDRESSES; i++) {
		struct fdb_entry entry;

		n_bad += !fdb_find(fdb, &views_get()->rw, nth_key(i), &entry) ||
			 entry.port_idx != nth_port(i);
	}
	tap_ok(n_known == N_ADDRESSES, "%u addresses learned", n_known);
	tap_ok(n_unknown == 0, "a known address was answered unknown %u times", n_unknown);
	tap_ok(n_wrong_port == 0, "a known address was answered with a wrong port %u times",
	       n_wrong_port);
	tap_ok(n_looks[0] && n_looks[1] && n_pair_looks,
	       "readers looked %llu and %llu times, with %u bursts while a pair was published",
	       (unsigned long long)n_looks[0], (unsigned long long)n_looks[1], n_pair_looks);
	tap_ok(n_grown >= N_ADDRESSES_LOG2 - 16 && lines_log2 == 14 + n_grown,
	       "grown %u times, to 2^%u lines", n_grown, lines_log2);
	tap_ok(n_bad == 0 && n_learned == N_ADDRESSES && counts.n_learned == N_ADDRESSES,
	       "at rest: all are there and counted once (%u are not; counted %u; %llu full, %llu "
	       "busy)",
	       n_bad, n_learned, (unsigned long long)counts.n_full,
	       (unsigned long long)counts.n_busy);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);
	pthread_t thread[N_READERS + 1];
	uint32_t n_grown = 0;
	struct twin *twin;

	role_assert_control();
	database_make(&rng);
	twin = twin_new(FDB_LINES_LOG2_MIN);
	test_store_is_noticed(twin);
	publish(twin, NULL);
	deadline_ns = clock_now_ns() + 90 * NS_PER_S;
	pthread_create(&thread[N_READERS], NULL, learner, NULL);
	for (uint32_t i = 0; i < N_READERS; i++) {
		pthread_create(&thread[i], NULL, reader, &n_looks[i]);
	}
	while (!atomic_load(&stop)) {
		if (fdb_wants_growth(fdb, &views_get()->rw)) {
			twin = grow(twin);
			n_grown++;
		} else {
			sched_yield();
		}
	}
	for (uint32_t i = 0; i <= N_READERS; i++) {
		pthread_join(thread[i], NULL);
	}
	results_check(fdb_table_lines_log2(twin->rw), n_grown);
	free(atomic_load(&published));
	twin_free(twin);
	fdb_free(fdb);
	return tap_done();
}
