/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench_loop_device.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "bench_loop_profile.h"

#define FD_BASE      (1 << 24)  /* no descriptor is so large */
#define DEVICES      64
#define CALIBRATE_NS (20 * NS_PER_MS)
#define CALIBRATE_TRIES 64u
#define YARD_ROUNDS  128u
#define YARD_TOLERANCE 1.05
#define QUIET_TURNS  8u         /* what is under way has left and come home by then */
#define ETH_TYPE_LOCAL 0x88b5u  /* local experimental */
#define ETH_TYPE_VLAN  0x8100u

static struct device *devices[DEVICES];
static double tick_ns = 1;

/* ---- the clock ---- */

uint64_t device_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return clock_now_ns();
#endif
}

struct instant {
	uint64_t ns, ticks;
};

/* Both clocks at once: of some tries the one in which the least came between. */
static struct instant instant_now(void)
{
	struct instant best = {0};
	uint64_t least = UINT64_MAX;

	for (uint32_t i = 0; i < CALIBRATE_TRIES; i++) {
		uint64_t before = device_ticks(), ns = clock_now_ns(), after = device_ticks();

		if (after - before < least) {
			least = after - before;
			best = (struct instant){ns, before + (after - before) / 2};
		}
	}
	return best;
}

void device_clock_calibrate(void)
{
	struct instant begin = instant_now(), end;

	clock_pause_ns(CALIBRATE_NS);
	end = instant_now();
	tick_ns = (double)(end.ns - begin.ns) / (double)(end.ticks - begin.ticks);
}

double device_tick_ns(void)
{
	return tick_ns;
}

/* ---- frames out, frames in ---- */

static uint32_t device_take(struct kring *kring)
{
	const struct xdp_desc *desc = kring->tx_desc;
	uint32_t mask = kring->xq.tx_size - 1;
	uint32_t from = kring->tx.consumer, to = kring->comp.producer;
	uint32_t n = __atomic_load_n(&kring->tx.producer, __ATOMIC_ACQUIRE) - from;

	for (uint32_t i = 0; i < n; i++) {
		kring->comp_addr[(to + i) & mask] = desc[(from + i) & mask].addr;
	}
	__atomic_store_n(&kring->tx.consumer, from + n, __ATOMIC_RELEASE);
	__atomic_store_n(&kring->comp.producer, to + n, __ATOMIC_RELEASE);
	return n;
}

static void put64(uint8_t *to, uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(to, &value, sizeof(value));
}

/* xorshift64: fewer instructions than a look into an array of flows, and no cache line. */
static uint64_t device_random(struct device *device)
{
	uint64_t x = device->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	device->random = x;
	return x;
}

static void write_header(struct device *device, uint32_t port_idx, uint8_t *data)
{
	const struct device_traffic *traffic = &device->traffic[port_idx];
	uint64_t random = device_random(device), n = device->n_addresses;
	uint64_t src = device_address(port_idx, (uint32_t)((random & 0xffffffff) * n >> 32));
	uint64_t dst = traffic->dst, low = src << 32;
	uint32_t to_port = traffic->to_port;

	if (traffic->to_any) {
		to_port = 1 + (uint32_t)((random & 0xffff) * (device->n_ports - 1) >> 16);
		to_port += to_port >= port_idx;
	}
	if (to_port) {
		dst = device_address(to_port, (uint32_t)((random >> 32) * n >> 32));
	}
	low |= traffic->vid ? ETH_TYPE_VLAN << 16 | traffic->vid : ETH_TYPE_LOCAL << 16;
	put64(data, dst << 16 | src >> 32);
	put64(data + 8, low);
	put64(data + 16, (uint64_t)ETH_TYPE_LOCAL << 48);
}

static void flush(const void *line)
{
#if defined(__x86_64__)
	__builtin_ia32_clflush(line);
#elif defined(__aarch64__)
	__asm__ volatile("dc civac, %0" : : "r"(line) : "memory");
#else
	(void)line;
#endif
}

static uint32_t device_bring(struct device *device, uint32_t port_idx)
{
	struct kring *kring = device->kring[port_idx];
	const struct device_traffic *traffic = &device->traffic[port_idx];
	const struct xq *xq = &kring->xq;
	uint32_t from = kring->fill.consumer, to = kring->rx.producer;
	uint32_t n = __atomic_load_n(&kring->fill.producer, __ATOMIC_ACQUIRE) - from;

	n = n < traffic->burst ? n : traffic->burst;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = kring->fill_addr[(from + i) & (xq->fill_size - 1)] + FRAME_HEADROOM;

		write_header(device, port_idx, xq->frames->area + addr);
		kring->rx_desc[(to + i) & (xq->rx_size - 1)] =
			(struct xdp_desc){.addr = addr, .len = traffic->len};
	}
	for (uint32_t i = 0; i < n && traffic->cold; i++) {
		flush(xq->frames->area + kring->rx_desc[(to + i) & (xq->rx_size - 1)].addr);
	}
	__atomic_store_n(&kring->fill.consumer, from + n, __ATOMIC_RELEASE);
	__atomic_store_n(&kring->rx.producer, to + n, __ATOMIC_RELEASE);
	device->n_lost += traffic->burst - n;
	return n;
}

/* ---- a turn's account ---- */

/* Four chains, so that every port of the core that adds or multiplies has work. */
static uint64_t yardstick(uint64_t n)
{
	uint64_t a = n, b = n + 1, c = n + 2, d = n + 3;

	for (uint32_t i = 0; i < YARD_ROUNDS; i++) {
		a = a * 3 + 1;
		b = (b ^ a) + 5;
		c = (c + 7) ^ d;
		d = d * 5 + 3;
	}
	return a ^ b ^ c ^ d;
}

static void slice_end(struct device *device)
{
	device->slice[device->n_slices++ % DEVICE_SLICES] = (struct device_slice){
		.loop_ns = (float)((double)device->loop_ticks * tick_ns /
				   (double)device->slice_frames),
		.yard_ns = (float)((double)device->yard_ticks * tick_ns / device->slice_n),
	};
	device->loop_ticks = device->yard_ticks = device->slice_frames = 0;
	device->slice_n = 0;
}

/* Whether the turn sent what others had handed over. */
static bool has_sent(const struct device *device)
{
	for (uint32_t p = 1; p <= device->n_ports; p++) {
		const struct kring *kring = device->kring[p];

		if (kring && kring->tx.producer != kring->tx.consumer) {
			return true;
		}
	}
	return false;
}

/* Turns count that had something to do: not the first, and not those after the last frame. */
static bool counts(const struct device *device)
{
	return device->n_given > 0 || (device->n_out > 0 && device->left_at && has_sent(device));
}

static void account(struct device *device, uint64_t now, uint64_t yard_ticks)
{
	if (!counts(device)) {
		return;
	}
	device->yard_ticks += yard_ticks;
	device->loop_ticks += now - device->left_at;
	device->total_loop_ticks += now - device->left_at;
	device->slice_frames += device->n_given;
	device->n_turns++;
	if (++device->slice_n >= device->slice_turns && device->slice_frames) {
		slice_end(device);
	}
}

static bool over(const struct device *device, uint64_t now)
{
	return device->n_turns >= device->n_turns_max ||
	       device->n_received >= device->n_frames_max ||
	       (device->run_ticks && now > device->deadline_ticks);
}

/* The first turn: whatever came before it was the thread's start. */
static void begin(struct device *device, uint64_t now)
{
	device->deadline_ticks = now + device->run_ticks;
	if (device->profiled && !profile_start()) {
		device->profiled = false;
	}
}

/* When the last frame has come home the device stops the box, if it is the last one. */
static void count_quiet(struct device *device)
{
	if (device->n_quiet == 0 && device->profiled) {
		profile_stop();
	}
	if (++device->n_quiet == QUIET_TURNS &&
	    atomic_fetch_sub_explicit(device->n_running, 1, memory_order_acq_rel) == 1) {
		if (device->stop) {
			atomic_store_explicit(device->stop, true, memory_order_release);
		}
		sem_post(device->stopped);
	}
}

/* The worker's own way of looking: at the other's index only where its copy says no. */
static bool has_room(const struct handover *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	return head - ring->tail_seen <= HANDOVER_SIZE / 2 ||
	       head - atomic_load_explicit(&ring->tail, memory_order_acquire) <= HANDOVER_SIZE / 2;
}

static void bring_all(struct device *device)
{
	for (uint32_t i = 0; i < device->n_out; i++) {
		if (!has_room(device->out[i])) {
			return;
		}
	}
	for (uint32_t p = 1; p <= device->n_ports; p++) {
		if (device->kring[p] && device->traffic[p].burst) {
			device->n_given += device_bring(device, p);
		}
	}
}

/* Not inlined, so that a profile tells the device from the loop. */
static __attribute__((noinline)) void device_turn(struct device *device)
{
	uint64_t now = device_ticks(), then;
	bool ending;

	/* Nor is what of the loop waits for another's cache to wait in the yardstick's. */
	atomic_thread_fence(memory_order_seq_cst);
	then = device_ticks();
	device->yard = yardstick(now);
	account(device, now, device_ticks() - then);
	if (device->n_received == 0) {
		begin(device, now);
	}
	if (device->captured) {
		atomic_store(&device->captured->tail, atomic_load(&device->captured->head));
	}
	device->n_given = 0;
	ending = over(device, now);
	for (uint32_t p = 1; p <= device->n_ports; p++) {
		if (device->kring[p] && (ending || (device->n_turns + p) % device->spread == 0)) {
			device->n_sent += device_take(device->kring[p]);
		}
	}
	if (ending) {
		count_quiet(device);
	} else {
		bring_all(device);
	}
	device->n_received += device->n_given;
	/* The device's stores that miss the cache are not to wait in the loop's time. */
	atomic_thread_fence(memory_order_seq_cst);
	device->left_at = device_ticks();
}

ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *address,
			socklen_t *address_bytes);
ssize_t __wrap_recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *address,
			socklen_t *address_bytes)
{
	(void)data, (void)bytes, (void)flags, (void)address, (void)address_bytes;
	device_turn(devices[fd - FD_BASE]);
	return 0;
}

int device_fd(uint32_t worker_idx)
{
	return FD_BASE + (int)worker_idx;
}

void device_register(uint32_t worker_idx, struct device *device)
{
	devices[worker_idx] = device;
}

/* ---- the outcome ---- */

static int by_loop(const void *a, const void *b)
{
	float x = ((const struct device_slice *)a)->loop_ns;
	float y = ((const struct device_slice *)b)->loop_ns;

	return (x > y) - (x < y);
}

static int by_yard(const void *a, const void *b)
{
	float x = ((const struct device_slice *)a)->yard_ns;
	float y = ((const struct device_slice *)b)->yard_ns;

	return (x > y) - (x < y);
}

struct device_figures device_figures(struct device *device, double yard_ns)
{
	struct device_slice *slice = device->slice;
	uint64_t n = device->n_slices < DEVICE_SLICES ? device->n_slices : DEVICE_SLICES;
	struct device_figures ret = {0};

	if (n == 0) {
		return ret;
	}
	qsort(slice, n, sizeof(*slice), by_yard);
	if (yard_ns == 0) {
		yard_ns = (double)slice[n / 100].yard_ns;
	}
	while (ret.n < n && (double)slice[ret.n].yard_ns <= yard_ns * YARD_TOLERANCE) {
		ret.n++;
	}
	if (ret.n == 0) {
		return ret;
	}
	ret.yard = (double)slice[ret.n / 2].yard_ns;
	qsort(slice, ret.n, sizeof(*slice), by_loop);
	ret.p10 = (double)slice[ret.n / 10].loop_ns;
	ret.median = (double)slice[ret.n / 2].loop_ns;
	ret.p90 = (double)slice[ret.n * 9 / 10].loop_ns;
	return ret;
}
