/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lines_count - the functions that -fsanitize=thread makes compilers call: LLVM's
 * tsan_interface.h and tsan_interface_atomic.h say what they are.
 */
#include "lines_count.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE   64u
#define SLOTS  (1u << 17)       /* a thread; more than a few workers touch */

static struct lines_count *table[LINES_THREADS];
static _Thread_local struct lines_count *own;
static _Atomic bool counting;

/* ---- tables: open addressing ---- */

static struct lines_count *slot_of(struct lines_count *slots, uintptr_t line)
{
	uint32_t at = (uint32_t)((line / LINE) * 2654435761u) % SLOTS;

	for (uint32_t i = 0; i < SLOTS; i++, at = (at + 1) % SLOTS) {
		if (slots[at].line == line || slots[at].line == 0) {
			return &slots[at];
		}
	}
	printf("Bail out! lines_count: more than %u lines\n", SLOTS);
	abort();
}

static void note(uintptr_t line, bool is_write, const void *code)
{
	struct lines_count *count = slot_of(own, line);

	count->line = line;
	if (is_write) {
		count->writer = count->n_writes++ ? count->writer : code;
	} else {
		count->reader = count->n_reads++ ? count->reader : code;
	}
}

static void touch(const volatile void *at, size_t bytes, bool is_write, const void *code)
{
	uintptr_t first = (uintptr_t)at / LINE * LINE;

	if (!own || bytes == 0 || !atomic_load_explicit(&counting, memory_order_relaxed)) {
		return;
	}
	for (uintptr_t line = first; line < (uintptr_t)at + bytes; line += LINE) {
		note(line, is_write, code);
	}
}

void lines_count_as(uint32_t thread_idx)
{
	own = table[thread_idx];
}

void lines_count_clear(void)
{
	for (uint32_t t = 0; t < LINES_THREADS; t++) {
		free(table[t]);
		table[t] = calloc(SLOTS, sizeof(*table[t]));
		if (!table[t]) {
			printf("Bail out! lines_count: no memory\n");
			abort();
		}
	}
}

void lines_count_start(void)
{
	atomic_store(&counting, true);
}

void lines_count_stop(void)
{
	atomic_store(&counting, false);
}

void lines_count_each(uint32_t thread_idx,
		      void (*each)(const struct lines_count *count, void *arg), void *arg)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (table[thread_idx][i].line) {
			each(&table[thread_idx][i], arg);
		}
	}
}

struct lines_count lines_count_of(uint32_t thread_idx, uintptr_t line)
{
	return *slot_of(table[thread_idx], line);
}

/* ---- what compilers call ---- */

#define CODE __builtin_return_address(0)
#define DEFINE(type, name, ...)                                                                    \
	type name(__VA_ARGS__);                                                                    \
	type name(__VA_ARGS__)

/* Loads and stores of plain objects. */
#define PLAIN(n)                                                                                   \
	DEFINE(void, __tsan_read##n, void *at) { touch(at, n, false, CODE); }                      \
	DEFINE(void, __tsan_write##n, void *at) { touch(at, n, true, CODE); }                      \
	DEFINE(void, __tsan_unaligned_read##n, void *at) { touch(at, n, false, CODE); }            \
	DEFINE(void, __tsan_unaligned_write##n, void *at) { touch(at, n, true, CODE); }            \
	DEFINE(void, __tsan_volatile_read##n, void *at) { touch(at, n, false, CODE); }             \
	DEFINE(void, __tsan_volatile_write##n, void *at) { touch(at, n, true, CODE); }             \
	DEFINE(void, __tsan_read_write##n, void *at)                                               \
	{                                                                                          \
		touch(at, n, false, CODE);                                                         \
		touch(at, n, true, CODE);                                                          \
	}

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

DEFINE(void, __tsan_init, void) {}
DEFINE(void, __tsan_func_entry, void *code) { (void)code; }
DEFINE(void, __tsan_func_exit, void) {}
DEFINE(void, __tsan_read_range, void *at, size_t bytes) { touch(at, bytes, false, CODE); }
DEFINE(void, __tsan_write_range, void *at, size_t bytes) { touch(at, bytes, true, CODE); }

/* Atomics: done in the strongest order, whatever was asked for. */
#define READ_MODIFY_WRITE(bits, verb)                                                              \
	DEFINE(uint##bits##_t, __tsan_atomic##bits##_fetch_##verb,                                 \
	       volatile uint##bits##_t *at, uint##bits##_t value, int order)                       \
	{                                                                                          \
		(void)order;                                                                       \
		touch(at, bits / 8, true, CODE);                                                   \
		return __atomic_fetch_##verb(at, value, __ATOMIC_SEQ_CST);                         \
	}

#define COMPARE_EXCHANGE(bits, kind, is_weak)                                                      \
	DEFINE(int, __tsan_atomic##bits##_compare_exchange_##kind, volatile uint##bits##_t *at,    \
	       uint##bits##_t *expected, uint##bits##_t value, int order, int fail_order)          \
	{                                                                                          \
		(void)order, (void)fail_order;                                                     \
		touch(at, bits / 8, true, CODE);                                                   \
		return __atomic_compare_exchange_n(at, expected, value, is_weak,                   \
						   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
	}

#define ATOMIC(bits)                                                                               \
	DEFINE(uint##bits##_t, __tsan_atomic##bits##_load, const volatile uint##bits##_t *at,      \
	       int order)                                                                          \
	{                                                                                          \
		(void)order;                                                                       \
		touch(at, bits / 8, false, CODE);                                                  \
		return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                      \
	}                                                                                          \
	DEFINE(void, __tsan_atomic##bits##_store, volatile uint##bits##_t *at,                     \
	       uint##bits##_t value, int order)                                                    \
	{                                                                                          \
		(void)order;                                                                       \
		touch(at, bits / 8, true, CODE);                                                   \
		__atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                     \
	}                                                                                          \
	DEFINE(uint##bits##_t, __tsan_atomic##bits##_exchange, volatile uint##bits##_t *at,        \
	       uint##bits##_t value, int order)                                                    \
	{                                                                                          \
		(void)order;                                                                       \
		touch(at, bits / 8, true, CODE);                                                   \
		return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                           \
	}                                                                                          \
	READ_MODIFY_WRITE(bits, add)                                                               \
	READ_MODIFY_WRITE(bits, sub)                                                               \
	READ_MODIFY_WRITE(bits, and)                                                               \
	READ_MODIFY_WRITE(bits, or)                                                                \
	READ_MODIFY_WRITE(bits, xor)                                                               \
	COMPARE_EXCHANGE(bits, strong, 0)                                                          \
	COMPARE_EXCHANGE(bits, weak, 1)                                                            \
	DEFINE(uint##bits##_t, __tsan_atomic##bits##_compare_exchange_val,                         \
	       volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value,         \
	       int order, int fail_order)                                                          \
	{                                                                                          \
		(void)order, (void)fail_order;                                                     \
		touch(at, bits / 8, true, CODE);                                                   \
		__atomic_compare_exchange_n(at, &expected, value, 0, __ATOMIC_SEQ_CST,             \
					    __ATOMIC_SEQ_CST);                                     \
		return expected;                                                                   \
	}

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

DEFINE(void, __tsan_atomic_thread_fence, int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

DEFINE(void, __tsan_atomic_signal_fence, int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* ---- copies: gcc calls libc's, clang the sanitizer's ---- */

void *__real_memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *__real_memset(void *to, int octet, size_t bytes);

static void *counted_copy(void *to, const void *from, size_t bytes, const void *code)
{
	touch(from, bytes, false, code);
	touch(to, bytes, true, code);
	return __real_memcpy(to, from, bytes);
}

static void *counted_set(void *to, int octet, size_t bytes, const void *code)
{
	touch(to, bytes, true, code);
	return __real_memset(to, octet, bytes);
}

DEFINE(void *, __wrap_memcpy, void *restrict to, const void *restrict from, size_t bytes)
{
	return counted_copy(to, from, bytes, CODE);
}

DEFINE(void *, __wrap_memset, void *to, int octet, size_t bytes)
{
	return counted_set(to, octet, bytes, CODE);
}

DEFINE(void *, __tsan_memcpy, void *restrict to, const void *restrict from, size_t bytes)
{
	return counted_copy(to, from, bytes, CODE);
}

DEFINE(void *, __tsan_memset, void *to, int octet, size_t bytes)
{
	return counted_set(to, octet, bytes, CODE);
}
