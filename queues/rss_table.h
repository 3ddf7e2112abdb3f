/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * rss_table - an indirection table as short text, and from weights. Pure. Private to queues/.
 *
 * Text:    "modulo4": entry i is i mod 4, as the kernel's default is. "0*64,1*64": runs, as igb's
 *          default and every table from weights is. "0*2,1,2,...": that again and again.
 */
#include <stdint.h>

/* 0; -E2BIG: too irregular for 'buf_bytes'. */
int rss_table_format(const uint32_t *table, uint32_t n_table, char *buf, uint32_t buf_bytes);

/* Fills 'table' as the text says. 0; -EINVAL: no such text, or runs of another sum. */
int rss_table_parse(const char *text, uint32_t *table, uint32_t n_table);

/*
 * Queue i gets its weight's share of the entries, in one run, as with 'ethtool -X weight'. 0;
 * -ERANGE: a weight is too small a part of all for one entry, '*ret_queue' is whose.
 */
int rss_table_weigh(const uint32_t *weight, uint32_t n_weights, uint32_t *table, uint32_t n_table,
		    uint32_t *ret_queue);
