/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_table - looks up, learns and refreshes addresses in the learning table and in its peers:
 * `bench_table [--quick] [WORD...]`, only cases whose name contains a WORD. tests/bench/run runs
 * it.
 *
 * All subjects of a case stand side by side and take turns, round by round; every second round
 * goes the other way round. A turn is some 10 to 300 ms of one or two pinned threads; their own CPU
 * time counts, so that whoever else wants the machine does not. Keys are permutations of the
 * addresses, made in advance and read in their order, a new permutation for each pass: nothing is
 * repeated for branch predictors to learn.
 *
 * Prints a JSON object a line: {"case", "subject", "unit", "rounds": [...]}, {"subject", "note"} or
 * {"missing", "why"}.
 */
#include "tests/bench/bench_table.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/epoch.h"

enum kind {
	KIND_HITS,
	KIND_MISSES,
	KIND_FRESH,
	KIND_STALE,
	KIND_LEARN,
	KIND_N,
};

static const char *const kind_name[KIND_N] = {
	[KIND_HITS] = "look up, hits",
	[KIND_MISSES] = "look up, misses",
	[KIND_FRESH] = "learn, known, seen in this tick",
	[KIND_STALE] = "learn, known, seen in the last tick",
	[KIND_LEARN] = "learn, new",
};

enum {
	SUBJECTS_MAX = 16,
	ROUNDS_MAX = 9,
	THREADS_MAX = 2,
	N_KEYS_MIN = 1 << 21,           /* a turn of two threads warms up and reads no key twice */
};

struct size {
	const char *name;
	uint32_t n_addresses;
	bool is_quick;
};

static const struct size sizes[] = {
	{"1k", 1024, false},
	{"10k", 10240, true},
	{"100k", 102400, false},
	{"1M", 1048576, true},
	{"4M", 4194304, false},
};

static struct {
	bool quick;
	char **word;
	uint32_t n_words;
	uint32_t n_rounds, n_learn_rounds, n_looks, n_learns;
	uint32_t n_cpus;
	int cpu[THREADS_MAX];
} options;

/* What a size has in common: the keys, and a filled table of each subject. */
struct stage {
	const struct size *size;
	uint64_t *key, *absent;
	size_t n_keys;
	const struct subject *subject[SUBJECTS_MAX];
	void *table[SUBJECTS_MAX];
	uint64_t n_refreshed[SUBJECTS_MAX];     /* bursts, ever: says the tick */
	uint32_t n_subjects;
};

/* One thread's part of a turn: every 'n_threads'-th burst from its own on. */
struct job {
	const struct subject *subject;
	void *table;
	enum kind kind;
	const uint64_t *key;
	size_t n_bursts_of_keys;
	uint64_t first_burst, n_bursts;         /* of all threads together */
	uint32_t bursts_per_tick;
	uint32_t thread_idx, n_threads;
	pthread_barrier_t *begin;
	uint64_t cpu_ns;
	uint64_t n_wrong;
};

static const uint64_t *job_keys(const struct job *job, uint64_t burst)
{
	return job->key + burst % job->n_bursts_of_keys * BENCH_BURST;
}

/*
 * One answer in each burst is looked at, another each time; stage_verify() has looked at all of
 * them.
 */
static void job_lookup(struct job *job, uint64_t n_bursts) REQUIRES_SHARED(in_epoch)
{
	uint32_t right = job->kind == KIND_MISSES ? 0 : BENCH_PORT;
	uint16_t port[BENCH_BURST];

	for (uint64_t i = job->thread_idx; i < n_bursts; i += job->n_threads) {
		job->subject->lookup_burst(job->table, job_keys(job, job->first_burst + i),
					   BENCH_BURST, port);
		job->n_wrong += bench_port(port[i % BENCH_BURST]) != right;
	}
}

/* A pass over all addresses is a tick, where ticks are to go by. */
static void job_learn(struct job *job) REQUIRES_SHARED(in_epoch)
{
	for (uint64_t i = job->thread_idx; i < job->n_bursts; i += job->n_threads) {
		uint64_t burst = job->first_burst + i;
		uint32_t tick = job->kind == KIND_STALE ?
					(uint32_t)(burst / job->bursts_per_tick) + 1 :
					0;

		job->n_wrong += job->subject->learn_burst(job->table, job_keys(job, burst),
							  BENCH_BURST, tick);
	}
}

/*
 * Brings the table to where it lies while nothing else is done, for the subject before this one
 * had the caches to itself: as many look-ups as there are addresses, or as will be timed. They go
 * on where the timed ones will end, so that none of those is prepared.
 */
static void warm_up(struct job *job) REQUIRES_SHARED(in_epoch)
{
	struct job before = *job;
	uint64_t n_addresses = job->bursts_per_tick, n_least = job->n_bursts / 8;

	before.first_burst += job->n_bursts;
	if (n_addresses > job->n_bursts) {
		n_addresses = job->n_bursts;
	}
	job_lookup(&before, n_addresses > n_least ? n_addresses : n_least);
}

static void thread_pin(uint32_t thread_idx)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(options.cpu[thread_idx], &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("bench_table: sched_setaffinity");
		exit(1);
	}
}

static void *job_run(void *arg)
{
	struct job *job = arg;
	uint64_t begin_ns;

	thread_pin(job->thread_idx);
	epoch_register();
	if (job->subject->thread_begin) {
		job->subject->thread_begin();
	}
	warm_up(job);
	pthread_barrier_wait(job->begin);
	begin_ns = bench_thread_ns();
	if (job->kind == KIND_HITS || job->kind == KIND_MISSES) {
		job_lookup(job, job->n_bursts);
	} else {
		job_learn(job);
	}
	job->cpu_ns = bench_thread_ns() - begin_ns;
	if (job->subject->thread_end) {
		job->subject->thread_end();
	}
	epoch_unregister();
	return NULL;
}

/*
 * A wrong answer ends it all, for its figure would be worth nothing. Threads that learn new
 * addresses side by side may leave a few to their next frame.
 */
static void job_judge(const struct job *job)
{
	uint64_t tolerated = job->kind == KIND_LEARN && job->n_threads > 1 ?
				     job->n_bursts * BENCH_BURST / 1000 :
				     0;

	if (job->n_wrong > tolerated) {
		fprintf(stderr, "bench_table: %s: %s: %llu wrong answers\n", job->subject->name,
			kind_name[job->kind], (unsigned long long)job->n_wrong);
		exit(1);
	}
}

/* CPU time of all threads for this turn. */
static uint64_t turn_run(const struct job *like, uint32_t n_threads)
{
	struct job job[THREADS_MAX];
	pthread_t thread[THREADS_MAX];
	pthread_barrier_t begin;
	uint64_t cpu_ns = 0;

	pthread_barrier_init(&begin, NULL, n_threads);
	for (uint32_t i = 0; i < n_threads; i++) {
		job[i] = *like;
		job[i].thread_idx = i;
		job[i].n_threads = n_threads;
		job[i].begin = &begin;
		if (pthread_create(&thread[i], NULL, job_run, &job[i])) {
			perror("bench_table: pthread_create");
			exit(1);
		}
	}
	for (uint32_t i = 0; i < n_threads; i++) {
		pthread_join(thread[i], NULL);
		cpu_ns += job[i].cpu_ns;
		job_judge(&job[i]);
	}
	pthread_barrier_destroy(&begin);
	return cpu_ns;
}

static struct job stage_job(const struct stage *stage, uint32_t subject_idx, enum kind kind)
{
	return (struct job){
		.subject = stage->subject[subject_idx],
		.table = stage->table[subject_idx],
		.kind = kind,
		.key = kind == KIND_MISSES ? stage->absent : stage->key,
		.n_bursts_of_keys = stage->n_keys / BENCH_BURST,
		.bursts_per_tick = stage->size->n_addresses / BENCH_BURST,
	};
}

/* Nanoseconds of one thread for one key of a table that stands. */
static double turn_standing(struct stage *stage, uint32_t subject_idx, enum kind kind,
			    uint32_t n_threads, uint32_t round)
{
	struct job job = stage_job(stage, subject_idx, kind);
	uint64_t n_keys = (uint64_t)options.n_looks * n_threads;

	job.n_bursts = n_keys / BENCH_BURST;
	job.first_burst = round * job.n_bursts;
	if (kind == KIND_STALE) {
		job.first_burst = stage->n_refreshed[subject_idx];
		stage->n_refreshed[subject_idx] += job.n_bursts;
	}
	return (double)turn_run(&job, n_threads) / (double)n_keys;
}

/* The same for addresses that enter empty tables, as many tables as it takes. */
static double turn_learning(struct stage *stage, uint32_t subject_idx, uint32_t n_threads)
{
	const struct subject *subject = stage->subject[subject_idx];
	uint32_t n_addresses = stage->size->n_addresses;
	uint32_t n_tables = options.n_learns / n_addresses;
	struct job job = stage_job(stage, subject_idx, KIND_LEARN);
	uint64_t cpu_ns = 0;

	n_tables = n_tables ? n_tables : 1;
	for (uint32_t i = 0; i < n_tables; i++) {
		job.n_bursts = n_addresses / BENCH_BURST;
		job.table = subject->make(n_addresses, subject->variant);
		if (!job.table) {
			fprintf(stderr, "bench_table: %s: no memory\n", subject->name);
			exit(1);
		}
		cpu_ns += turn_run(&job, n_threads);
		subject->free(job.table);
	}
	return (double)cpu_ns / n_tables / n_addresses;
}

static double turn(struct stage *stage, uint32_t subject_idx, enum kind kind, uint32_t n_threads,
		   uint32_t round)
{
	return kind == KIND_LEARN ? turn_learning(stage, subject_idx, n_threads) :
				    turn_standing(stage, subject_idx, kind, n_threads, round);
}

static bool is_wanted(const char *name)
{
	for (uint32_t i = 0; i < options.n_words; i++) {
		if (strstr(name, options.word[i])) {
			return true;
		}
	}
	return !options.n_words;
}

static bool takes_part(const struct subject *subject, enum kind kind, uint32_t n_threads)
{
	return !subject->variant || (kind != KIND_LEARN && n_threads == 1);
}

static void case_print(const struct stage *stage, enum kind kind, uint32_t n_threads,
		       const char *name, double ns[SUBJECTS_MAX][ROUNDS_MAX],
		       uint32_t n_rounds)
{
	for (uint32_t i = 0; i < stage->n_subjects; i++) {
		if (!takes_part(stage->subject[i], kind, n_threads)) {
			continue;
		}
		printf("{\"case\": \"%s\", \"subject\": \"%s\", \"unit\": \"ns\", \"rounds\": [",
		       name, stage->subject[i]->name);
		for (uint32_t round = 0; round < n_rounds; round++) {
			printf("%s%.3f", round ? ", " : "", ns[i][round]);
		}
		printf("]}\n");
	}
	fflush(stdout);
}

static void case_name(const struct stage *stage, enum kind kind, uint32_t n_threads, char *ret,
		      size_t bytes)
{
	snprintf(ret, bytes, "%s, %s, %u thread%s", kind_name[kind], stage->size->name, n_threads,
		 n_threads > 1 ? "s" : "");
}

static void case_run(struct stage *stage, enum kind kind, uint32_t n_threads)
{
	uint32_t n_rounds = kind == KIND_LEARN ? options.n_learn_rounds : options.n_rounds;
	double ns[SUBJECTS_MAX][ROUNDS_MAX] = {0};
	char name[80];

	case_name(stage, kind, n_threads, name, sizeof(name));
	if (!is_wanted(name)) {
		return;
	}
	for (uint32_t round = 0; round < n_rounds; round++) {
		for (uint32_t nth = 0; nth < stage->n_subjects; nth++) {
			uint32_t i = round % 2 ? stage->n_subjects - 1 - nth : nth;

			if (takes_part(stage->subject[i], kind, n_threads)) {
				ns[i][round] = turn(stage, i, kind, n_threads, round);
			}
		}
	}
	case_print(stage, kind, n_threads, name, ns, n_rounds);
}

/* Every answer of every subject: none unknown of those that are there, none known of the others. */
static void stage_verify(const struct stage *stage, uint32_t i) REQUIRES_SHARED(in_epoch)
{
	uint32_t n_wrong = 0;
	uint16_t port[BENCH_BURST];

	for (uint32_t first = 0; first < stage->size->n_addresses; first += BENCH_BURST) {
		stage->subject[i]->lookup_burst(stage->table[i], stage->key + first, BENCH_BURST,
						port);
		for (uint32_t j = 0; j < BENCH_BURST; j++) {
			n_wrong += bench_port(port[j]) != BENCH_PORT;
		}
		stage->subject[i]->lookup_burst(stage->table[i], stage->absent + first,
						BENCH_BURST, port);
		for (uint32_t j = 0; j < BENCH_BURST; j++) {
			n_wrong += bench_port(port[j]) != 0;
		}
	}
	if (n_wrong) {
		fprintf(stderr, "bench_table: %s: %u of %u answers are wrong\n",
			stage->subject[i]->name, n_wrong, 2 * stage->size->n_addresses);
		exit(1);
	}
}

/* false: none of its cases is wanted. */
static bool stage_is_wanted(const struct stage *stage)
{
	char name[80];

	for (enum kind kind = 0; kind < KIND_N; kind++) {
		for (uint32_t n_threads = 1; n_threads <= options.n_cpus; n_threads++) {
			case_name(stage, kind, n_threads, name, sizeof(name));
			if (is_wanted(name)) {
				return true;
			}
		}
	}
	return false;
}

/* The least that is a whole number of permutations. */
static size_t stage_n_keys(const struct size *size)
{
	size_t n = size->n_addresses;

	return n >= N_KEYS_MIN ? n : (N_KEYS_MIN + n - 1) / n * n;
}

static void stage_fill(struct stage *stage) REQUIRES_SHARED(in_epoch)
{
	for (uint32_t i = 0; i < stage->n_subjects; i++) {
		const struct subject *subject = stage->subject[i];
		struct job job = stage_job(stage, i, KIND_LEARN);

		stage->n_refreshed[i] = 0;
		stage->table[i] = subject->make(stage->size->n_addresses, subject->variant);
		if (!stage->table[i]) {
			fprintf(stderr, "bench_table: %s: no memory\n", subject->name);
			exit(1);
		}
		job.table = stage->table[i];
		job.n_bursts = stage->size->n_addresses / BENCH_BURST;
		turn_run(&job, 1);
		stage_verify(stage, i);
	}
}

static void stage_run(struct stage *stage) REQUIRES_SHARED(in_epoch)
{
	uint32_t n = stage->size->n_addresses;
	size_t bytes;

	stage->n_keys = stage_n_keys(stage->size);
	bytes = stage->n_keys * sizeof(*stage->key);
	stage->key = bench_memory_map(bytes);
	stage->absent = bench_memory_map(bytes);
	if (!stage->key || !stage->absent) {
		fprintf(stderr, "bench_table: no memory for %u keys\n", n);
		exit(1);
	}
	bench_keys_shuffle(stage->key, stage->n_keys, 0, n);
	bench_keys_shuffle(stage->absent, stage->n_keys, n, n);
	stage_fill(stage);
	/* What moves the stamps comes after what wants them to be of one tick. */
	for (enum kind kind = 0; kind < KIND_LEARN; kind++) {
		for (uint32_t n_threads = 1; n_threads <= options.n_cpus; n_threads++) {
			case_run(stage, kind, n_threads);
		}
	}
	for (uint32_t i = 0; i < stage->n_subjects; i++) {
		stage->subject[i]->free(stage->table[i]);
	}
	for (uint32_t n_threads = 1; n_threads <= options.n_cpus; n_threads++) {
		case_run(stage, KIND_LEARN, n_threads);
	}
	bench_memory_unmap(stage->key, bytes);
	bench_memory_unmap(stage->absent, bytes);
}

static void options_read(int argc, char **argv)
{
	cpu_set_t set;

	options.word = argv + 1;
	options.n_words = (uint32_t)argc - 1;
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		options.quick = true;
		options.word++;
		options.n_words--;
	}
	options.n_rounds = options.quick ? 3 : 7;
	options.n_learn_rounds = options.quick ? 1 : 3;
	options.n_looks = options.quick ? 1 << 18 : 1 << 19;
	options.n_learns = options.quick ? 1 << 15 : 1 << 17;
	if (sched_getaffinity(0, sizeof(set), &set)) {
		perror("bench_table: sched_getaffinity");
		exit(1);
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && options.n_cpus < THREADS_MAX; cpu++) {
		if (CPU_ISSET(cpu, &set)) {
			options.cpu[options.n_cpus++] = cpu;
		}
	}
}

/* Appends a peer's variants, or says why there are none. */
static void stage_add(struct stage *stage, const struct subject *subject)
{
	const char *why = subject->start ? subject->start() : NULL;

	if (why) {
		printf("{\"missing\": \"%s\", \"why\": \"%s\"}\n", subject->name, why);
		return;
	}
	if (subject->note) {
		printf("{\"subject\": \"%s\", \"note\": \"%s\"}\n", subject->name,
		       subject->note());
	}
	for (; subject->name; subject++) {
		if (!subject->variant || subject->has_variant(subject->variant)) {
			stage->subject[stage->n_subjects++] = subject;
		}
	}
}

static void stage_add_all(struct stage *stage)
{
	stage_add(stage, subject_viaduct);
	stage_add(stage, subject_plain);
#ifdef BENCH_RTE_HASH
	stage_add(stage, subject_rte_hash);
#else
	printf("{\"missing\": \"rte_hash\", \"why\": \"libdpdk-dev is not installed\"}\n");
#endif
#ifdef BENCH_RCULFHASH
	stage_add(stage, subject_rculfhash);
#else
	printf("{\"missing\": \"rculfhash\", \"why\": \"liburcu-cds is not installed\"}\n");
#endif
}

int main(int argc, char **argv)
{
	static struct stage stage;

	options_read(argc, argv);
	epoch_register();
	stage_add_all(&stage);
	for (uint32_t i = 0; is_wanted("capacity") && i < stage.n_subjects; i++) {
		if (!stage.subject[i]->variant) {
			bench_facts(stage.subject[i], options.quick ? 1 : BENCH_FILLS_MAX);
		}
	}
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		stage.size = &sizes[i];
		if ((sizes[i].is_quick || !options.quick) && stage_is_wanted(&stage)) {
			stage_run(&stage);
		}
	}
	for (uint32_t i = 0; i < stage.n_subjects; i++) {
		if (stage.subject[i]->stop) {
			stage.subject[i]->stop();
		}
	}
	epoch_unregister();
	return 0;
}
