/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/setting_rss.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queues/ethtool_settings.h"
#include "queues/rss_table.h"

static uint32_t n_channels_then(const struct setting_job *job)
{
	return job->settings->n_channels == DEVICE_KEEP ? job->device.n_rx
							: job->settings->n_channels;
}

/* ---- symmetric: what is hashed ---- */

/*
 * Both directions of a flow hash alike only over fields that come in pairs: who is the source of
 * one is the destination of the other. The destination's MAC address has no partner to be hashed
 * with; the IPv6 flow label and a tunnel's id are each direction's own.
 */
static void fields_pair(char letters[static SETTING_WORD_BYTES])
{
	static const char pairs[][2] = { { 's', 'd' }, { 'f', 'n' } };
	char paired[16] = "";
	uint32_t n = 0;

	for (const char *known = "vtsdfn"; *known; known++) {
		bool has = strchr(letters, *known);

		for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
			if (*known == pairs[i][0] || *known == pairs[i][1]) {
				has = strchr(letters, pairs[i][0]) || strchr(letters, pairs[i][1]);
			}
		}
		if (has) {
			paired[n++] = *known;
		}
	}
	snprintf(letters, SETTING_WORD_BYTES, "%s", n ? paired : "-");
}

static bool symmetry_is_asked(const struct setting_job *job)
{
	return job->settings->rss_symmetric && n_channels_then(job) > 1;
}

/* A flow whose fields the driver does not tell is left to it. */
int setting_rss_want_hash(const struct setting_job *job, char *want)
{
	char name[SETTING_NAME_BYTES], letters[SETTING_WORD_BYTES], now[SETTING_TEXT_BYTES];

	if (!symmetry_is_asked(job)) {
		return 0;
	}
	memcpy(now, want, sizeof(now));
	for (const char *at = now; (at = setting_word_next(at, name, letters));) {
		if (strncmp(letters, "0x", 2) != 0) {
			fields_pair(letters);
			setting_word_put(want, name, letters);
		}
	}
	return 0;
}

/* ---- symmetric: how ---- */

/*
 * Toeplitz with a key that repeats itself every 16 bits: each bit of either address and port then
 * meets the same 32 bits of key as its counterpart of the other direction.
 */
static bool key_is_symmetric(const char *hex)
{
	size_t n = strlen(hex);

	if (n < 8 || n % 4 || strspn(hex, "0") == n) {
		return false;
	}
	for (size_t i = 4; i < n; i++) {
		if (hex[i] != hex[i - 4]) {
			return false;
		}
	}
	return true;
}

static bool is_symmetric(const char *text)
{
	char hfunc[SETTING_WORD_BYTES] = "", xfrm[SETTING_WORD_BYTES] = "";
	char key[SETTING_WORD_BYTES] = "";

	setting_word_get(text, "hfunc", hfunc);
	setting_word_get(text, "xfrm", xfrm);
	setting_word_get(text, "key", key);
	return strncmp(xfrm, "symmetric", strlen("symmetric")) == 0 || strcmp(hfunc, "xor") == 0 ||
	       (strcmp(hfunc, "toeplitz") == 0 && key_is_symmetric(key));
}

static void key_put_symmetric(char *want)
{
	char key[SETTING_WORD_BYTES] = "";
	size_t n;

	setting_word_get(want, "key", key);
	n = strlen(key);
	for (size_t i = 0; i < n; i++) {
		key[i] = "6d5a"[i % 4];
	}
	setting_word_put(want, "key", key);
	setting_word_put(want, "hfunc", "toeplitz");
}

int setting_rss_want_key(const struct setting_job *job, uint32_t way, char *want,
			 struct err *reterr)
{
	char key[SETTING_WORD_BYTES];

	if (!symmetry_is_asked(job) || is_symmetric(want)) {
		return 0;
	}
	if (!want[0]) {
		return setting_refuse(job, SETTING_RSS_KEY, reterr, EOPNOTSUPP,
				   "%s does not let its hash be set; leave it at keep",
				   job->device.driver);
	}
	if (way != SETTING_RSS_WAY_KEY) {
		setting_word_put(want, "xfrm", way == SETTING_RSS_WAY_XOR ? "symmetric-xor"
								  : "symmetric-or-xor");
		return 0;
	}
	if (!setting_word_get(want, "key", key)) {
		return setting_refuse(job, SETTING_RSS_KEY, reterr, EOPNOTSUPP,
				   "%s has neither a symmetric hash nor a key to set; leave it at "
				   "keep",
				   job->device.driver);
	}
	key_put_symmetric(want);
	return 0;
}

/* ---- weights ---- */

/* Each queue has its share of the entries, give or take one: in what order does not matter. */
static bool table_is_fair(const uint32_t *now, const uint32_t *want, uint32_t n_table)
{
	uint16_t has[ETHTOOL_RSS_TABLE_MAX] = { 0 }, due[ETHTOOL_RSS_TABLE_MAX] = { 0 };

	for (uint32_t i = 0; i < n_table; i++) {
		if (now[i] >= ETHTOOL_RSS_TABLE_MAX || want[i] >= ETHTOOL_RSS_TABLE_MAX) {
			return false;
		}
		has[now[i]]++;
		due[want[i]]++;
	}
	for (uint32_t q = 0; q < ETHTOOL_RSS_TABLE_MAX; q++) {
		if (!has[q] != !due[q] || abs(has[q] - due[q]) > 1) {
			return false;
		}
	}
	return true;
}

static int table_weigh(const struct setting_job *job, const struct ethtool_rss *rss,
		       uint32_t *table, struct err *reterr)
{
	const struct device_settings *settings = job->settings;
	uint32_t n_queues = n_channels_then(job), queue = 0;
	int r;

	for (uint32_t q = n_queues; q < settings->n_rss_weights; q++) {
		if (settings->rss_weight[q]) {
			return setting_refuse(job, SETTING_RSS_TABLE, reterr, EINVAL,
					   "queue %" PRIu32 " has a weight, but the device has "
					   "%" PRIu32 " queues ('ethtool -l %s')",
					   q, n_queues, job->ifname);
		}
	}
	r = rss_table_weigh(settings->rss_weight, settings->n_rss_weights, table, rss->n_table,
			    &queue);
	if (r == -EINVAL) {
		return setting_refuse(job, SETTING_RSS_TABLE, reterr, EINVAL,
				      "no queue has a weight");
	}
	if (r < 0) {
		return setting_refuse(job, SETTING_RSS_TABLE, reterr, ERANGE,
				   "the weight of queue %" PRIu32 " is less than one of the "
				   "%" PRIu32 " entries that the table has",
				   queue, rss->n_table);
	}
	return 0;
}

int setting_rss_want_table(const struct setting_job *job, char *want, struct err *reterr)
{
	char value[SETTING_TEXT_BYTES - sizeof("table=")];
	uint32_t table[ETHTOOL_RSS_TABLE_MAX];
	struct ethtool_rss rss;
	int r;

	if (job->settings->n_rss_weights == 0) {
		return 0;
	}
	r = ethtool_rss_get(job->ifname, &rss);
	if (r == -E2BIG) {
		return setting_refuse(job, SETTING_RSS_TABLE, reterr, E2BIG,
				      "its table has more entries than can be noted and put back");
	}
	if (r < 0 || !want[0] || rss.n_table == 0) {
		return setting_refuse(job, SETTING_RSS_TABLE, reterr, EOPNOTSUPP,
				   "%s has no RSS table to set; leave it at keep",
				   job->device.driver);
	}
	r = table_weigh(job, &rss, table, reterr);
	if (r < 0 || table_is_fair(rss.table, table, rss.n_table)) {
		return r;
	}
	if (rss_table_format(table, rss.n_table, value, sizeof(value)) < 0) {
		return setting_refuse(job, SETTING_RSS_TABLE, reterr, E2BIG,
				   "too many weights for a table that can be noted and put back");
	}
	setting_word_put(want, "table", value);
	return 0;
}
