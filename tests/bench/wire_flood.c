/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire_flood - as many frames as one core can send into a switch, counted where they come out; one
 * JSON object on standard output.
 *
 *   wire_flood --side0 IF --side1 IF --pairs N --size BYTES --window-ms N
 *              --sender-cpu N... --switch-cpu N... [--task TID]... [--learn-s N]
 *
 * Runs in the namespace of the far ends. First, where so many seconds are given for it, every
 * station of both sides says something, again where that does not come out at the other side: then
 * the switch has seen them all. Then side 0 sends to side 1 as fast as it can, and the sink's count
 * over the window is the rate. Each sender's CPU has a sender; frames of CPU N enter queue N modulo
 * the number of queues that the veth has. Idle times are those of the first of either kind.
 *
 * The sizes count the frame check sequence, as sizes of Ethernet frames do; a veth has none.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/clock.h"
#include "wire_spinner.h"
#include "wire_traffic.h"
#include "wire_traffic.skel.h"

#define FCS_BYTES     4u
#define FRAME_MAX     2048u
#define TASKS_MAX     16u
#define CORES_MAX     8u
#define BATCH	      64u
#define FRAMES_A_CALL (1u << 30) /* a call ends by a signal; a new one costs milliseconds */
#define WARM_NS	      (100 * NS_PER_MS)
#define LEARN_BURST   200u
#define LOOK_NS	      (50 * NS_PER_US)
#define QUIET_NS      (20 * NS_PER_MS) /* nothing arrived for so long: nothing will */

struct options {
	const char *ifname[2];
	uint32_t n_pairs, size, window_ms, learn_s;
	uint32_t sender_cpu[CORES_MAX], n_senders, switch_cpu[CORES_MAX], n_switch_cpus;
	uint32_t task[TASKS_MAX], n_tasks;
};

/* A thread that calls BPF_PROG_RUN until it is told to end. */
struct sender {
	pthread_t thread;
	int program_fd;
	uint32_t ifindex, frame_bytes, cpu;
	_Atomic bool stop, ended;
	int error;
};

/* An instant's readings. */
struct reading {
	uint64_t now_ns, sent, crossed, task_ns, stolen_ns;
	uint64_t idle_ns[2]; /* sender's core, switch's */
};

static struct wire_traffic_bpf *bpf;
static struct wire_spinner spinner[WIRE_CPUS]; /* of each core that takes part */
static const char *sink_ifname[2];

__attribute__((noreturn)) static void die(const char *what, int error)
{
	fprintf(stderr, "wire_flood: %s: %s\n", what, strerror(error));
	exit(1);
}

static void nap(uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

	nanosleep(&ts, NULL);
}

static void pin(pthread_t thread, uint32_t cpu)
{
	cpu_set_t set;
	int r;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	r = pthread_setaffinity_np(thread, sizeof(set), &set);
	if (r) {
		die("pinning a thread", r);
	}
}

/* ---- counting ---- */

/* Frames that came out at a side. */
static uint64_t arrived(uint32_t side)
{
	uint64_t n = 0;

	for (uint32_t cpu = 0; cpu < WIRE_CPUS; cpu++) {
		n += *(volatile __typeof__(bpf->bss->arrived[0].n[0]) *)&bpf->bss->arrived[cpu]
			      .n[side];
	}
	return n;
}

static volatile __typeof__(bpf->bss->senders[0].n_sent) *sent_at(uint32_t cpu)
{
	return &bpf->bss->senders[cpu].n_sent;
}

/* By all senders. */
static uint64_t n_sent(void)
{
	uint64_t n = 0;

	for (uint32_t cpu = 0; cpu < WIRE_CPUS; cpu++) {
		n += *sent_at(cpu);
	}
	return n;
}

static void set_limit(uint64_t n)
{
	*(volatile __typeof__(bpf->bss->order.limit) *)&bpf->bss->order.limit = n;
}

/* CPU time of the switch's own threads; a tick of the kernel is the resolution. */
static uint64_t tasks_ns(const struct options *options)
{
	uint64_t sum = 0;

	for (uint32_t t = 0; t < options->n_tasks; t++) {
		char path[48];
		uint64_t ns = 0;
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%u/schedstat", options->task[t]);
		file = fopen(path, "re");
		if (!file || fscanf(file, "%" SCNu64, &ns) != 1) {
			die(path, file ? EIO : errno);
		}
		fclose(file);
		sum += ns;
	}
	return sum;
}

/* Time that a hypervisor took from all these cores together; its resolution is a tick too. */
static uint64_t stolen_ns(void)
{
	uint64_t ns_per_tick = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK), sum = 0, steal;
	FILE *file = fopen("/proc/stat", "re");
	char line[256];
	uint32_t cpu;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "cpu%u %*u %*u %*u %*u %*u %*u %*u %" SCNu64, &cpu, &steal) == 2 &&
		    cpu < WIRE_CPUS && spinner[cpu].pid) {
			sum += steal * ns_per_tick;
		}
	}
	if (file) {
		fclose(file);
	}
	return sum;
}

static struct reading reading_take(const struct options *options)
{
	return (struct reading){
		.task_ns = tasks_ns(options),
		.stolen_ns = stolen_ns(),
		.idle_ns = {wire_spinner_ns(&spinner[options->sender_cpu[0]]),
			    wire_spinner_ns(&spinner[options->switch_cpu[0]])},
		.crossed = arrived(1),
		.sent = n_sent(),
		.now_ns = clock_now_ns(),
	};
}

/* ---- sending ---- */

static void *sender_main(void *arg)
{
	struct sender *sender = arg;
	uint8_t frame[FRAME_MAX] = {0};
	struct xdp_md context = {
		.data_end = sender->frame_bytes,
		.ingress_ifindex = sender->ifindex,
	};
	uint16_t type = htons(WIRE_ETHERTYPE);

	memcpy(frame + 2 * ETH_ALEN, &type, sizeof(type));
	while (!atomic_load(&sender->stop) && !sender->error) {
		struct bpf_test_run_opts opts = {
			.sz = sizeof(opts),
			.data_in = frame,
			.data_size_in = sender->frame_bytes,
			.ctx_in = &context,
			.ctx_size_in = sizeof(context),
			.repeat = FRAMES_A_CALL,
			.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			.batch_size = BATCH,
		};
		int r = bpf_prog_test_run_opts(sender->program_fd, &opts);

		if (r < 0 && errno != EINTR && errno != EAGAIN) {
			sender->error = errno;
		}
	}
	atomic_store(&sender->ended, true);
	return NULL;
}

/* Before the first sender of a kind. */
static void order_set(const struct wire_order *order)
{
	bpf->bss->order = *order;
	for (uint32_t cpu = 0; cpu < WIRE_CPUS; cpu++) {
		*sent_at(cpu) = 0;
		bpf->bss->senders[cpu].lcg = cpu; /* or all would send to the same at once */
	}
}

static void sender_start(struct sender *sender, const struct options *options, uint32_t from_side,
			 uint32_t cpu)
{
	int r;

	*sender = (struct sender){
		.program_fd = bpf_program__fd(bpf->progs.wire_send),
		.ifindex = if_nametoindex(options->ifname[from_side]),
		.frame_bytes = options->size - FCS_BYTES,
		.cpu = cpu,
	};
	r = pthread_create(&sender->thread, NULL, sender_main, sender);
	if (r) {
		die("a thread", r);
	}
	pin(sender->thread, sender->cpu);
}

/* A signal ends the call; one that comes before the call would be lost, so there are many. */
static void sender_stop(struct sender *sender)
{
	atomic_store(&sender->stop, true);
	while (!atomic_load(&sender->ended)) {
		pthread_kill(sender->thread, SIGUSR1);
		nap(NS_PER_MS);
	}
	pthread_join(sender->thread, NULL);
	if (sender->error) {
		die("BPF_PROG_RUN with live frames", sender->error);
	}
}

static void signal_ignored(int number)
{
	(void)number;
}

/* ---- learning ---- */

/* The stations of one side from 'first' on say something. Whether all of it came out. */
static bool learn_some(uint32_t cpu, uint32_t from_side, uint32_t first, uint32_t n)
{
	uint64_t before = arrived(!from_side), moved = 0, moved_ns = clock_now_ns();

	*sent_at(cpu) = first;
	set_limit(first + n);
	while (clock_now_ns() - moved_ns < QUIET_NS) {
		uint64_t sent = *sent_at(cpu), came = arrived(!from_side) - before;

		if (sent == first + n && came >= n) {
			return true;
		}
		if (sent + came != moved) {
			moved = sent + came;
			moved_ns = clock_now_ns();
		}
		nap(LOOK_NS);
	}
	return false;
}

/*
 * No more at once than the queue of a veth holds: nothing is lost, however slow the switch. What
 * gets lost all the same, as the ports come up, is said again.
 */
static void learn_side(const struct options *options, uint32_t from_side, uint64_t deadline_ns)
{
	const struct wire_order order = {
		.n_pairs = options->n_pairs,
		.from_side = from_side,
		.in_order = 1,
	};
	uint32_t cpu = options->sender_cpu[0];
	struct sender sender;

	order_set(&order);
	sender_start(&sender, options, from_side, cpu);
	for (uint32_t first = 0; first < options->n_pairs; first += LEARN_BURST) {
		uint32_t left = options->n_pairs - first;

		uint32_t n = left < LEARN_BURST ? left : LEARN_BURST;

		while (!learn_some(cpu, from_side, first, n)) {
			if (sender.error || clock_now_ns() > deadline_ns) {
				sender_stop(&sender);
				die("frames that teach the switch its stations get lost",
				    ETIMEDOUT);
			}
		}
	}
	sender_stop(&sender);
}

/* Side 1 first: when side 0 is at last heard, both are known. Returns how long it took. */
static uint64_t learn(const struct options *options)
{
	uint64_t begin = clock_now_ns(), deadline = begin + options->learn_s * NS_PER_S;

	learn_side(options, 1, deadline);
	learn_side(options, 0, deadline);
	return clock_now_ns() - begin;
}

/* ---- the measure ---- */

static void flood(const struct options *options, uint64_t learn_ns)
{
	const struct wire_order order = {.n_pairs = options->n_pairs, .limit = UINT64_MAX};
	struct reading begin, end;
	struct sender sender[CORES_MAX];

	order_set(&order);
	for (uint32_t i = 0; i < options->n_senders; i++) {
		sender_start(&sender[i], options, 0, options->sender_cpu[i]);
	}
	/* The call waits for the kernel's readers before its first frame. */
	for (uint32_t i = 0; i < options->n_senders; i++) {
		while (*sent_at(sender[i].cpu) == 0 && !atomic_load(&sender[i].ended)) {
			nap(LOOK_NS);
		}
	}
	nap(WARM_NS);
	begin = reading_take(options);
	nap(options->window_ms * NS_PER_MS);
	end = reading_take(options);
	for (uint32_t i = 0; i < options->n_senders; i++) {
		sender_stop(&sender[i]);
	}
	printf("{\"sent\": %" PRIu64 ", \"crossed\": %" PRIu64 ", \"window_ns\": %" PRIu64
	       ", \"switch_ns\": %" PRIu64 ", \"switch_core_idle_ns\": %" PRIu64
	       ", \"sender_core_idle_ns\": %" PRIu64 ", \"learn_ns\": %" PRIu64
	       ", \"stolen_ns\": %" PRIu64 "}\n",
	       end.sent - begin.sent, end.crossed - begin.crossed, end.now_ns - begin.now_ns,
	       end.task_ns - begin.task_ns, end.idle_ns[1] - begin.idle_ns[1],
	       end.idle_ns[0] - begin.idle_ns[0], learn_ns, end.stolen_ns - begin.stolen_ns);
}

static void sink_hook(const char *ifname, struct bpf_tc_hook *ret)
{
	*ret = (struct bpf_tc_hook){
		.sz = sizeof(*ret),
		.ifindex = (int)if_nametoindex(ifname),
		.attach_point = BPF_TC_INGRESS,
	};
}

static void sink_attach(const char *ifname)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts = {
		.sz = sizeof(opts),
		.prog_fd = bpf_program__fd(bpf->progs.wire_sink),
		.flags = BPF_TC_F_REPLACE,
		.handle = 1,
		.priority = 1,
	};
	int r;

	sink_hook(ifname, &hook);
	r = bpf_tc_hook_create(&hook);
	if (r == 0 || r == -EEXIST) {
		r = bpf_tc_attach(&hook, &opts);
	}
	if (r) {
		die(ifname, -r);
	}
}

/* Unlike a link, a classifier stays when its process ends. */
static void sinks_detach(void)
{
	for (uint32_t side = 0; side < 2; side++) {
		struct bpf_tc_hook hook;

		sink_hook(sink_ifname[side], &hook);
		/* Both directions: then the queueing discipline goes too. */
		hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
		(void)bpf_tc_hook_destroy(&hook);
	}
}

static void open_traffic(const struct options *options)
{
	bpf = wire_traffic_bpf__open_and_load();
	if (!bpf) {
		die("loading the BPF programs", errno);
	}
	bpf->bss->ifindex_of_side_1 = if_nametoindex(options->ifname[1]);
	/* At both ends: at the one it counts, at the other it keeps floods out of the stack. */
	memcpy(sink_ifname, options->ifname, sizeof(sink_ifname));
	atexit(sinks_detach);
	for (uint32_t side = 0; side < 2; side++) {
		sink_attach(options->ifname[side]);
	}
}

/* ---- the command line ---- */

static uint32_t number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n < min || n > max) {
		fprintf(stderr, "wire_flood: not a number from %u to %u: %s\n", min, max, text);
		exit(2);
	}
	return (uint32_t)n;
}

/* Each core once, whether it sends, switches or both. */
static void spinners_start(const uint32_t *cpu, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (spinner[cpu[i]].pid == 0 && wire_spinner_start(&spinner[cpu[i]], cpu[i])) {
			die("a spinner", errno);
		}
	}
}

static void spinners_end(void)
{
	for (uint32_t cpu = 0; cpu < WIRE_CPUS; cpu++) {
		wire_spinner_end(&spinner[cpu]);
	}
}

static void options_read(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"side0", 1, NULL, '0'},     {"side1", 1, NULL, '1'},
		{"pairs", 1, NULL, 'p'},     {"size", 1, NULL, 's'},
		{"window-ms", 1, NULL, 'w'}, {"sender-cpu", 1, NULL, 'f'},
		{"task", 1, NULL, 't'},	     {"switch-cpu", 1, NULL, 'c'},
		{"learn-s", 1, NULL, 'l'},   {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == '0' || c == '1') {
			options->ifname[c - '0'] = optarg;
		} else if (c == 'p') {
			options->n_pairs = number(optarg, 1, 1u << 24);
		} else if (c == 's') {
			options->size = number(optarg, 64, 1518);
		} else if (c == 'w') {
			options->window_ms = number(optarg, 1, 60000);
		} else if (c == 'l') {
			options->learn_s = number(optarg, 1, 3600);
		} else if (c == 'f' && options->n_senders < CORES_MAX) {
			options->sender_cpu[options->n_senders++] =
				number(optarg, 0, WIRE_CPUS - 1);
		} else if (c == 'c' && options->n_switch_cpus < CORES_MAX) {
			options->switch_cpu[options->n_switch_cpus++] =
				number(optarg, 0, WIRE_CPUS - 1);
		} else if (c == 't' && options->n_tasks < TASKS_MAX) {
			options->task[options->n_tasks++] = number(optarg, 1, UINT32_MAX);
		} else {
			exit(2);
		}
	}
	if (!options->ifname[0] || !options->ifname[1] || !options->n_pairs || !options->size ||
	    !options->window_ms || !options->n_senders || !options->n_switch_cpus) {
		fprintf(stderr, "wire_flood: an option is missing; see the top of its source\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct sigaction action = {.sa_handler = signal_ignored};

	options_read(argc, argv, &options);
	sigaction(SIGUSR1, &action, NULL);
	pin(pthread_self(), options.sender_cpu[0]);
	atexit(spinners_end);
	spinners_start(options.sender_cpu, options.n_senders);
	spinners_start(options.switch_cpu, options.n_switch_cpus);
	open_traffic(&options);
	flood(&options, options.learn_s ? learn(&options) : 0);
	return 0;
}
