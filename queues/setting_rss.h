/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * setting_rss - what receive-side scaling is to be: symmetric, or by weights. For setting_want.c:
 * each puts what is asked for into 'want', which holds what is. Private to queues/.
 */
#include <stdint.h>

#include "base/err.h"
#include "queues/setting_want.h"

/*
 * How both directions of a flow come to hash alike, tried in turn. The kernel's own
 * transformations, from 6.8 on and with few drivers, spare the key's entropy.
 */
enum { SETTING_RSS_WAY_XOR, SETTING_RSS_WAY_OR_XOR, SETTING_RSS_WAY_KEY, SETTING_RSS_WAY_N };

int setting_rss_want_hash(const struct setting_job *job, char *want);
int setting_rss_want_key(const struct setting_job *job, uint32_t way, char *want,
			 struct err *reterr);
int setting_rss_want_table(const struct setting_job *job, char *want, struct err *reterr);
