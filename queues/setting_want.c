/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/setting_want.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "queues/ethtool_settings.h"
#include "queues/setting_rss.h"

/* ---- what the file says ---- */

struct asked {
	char *buf;
	uint32_t buf_bytes;
	const char *opening;            /* "coalesce: {"; ", " after the first */
};

static void asked_put(struct asked *asked, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void asked_put(struct asked *asked, const char *fmt, ...)
{
	size_t n = strlen(asked->buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(asked->buf + n, asked->buf_bytes - n, fmt, ap);
	va_end(ap);
}

static void asked_number(struct asked *asked, const char *word, uint32_t value)
{
	if (value != DEVICE_KEEP) {
		asked_put(asked, "%s%s: %" PRIu32, asked->opening, word, value);
		asked->opening = ", ";
	}
}

static void asked_ring(struct asked *asked, const struct device_settings *settings)
{
	asked->opening = "device-ring: {";
	asked_number(asked, "rx", settings->ring_rx);
	asked_number(asked, "tx", settings->ring_tx);
	asked_put(asked, "%s", asked->buf[0] ? "}" : "");
}

static void asked_coalesce(struct asked *asked, const struct device_settings *settings)
{
	asked->opening = "coalesce: {";
	asked_number(asked, "rx-usecs", settings->rx_usecs);
	asked_number(asked, "tx-usecs", settings->tx_usecs);
	if (settings->adaptive_rx != DEVICE_KEEP) {
		asked_put(asked, "%sadaptive-rx: %s", asked->opening,
			  settings->adaptive_rx ? "true" : "false");
	}
	asked_put(asked, "%s", asked->buf[0] ? "}" : "");
}

static void asked_weights(struct asked *asked, const struct device_settings *settings)
{
	for (uint32_t q = 0; q < settings->n_rss_weights; q++) {
		asked_put(asked, "%s%" PRIu32, q ? ", " : "rss: {weights: [",
			  settings->rss_weight[q]);
	}
	asked_put(asked, "%s", asked->buf[0] ? "]}" : "");
}

void setting_asked(const struct setting_job *job, enum setting_id id, char *buf, uint32_t buf_bytes)
{
	struct asked asked = { .buf = buf, .buf_bytes = buf_bytes };

	buf[0] = '\0';
	switch (id) {
	case SETTING_CHANNELS:
		if (job->settings->n_channels != DEVICE_KEEP) {
			asked_put(&asked, "count: %" PRIu32, job->settings->n_channels);
		}
		break;
	case SETTING_RING:
		asked_ring(&asked, job->settings);
		break;
	case SETTING_RSS_HASH:
	case SETTING_RSS_KEY:
		if (job->settings->rss_symmetric) {
			asked_put(&asked, "rss: {symmetric: true}");
		}
		break;
	case SETTING_RSS_TABLE:
		asked_weights(&asked, job->settings);
		break;
	case SETTING_COALESCE:
		asked_coalesce(&asked, job->settings);
		break;
	case SETTING_N:
		break;
	}
}

int setting_refuse(const struct setting_job *job, enum setting_id id, struct err *reterr,
		   int errnum, const char *fmt, ...)
{
	char asked[128], why[ERR_TEXT_BYTES];
	va_list ap;

	setting_asked(job, id, asked, sizeof(asked));
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(reterr, errnum, "interface '%s': %s: %s", job->ifname, asked, why);
}

int setting_unreadable(const char *ifname, const char *what, int error, struct err *reterr)
{
	return err_set(reterr, -error, "interface '%s': its %s cannot be read: %s", ifname, what,
		       strerror(-error));
}

/* ---- words ---- */

static uint32_t word_count(const char *text, const char *name)
{
	uint32_t count = 0;

	setting_word_number(text, name, &count);
	return count;
}

static void word_put_count(char text[static SETTING_TEXT_BYTES], const char *name, uint32_t count)
{
	char value[16];

	snprintf(value, sizeof(value), "%" PRIu32, count);
	setting_word_put(text, name, value);
}

/* ---- channels ---- */

static int channels_refuse(const struct setting_job *job, uint32_t least, uint32_t most,
			   const char *why, struct err *reterr)
{
	const struct device_info *device = &job->device;

	if (most == 0 || least > most) {
		return setting_refuse(job, SETTING_CHANNELS, reterr, EOPNOTSUPP, "%s: %s",
				   device->driver, why);
	}
	if (least == most) {
		return setting_refuse(job, SETTING_CHANNELS, reterr,
				   device->max_rx ? ERANGE : EOPNOTSUPP,
				   "%s takes %" PRIu32 " here and no other number: %s "
				   "('ethtool -l %s')",
				   device->driver, most, why, job->ifname);
	}
	return setting_refuse(job, SETTING_CHANNELS, reterr, ERANGE,
			   "%s takes %" PRIu32 " to %" PRIu32 " here: %s ('ethtool -l %s')",
			   device->driver, least, most, why, job->ifname);
}

static int channels_check(const struct setting_job *job, struct err *reterr)
{
	uint32_t n = job->settings->n_channels, n_cpus = device_n_cpus();
	const struct device_info *device = &job->device;
	const char *why_least, *why_most;
	uint32_t least = device_channels_least(device, n_cpus, &why_least);
	uint32_t most = device_channels_legal(device, n_cpus, &why_most);

	/* fixed is fixed, whatever the program */
	if (job->settings->generic && !(least == most && most == device->n_rx)) {
		least = 1;
		most = device->max_rx;
		why_least = why_most = "there are no others";
	}
	if (n > most) {
		return channels_refuse(job, least, most, why_most, reterr);
	}
	return n < least ? channels_refuse(job, least, most, why_least, reterr) : 0;
}

/*
 * Drivers count pairs, or the two directions apart; some that count pairs have further transmit
 * queues beside them, which are not ours to take.
 */
static int want_channels(const struct setting_job *job, char *want, struct err *reterr)
{
	uint32_t n = job->settings->n_channels, n_tx;
	uint32_t combined = word_count(want, "combined"), rx = word_count(want, "rx");
	struct ethtool_channels channels;
	int r = n == DEVICE_KEEP ? 0 : channels_check(job, reterr);

	if (r < 0 || n == DEVICE_KEEP || job->device.max_rx == 0 ||
	    ethtool_channels_get(job->ifname, &channels) < 0) {
		return r;
	}
	n_tx = n < job->device.max_tx ? n : job->device.max_tx;
	if (channels.max_combined) {
		if (combined != n || rx != 0) {
			word_put_count(want, "combined", n);
			word_put_count(want, "rx", 0);
		}
		if (combined == 0) {
			word_put_count(want, "tx", 0);
		}
	} else if (rx != n || word_count(want, "tx") < n_tx) {
		word_put_count(want, "rx", n);
		word_put_count(want, "tx", n_tx);
	}
	return 0;
}

/* ---- rings, coalescing ---- */

static int want_ring_size(const struct setting_job *job, const char *name, uint32_t size,
			  uint32_t max, char *want, struct err *reterr)
{
	if (size == DEVICE_KEEP || size == word_count(want, name)) {
		return 0;
	}
	if (size > max) {
		return setting_refuse(job, SETTING_RING, reterr, ERANGE,
				   "%s takes %s: %" PRIu32 " at most ('ethtool -g %s')",
				   job->device.driver, name, max, job->ifname);
	}
	word_put_count(want, name, size);
	return 0;
}

static int want_ring(const struct setting_job *job, char *want, struct err *reterr)
{
	const struct device_settings *settings = job->settings;
	struct ethtool_ringparam ring;
	int r;

	if (settings->ring_rx == DEVICE_KEEP && settings->ring_tx == DEVICE_KEEP) {
		return 0;
	}
	if (ethtool_ring_get(job->ifname, &ring) < 0 || !want[0]) {
		return setting_refuse(job, SETTING_RING, reterr, EOPNOTSUPP,
				   "%s has no rings to set; leave it at keep", job->device.driver);
	}
	r = want_ring_size(job, "rx", settings->ring_rx, ring.rx_max_pending, want, reterr);
	return r < 0 ? r : want_ring_size(job, "tx", settings->ring_tx, ring.tx_max_pending, want,
					  reterr);
}

static int want_coalesce(const struct setting_job *job, char *want, struct err *reterr)
{
	const struct device_settings *settings = job->settings;

	if (settings->rx_usecs == DEVICE_KEEP && settings->tx_usecs == DEVICE_KEEP &&
	    settings->adaptive_rx == DEVICE_KEEP) {
		return 0;
	}
	if (!want[0]) {
		return setting_refuse(job, SETTING_COALESCE, reterr, EOPNOTSUPP,
				   "%s has no coalescing to set; leave it at keep",
				   job->device.driver);
	}
	if (settings->adaptive_rx != DEVICE_KEEP) {
		setting_word_put(want, "adaptive-rx", settings->adaptive_rx ? "on" : "off");
	}
	if (settings->rx_usecs != DEVICE_KEEP && setting_word_moves(want, "rx-usecs")) {
		return setting_refuse(job, SETTING_COALESCE, reterr, EINVAL,
				   "adaptive-rx is on and moves rx-usecs by itself; say "
				   "adaptive-rx: false too");
	}
	if (settings->rx_usecs != DEVICE_KEEP) {
		word_put_count(want, "rx-usecs", settings->rx_usecs);
	}
	if (settings->tx_usecs != DEVICE_KEEP) {
		word_put_count(want, "tx-usecs", settings->tx_usecs);
	}
	return 0;
}

/* ---- all ---- */

/* What drivers that refuse with a bare EINVAL mean by it (virtio with ENOMEM). */
const char *setting_hint(const char *driver, enum setting_id id)
{
	static const struct {
		const char *driver;
		enum setting_id id;
		const char *hint;
	} hints[] = {
		/* igb_set_coalesce(), igc_ethtool_set_coalesce() */
		{ "igb", SETTING_COALESCE,
		  "; it takes rx-usecs 0, 1, 3 and from 10 on, and tx-usecs only where receive and "
		  "transmit queues have interrupts of their own" },
		{ "igc", SETTING_COALESCE,
		  "; it takes rx-usecs 0, 1, 3 and from 10 on, and tx-usecs only where receive and "
		  "transmit queues have interrupts of their own" },
		{ "virtio_net", SETTING_RING, "; it takes powers of two" },
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (hints[i].id == id && strcmp(driver, hints[i].driver) == 0) {
			return hints[i].hint;
		}
	}
	return "";
}

uint32_t setting_n_ways(enum setting_id id)
{
	return id == SETTING_RSS_KEY ? SETTING_RSS_WAY_N : 1;
}

static int want_one(const struct setting_job *job, enum setting_id id, uint32_t way, char *want,
		    struct err *reterr)
{
	switch (id) {
	case SETTING_CHANNELS:
		return want_channels(job, want, reterr);
	case SETTING_RING:
		return want_ring(job, want, reterr);
	case SETTING_RSS_HASH:
		return setting_rss_want_hash(job, want);
	case SETTING_RSS_KEY:
		return setting_rss_want_key(job, way, want, reterr);
	case SETTING_RSS_TABLE:
		return setting_rss_want_table(job, want, reterr);
	case SETTING_COALESCE:
		return want_coalesce(job, want, reterr);
	case SETTING_N:
		break;
	}
	return -EINVAL;
}

/* Nothing is replaced that the journal cannot hold. */
static int want_check_notable(const struct setting_job *job, enum setting_id id, const char *now,
			      const char *want, struct err *reterr)
{
	char name[SETTING_NAME_BYTES], is[SETTING_WORD_BYTES], value[SETTING_WORD_BYTES];

	for (const char *at = now; (at = setting_word_next(at, name, is));) {
		if (strcmp(is, SETTING_WORD_BEYOND) == 0 && setting_word_get(want, name, value) &&
		    strcmp(value, is) != 0) {
			return setting_refuse(job, id, reterr, E2BIG,
					   "the %s that it has could not be put back: it is too "
					   "long to be noted ('ethtool -x %s')",
					   name, job->ifname);
		}
	}
	return 0;
}

int setting_want(const struct setting_job *job, enum setting_id id, uint32_t way,
		 const char now[static SETTING_TEXT_BYTES], char want[static SETTING_TEXT_BYTES],
		 struct err *reterr)
{
	int r;

	memcpy(want, now, SETTING_TEXT_BYTES);
	r = want_one(job, id, way, want, reterr);
	return r < 0 ? r : want_check_notable(job, id, now, want, reterr);
}

int setting_job_init(struct setting_job *job, const char *ifname,
		     const struct device_settings *settings, struct err *reterr)
{
	*job = (struct setting_job){ .ifname = ifname, .settings = settings };
	return device_read(ifname, &job->device, reterr);
}
