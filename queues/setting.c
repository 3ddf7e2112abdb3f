/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/setting.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queues/ethtool_settings.h"
#include "queues/rss_table.h"

bool setting_is(const char *now, const char *want)
{
	char name[SETTING_NAME_BYTES], value[SETTING_WORD_BYTES], is[SETTING_WORD_BYTES];

	for (const char *at = want; (at = setting_word_next(at, name, value));) {
		if (setting_word_get(now, name, is) && strcmp(is, value) != 0 &&
		    !(setting_word_moves(now, name) && setting_word_moves(want, name))) {
			return false;
		}
	}
	return true;
}

/* The first of several that failed, else whether there was any. */
static int words_both(int a, int b)
{
	return a < 0 ? a : b < 0 ? b : a | b;
}

/* ---- channels, rings, coalescing ---- */

static int channels_read(const char *ifname, char *text)
{
	struct ethtool_channels channels;
	int r = ethtool_channels_get(ifname, &channels);

	if (r == 0) {
		setting_word_add_number(text, "combined", channels.combined_count);
		setting_word_add_number(text, "rx", channels.rx_count);
		setting_word_add_number(text, "tx", channels.tx_count);
	}
	return r;
}

static int channels_write(const char *ifname, const char *text)
{
	struct ethtool_channels channels;
	int r = ethtool_channels_get(ifname, &channels);

	if (r == 0) {
		r = words_both(setting_word_number(text, "combined", &channels.combined_count),
			       words_both(setting_word_number(text, "rx", &channels.rx_count),
					  setting_word_number(text, "tx", &channels.tx_count)));
	}
	return r > 0 ? ethtool_channels_set(ifname, &channels) : r < 0 ? r : -EINVAL;
}

static int ring_read(const char *ifname, char *text)
{
	struct ethtool_ringparam ring;
	int r = ethtool_ring_get(ifname, &ring);

	if (r == 0) {
		setting_word_add_number(text, "rx", ring.rx_pending);
		setting_word_add_number(text, "tx", ring.tx_pending);
	}
	return r;
}

static int ring_write(const char *ifname, const char *text)
{
	struct ethtool_ringparam ring;
	int r = ethtool_ring_get(ifname, &ring);

	if (r == 0) {
		r = words_both(setting_word_number(text, "rx", &ring.rx_pending),
			       setting_word_number(text, "tx", &ring.tx_pending));
	}
	return r > 0 ? ethtool_ring_set(ifname, &ring) : r < 0 ? r : -EINVAL;
}

static int coalesce_read(const char *ifname, char *text)
{
	struct ethtool_coalesce coalesce;
	int r = ethtool_coalesce_get(ifname, &coalesce);

	if (r == 0) {
		setting_word_add_number(text, "rx-usecs", coalesce.rx_coalesce_usecs);
		setting_word_add_number(text, "tx-usecs", coalesce.tx_coalesce_usecs);
		setting_word_add(text, "adaptive-rx",
				 coalesce.use_adaptive_rx_coalesce ? "on" : "off");
	}
	return r;
}

static int coalesce_write(const char *ifname, const char *text)
{
	struct ethtool_coalesce coalesce;
	char adaptive[SETTING_WORD_BYTES];
	int r = ethtool_coalesce_get(ifname, &coalesce);

	if (r == 0) {
		r = words_both(setting_word_number(text, "rx-usecs", &coalesce.rx_coalesce_usecs),
			       setting_word_number(text, "tx-usecs", &coalesce.tx_coalesce_usecs));
	}
	if (r >= 0 && setting_word_get(text, "adaptive-rx", adaptive)) {
		bool on = strcmp(adaptive, "on") == 0;

		r = on || strcmp(adaptive, "off") == 0 ? 1 : -EINVAL;
		coalesce.use_adaptive_rx_coalesce = on;
	}
	return r > 0 ? ethtool_coalesce_set(ifname, &coalesce) : r < 0 ? r : -EINVAL;
}

/* ---- what is hashed ---- */

static const struct {
	const char *name;
	uint32_t type;
} flows[] = {
	{ "tcp4", TCP_V4_FLOW },
	{ "udp4", UDP_V4_FLOW },
	{ "tcp6", TCP_V6_FLOW },
	{ "udp6", UDP_V6_FLOW },
};
#define N_FLOWS (sizeof(flows) / sizeof(flows[0]))

/* The letters of 'ethtool -N rx-flow-hash': of RXH_L2DA, bit 1, and those after it. */
static const char field_letters[] = "mvtsdfnel";

static void fields_format(uint64_t fields, char *buf, uint32_t buf_bytes)
{
	uint64_t known = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; field_letters[i]; i++) {
		known |= 2ull << i;
		if (fields & 2ull << i && n + 1 < buf_bytes) {
			buf[n++] = field_letters[i];
		}
	}
	buf[n] = '\0';
	if (fields == 0 || fields & ~known) {
		snprintf(buf, buf_bytes, fields ? "0x%" PRIx64 : "-", fields);
	}
}

static int fields_parse(const char *text, uint64_t *ret)
{
	uint64_t fields = 0;
	char *end;

	if (strncmp(text, "0x", 2) == 0) {
		fields = strtoull(text, &end, 16);
		*ret = fields;
		return *end ? -EINVAL : 0;
	}
	for (const char *c = strcmp(text, "-") == 0 ? "" : text; *c; c++) {
		const char *letter = strchr(field_letters, *c);

		if (!letter) {
			return -EINVAL;
		}
		fields |= 2ull << (letter - field_letters);
	}
	*ret = fields;
	return 0;
}

/* A driver may tell for some flows and not for others. */
static int hash_read(const char *ifname, char *text)
{
	for (size_t i = 0; i < N_FLOWS; i++) {
		char letters[32];
		uint64_t fields;
		int r = ethtool_hash_fields_get(ifname, flows[i].type, &fields);

		if (r == -ENODEV) {
			return r;
		}
		if (r == 0) {
			fields_format(fields, letters, sizeof(letters));
			setting_word_add(text, flows[i].name, letters);
		}
	}
	return 0;
}

static int hash_write(const char *ifname, const char *text)
{
	char value[SETTING_WORD_BYTES];
	uint64_t fields, is;
	int r = 0;

	for (size_t i = 0; i < N_FLOWS && r == 0; i++) {
		if (!setting_word_get(text, flows[i].name, value)) {
			continue;
		}
		r = fields_parse(value, &fields);
		if (r == 0 && ethtool_hash_fields_get(ifname, flows[i].type, &is) == 0 &&
		    is != fields) {
			r = ethtool_hash_fields_set(ifname, flows[i].type, fields);
		}
	}
	return r;
}

/* ---- key, hash function, what is hashed made symmetric ---- */

struct named_number {
	const char *name;
	uint8_t number;
};

static const struct named_number hfuncs[] = {
	{ "toeplitz", ETHTOOL_HFUNC_TOEPLITZ },
	{ "xor", ETHTOOL_HFUNC_XOR },
	{ "crc32", ETHTOOL_HFUNC_CRC32 },
	{ NULL, 0 },
};

static const struct named_number xfrms[] = {
	{ "none", 0 },
	{ "symmetric-xor", ETHTOOL_XFRM_XOR },
	{ "symmetric-or-xor", ETHTOOL_XFRM_OR_XOR },
	{ NULL, 0 },
};

/* By its name, or as a number where we know none. */
static void word_add_named(char *text, const char *word, const struct named_number *names,
			   uint8_t number)
{
	while (names->name && names->number != number) {
		names++;
	}
	if (names->name) {
		setting_word_add(text, word, names->name);
	} else {
		setting_word_add_number(text, word, number);
	}
}

/* As setting_word_number(). */
static int word_named(const char *text, const char *word, const struct named_number *names,
		      uint8_t *ret)
{
	char value[SETTING_WORD_BYTES];
	uint32_t number = 0;
	int r;

	if (!setting_word_get(text, word, value)) {
		return 0;
	}
	while (names->name && strcmp(names->name, value) != 0) {
		names++;
	}
	r = names->name ? 1 : setting_word_number(text, word, &number);
	if (r < 0 || number > UINT8_MAX) {
		return -EINVAL;
	}
	*ret = names->name ? names->number : (uint8_t)number;
	return r;
}

/* What the text can hold beside the other words. */
#define KEY_BYTES_MAX 200

static int key_read(const char *ifname, char *text)
{
	char hex[2 * KEY_BYTES_MAX + 1] = SETTING_WORD_BEYOND;
	struct ethtool_rss rss;
	int r = ethtool_rss_get(ifname, &rss);

	if (r < 0) {
		setting_word_add(text, "key", SETTING_WORD_BEYOND);
		return r;
	}
	for (uint32_t i = 0; i < rss.n_key && rss.n_key <= KEY_BYTES_MAX; i++) {
		snprintf(hex + 2 * i, 3, "%02x", rss.key[i]);
	}
	word_add_named(text, "hfunc", hfuncs, rss.hfunc);
	word_add_named(text, "xfrm", xfrms, rss.xfrm);
	if (rss.n_key) {
		setting_word_add(text, "key", hex);
	}
	return 0;
}

static int key_parse(const char *hex, uint8_t *key, uint32_t n_key)
{
	if (strlen(hex) != 2 * (size_t)n_key ||
	    strspn(hex, "0123456789abcdef") != 2 * (size_t)n_key) {
		return -EINVAL;
	}
	for (uint32_t i = 0; i < n_key; i++) {
		const char byte[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		key[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return 0;
}

/* A field that is not to change is left out: some drivers refuse even what they have. */
static int key_write(const char *ifname, const char *text)
{
	char value[SETTING_WORD_BYTES];
	struct ethtool_rss rss;
	uint8_t hfunc, key[ETHTOOL_RSS_KEY_MAX];
	int r = ethtool_rss_get(ifname, &rss);

	if (r < 0) {
		return r;
	}
	hfunc = rss.hfunc;
	memcpy(key, rss.key, sizeof(key));
	r = words_both(word_named(text, "hfunc", hfuncs, &rss.hfunc),
		       word_named(text, "xfrm", xfrms, &rss.xfrm));
	if (r >= 0 && setting_word_get(text, "key", value) &&
	    strcmp(value, SETTING_WORD_BEYOND) != 0) {
		r = key_parse(value, rss.key, rss.n_key);
	}
	if (r < 0) {
		return r;
	}
	rss.n_table = 0;
	rss.n_key = memcmp(key, rss.key, sizeof(key)) == 0 ? 0 : rss.n_key;
	rss.hfunc = hfunc == rss.hfunc ? 0 : rss.hfunc;
	return ethtool_rss_set(ifname, &rss);
}

/* ---- table ---- */

static int table_read(const char *ifname, char *text)
{
	char value[SETTING_TEXT_BYTES - sizeof("table=")];
	struct ethtool_rss rss;
	int r = ethtool_rss_get(ifname, &rss);

	if (r < 0) {
		setting_word_add(text, "table", SETTING_WORD_BEYOND);
		return r;
	}
	if (rss.n_table == 0) {
		return 0;
	}
	r = rss_table_format(rss.table, rss.n_table, value, sizeof(value));
	setting_word_add(text, "table", r == 0 ? value : SETTING_WORD_BEYOND);
	return 0;
}

/*
 * The kernel's default is tried first where the text says what that may be: a table that the user
 * is taken to have set stands in the way of fewer channels, ours must not once it is put back.
 */
static int table_write(const char *ifname, const char *text)
{
	char value[SETTING_WORD_BYTES], now[SETTING_TEXT_BYTES] = "";
	struct ethtool_rss rss;
	int r = ethtool_rss_get(ifname, &rss);

	if (r < 0 || !setting_word_get(text, "table", value)) {
		return r < 0 ? r : -EINVAL;
	}
	r = rss_table_parse(value, rss.table, rss.n_table);
	if (r == 0 && strncmp(value, "modulo", strlen("modulo")) == 0 &&
	    ethtool_rss_table_reset(ifname, rss.xfrm) == 0 && table_read(ifname, now) == 0 &&
	    setting_is(now, text)) {
		return 0;
	}
	if (r == 0) {
		rss.n_key = rss.hfunc = 0;
		r = ethtool_rss_set(ifname, &rss);
	}
	return r;
}

int setting_table_reset(const char *ifname)
{
	struct ethtool_rss rss;
	int r = ethtool_rss_get(ifname, &rss);

	return r < 0 ? r : ethtool_rss_table_reset(ifname, rss.xfrm);
}

uint32_t setting_n_rx(const char *channels)
{
	uint32_t combined = 0, rx = 0;

	setting_word_number(channels, "combined", &combined);
	setting_word_number(channels, "rx", &rx);
	return combined + rx;
}

bool setting_table_exceeds(const char *ifname, const char *channels)
{
	uint32_t n_rx = setting_n_rx(channels);
	struct ethtool_rss rss;
	bool exceeds = false;

	if (ethtool_rss_get(ifname, &rss) < 0) {
		return false;
	}
	for (uint32_t i = 0; i < rss.n_table; i++) {
		exceeds = exceeds || rss.table[i] >= n_rx;
	}
	return exceeds;
}

bool setting_table_is_even(const char *ifname, const char *channels)
{
	uint32_t n_rx = setting_n_rx(channels);
	struct ethtool_rss rss;

	if (n_rx == 0 || ethtool_rss_get(ifname, &rss) < 0) {
		return true;
	}
	for (uint32_t q = 0; q < n_rx; q++) {
		uint32_t n = 0;

		for (uint32_t i = 0; i < rss.n_table; i++) {
			n += rss.table[i] == q;
		}
		if (n != rss.n_table / n_rx && n != (rss.n_table + n_rx - 1) / n_rx) {
			return false;
		}
	}
	return true;
}

/* ---- all ---- */

static const struct {
	const char *key;
	int (*read)(const char *ifname, char *text);
	int (*write)(const char *ifname, const char *text);
} setting_ops[SETTING_N] = {
	[SETTING_CHANNELS] = { "channels", channels_read, channels_write },
	[SETTING_RING] = { "ring", ring_read, ring_write },
	[SETTING_RSS_HASH] = { "rss-hash", hash_read, hash_write },
	[SETTING_RSS_KEY] = { "rss-key", key_read, key_write },
	[SETTING_RSS_TABLE] = { "rss-table", table_read, table_write },
	[SETTING_COALESCE] = { "coalesce", coalesce_read, coalesce_write },
};

const char *setting_key(enum setting_id id)
{
	return setting_ops[id].key;
}

bool setting_find(const char *key, enum setting_id *ret)
{
	for (uint32_t id = 0; id < SETTING_N; id++) {
		if (strcmp(key, setting_ops[id].key) == 0) {
			*ret = id;
			return true;
		}
	}
	return false;
}

int setting_read(const char *ifname, enum setting_id id, char text[static SETTING_TEXT_BYTES])
{
	int r;

	text[0] = '\0';
	r = setting_ops[id].read(ifname, text);
	if (r == -EOPNOTSUPP || r == -EINVAL) {
		text[0] = '\0';
		return 0;
	}
	/* -E2BIG: there, and beyond noting; its words say so */
	return r == -E2BIG ? 0 : r;
}

int setting_read_all(const char *ifname, struct setting_state *ret)
{
	int r = 0;

	for (uint32_t id = 0; id < SETTING_N && r == 0; id++) {
		r = setting_read(ifname, id, ret->text[id]);
	}
	return r;
}

int setting_write(const char *ifname, enum setting_id id, const char *text)
{
	return setting_ops[id].write(ifname, text);
}
