/* SPDX-License-Identifier: BSD-2-Clause */
/* conf: what the golden files cannot show: values and locations in the model, and limits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/suggest.h"
#include "tests/unit/conf_right.h"
#include "tests/unit/tap.h"

#define HEAD "version: 1\nbridges:\n  lan:\n    interfaces: [a, b, 'e*']\n"

static struct conf *parse(const char *text, struct conf_errors *errors)
{
	return conf_parse(text, strlen(text), errors);
}

static bool is_at(struct conf_loc loc, uint32_t line, uint32_t column)
{
	return loc.line == line && loc.column == column;
}

static void check_device_kept(const struct conf_queues *queues, const char *what)
{
	tap_ok(queues->count == CONF_KEEP && queues->device_rx == CONF_KEEP &&
	       queues->device_tx == CONF_KEEP && queues->rx_usecs == CONF_KEEP &&
	       queues->tx_usecs == CONF_KEEP && queues->adaptive_rx == CONF_KEEP &&
	       !queues->rss_symmetric && queues->n_rss_weights == 0 && !queues->rss_weight &&
	       queues->rx_steering == CONF_STEERING_DEVICE, "%s", what);
}

static void test_defaults(void)
{
	struct conf *conf = conf_parse_right(HEAD);
	const struct conf_bridge *bridge;

	if (!tap_ok(conf != NULL, "the smallest file is right")) {
		return;
	}
	bridge = &conf->bridge[0];
	tap_ok(bridge->n_members == 3 && !bridge->member[0].glob && bridge->member[2].glob,
	       "two members and a glob");
	tap_ok(bridge->host_port.wanted && strcmp(bridge->host_port.name, "lan") == 0 &&
	       !bridge->host_port.has_macaddress && bridge->host_port.mtu == CONF_AUTO,
	       "a host port called as the bridge");
	tap_ok(bridge->ageing_ms == 300000 && bridge->max_learned == CONF_AUTO &&
	       bridge->group_forward == 1 && bridge->group_forward_auto &&
	       !bridge->vlan_filtering && bridge->default_pvid == 1, "the bridge's defaults");
	tap_ok(bridge->port_defaults.learning && bridge->port_defaults.flood &&
	       bridge->port_defaults.flood_multicast && bridge->port_defaults.flood_broadcast &&
	       !bridge->port_defaults.locked && !bridge->port_defaults.allow_management &&
	       bridge->port_defaults.max_learned == CONF_AUTO, "the ports' defaults");
	tap_ok(conf->workers.cpus_auto && conf->workers.polling == CONF_POLLING_ADAPTIVE &&
	       conf->workers.idle_spin_ns == 50000 && conf->workers.batch == 64,
	       "the workers' defaults");
	tap_ok(conf->queues_defaults.mode == CONF_MODE_AUTO &&
	       conf->queues_defaults.count == CONF_KEEP &&
	       conf->queues_defaults.rx_size == CONF_AUTO &&
	       conf->queues_defaults.busy_poll_budget == 64 &&
	       conf->queues_defaults.offloads == CONF_OFFLOADS_FIX &&
	       conf->queues_defaults.on_exit == CONF_ON_EXIT_RESTORE, "the queues' defaults");
	check_device_kept(&conf->queues_defaults, "of the device all is kept");
	tap_ok(conf->interrupts.placement == CONF_PLACEMENT_FOLLOW &&
	       numset_count(&conf->interrupts.shield) == 0 &&
	       conf->interrupts.irqbalance == CONF_IRQBALANCE_BAN, "the interrupts' defaults");
	tap_ok(conf->limits.frames == CONF_AUTO && conf->limits.macs == 65536 &&
	       conf->limits.memory_bytes == 0 && conf->log_level == LOG_LEVEL_INFO &&
	       conf->metrics.listen.kind == LISTEN_KIND_NONE, "limits, metrics and log");
	tap_ok(is_at(conf->limits.macs_loc, 0, 0), "a default has no place in the file");
	conf_free(conf);
}

static void test_locations(void)
{
	struct conf *conf = conf_parse_right(HEAD
		"    ports:\n"                                          /* 5 */
		"      b: {locked: true}\n"
		"queues:\n"
		"  b:\n"
		"    mode: copy\n"
		"    count: 4\n"                                        /* 10 */
		"    pin: {2: 1, 0: 3}\n"
		"limits: {macs: 10, memory: 1G, frames: 64}\n"
		"workers: {cpus: 1-3}\n"
		"interrupts: {shield: \"5\"}\n"
		"metrics: {listen: 127.0.0.1:9753}\n");

	if (!tap_ok(conf != NULL, "a file with places is right")) {
		return;
	}
	tap_ok(is_at(conf->bridge[0].loc, 3, 3), "bridge");
	tap_ok(is_at(conf->bridge[0].member[1].loc, 4, 21), "member");
	tap_ok(is_at(conf->bridge[0].host_port.loc, 3, 3), "a host port nobody named: the bridge");
	tap_ok(is_at(conf->bridge[0].port[0].loc, 6, 7), "port");
	tap_ok(is_at(conf->queues[0].loc, 8, 3), "queues");
	tap_ok(is_at(conf->queues[0].count_loc, 10, 12), "count");
	tap_ok(conf->queues[0].n_pins == 2 && conf->queues[0].pin[0].queue == 0 &&
	       conf->queues[0].pin[0].cpu == 3 && is_at(conf->queues[0].pin[0].loc, 11, 17),
	       "pins, in the order of the queues");
	tap_ok(is_at(conf->limits.macs_loc, 12, 16) && is_at(conf->limits.memory_loc, 12, 28) &&
	       is_at(conf->limits.frames_loc, 12, 40), "limits");
	tap_ok(is_at(conf->workers.cpus_loc, 13, 17), "workers.cpus");
	tap_ok(is_at(conf->interrupts.shield_loc, 14, 22), "interrupts.shield");
	tap_ok(is_at(conf->metrics.listen_loc, 15, 19) &&
	       conf->metrics.listen.kind == LISTEN_KIND_INET &&
	       conf->metrics.listen.address == 0x7f000001 && conf->metrics.listen.port == 9753,
	       "metrics.listen");
	conf_free(conf);
}

static void test_device_locations(void)
{
	struct conf *conf = conf_parse_right(HEAD
		"queues:\n"                                                    /* 5 */
		"  b:\n"
		"    device-ring: {rx: 512}\n"
		"    coalesce: {rx-usecs: 8}\n"
		"    rss: {symmetric: true}\n"
		"    rx-steering: hash\n"                                     /* 10 */
		"    irq-pin: {2: 1, 0: 3}\n");
	const struct conf_queues *queues;

	if (!tap_ok(conf != NULL, "a file with settings of a device is right")) {
		return;
	}
	queues = &conf->queues[0];
	tap_ok(is_at(queues->device_ring_loc, 7, 18) && is_at(queues->coalesce_loc, 8, 15) &&
	       is_at(queues->rss_loc, 9, 10) && is_at(queues->rx_steering_loc, 10, 18),
	       "their places");
	tap_ok(queues->n_irq_pins == 2 && queues->irq_pin[0].queue == 0 &&
	       queues->irq_pin[0].cpu == 3 && is_at(queues->irq_pin[0].loc, 11, 21) &&
	       queues->n_pins == 0, "irq-pins, in the order of the queues, and no pins");
	tap_ok(is_at(conf->queues_defaults.rss_loc, 0, 0), "the defaults' stand nowhere");
	conf_free(conf);
}

static void test_merging(void)
{
	struct conf *conf = conf_parse_right(HEAD
		"    ports:\n"
		"      a: {flood: false}\n"
		"      defaults: {learning: false, sticky: true}\n"
		"      b: {learning: true}\n"
		"queues:\n"
		"  a: {busy-poll: {budget: 8}, pin: {1: 5, 9: 6}, ring: {tx: 64}}\n"
		"  defaults:\n"
		"    {busy-poll: {usecs: 20}, pin: {0: 3, 1: 4}, ring: {rx: 128, tx: 256}}\n");
	const struct conf_port *port;
	const struct conf_queues *queues;

	if (!tap_ok(conf != NULL, "a file with defaults is right")) {
		return;
	}
	port = conf_port_get(&conf->bridge[0], "a");
	tap_ok(!port->flood && !port->learning && port->sticky, "own key and the defaults'");
	port = conf_port_get(&conf->bridge[0], "b");
	tap_ok(port->flood && port->learning && port->sticky, "own key beats the defaults'");
	port = conf_port_get(&conf->bridge[0], "eth9");
	tap_ok(port == &conf->bridge[0].port_defaults, "a port that nobody names has the defaults");
	queues = conf_queues_get(conf, "a");
	tap_ok(queues->busy_poll_usecs == 20 && queues->busy_poll_budget == 8 &&
	       queues->rx_size == 128 && queues->tx_size == 64, "merged inside maps");
	tap_ok(queues->n_pins == 3 && queues->pin[0].cpu == 3 && queues->pin[1].cpu == 5 &&
	       queues->pin[2].queue == 9, "pins too");
	tap_ok(conf->queues_defaults.n_pins == 2 && conf->queues_defaults.pin[1].cpu == 4,
	       "the defaults' own pins stay");
	tap_ok(conf_queues_get(conf, "b") == &conf->queues_defaults,
	       "an interface that nobody names has the defaults");
	conf_free(conf);
}

#define DEVICE_DEFAULTS \
	"  defaults:\n" \
	"    count: auto\n" \
	"    device-ring: {rx: 512, tx: 1024}\n" \
	"    coalesce: {rx-usecs: 8, adaptive-rx: off}\n" \
	"    rss: {symmetric: true, weights: [3, 0, 1]}\n" \
	"    rx-steering: hash\n" \
	"    irq-pin: {0: 3, 1: 4}\n" \
	"    on-exit: keep\n"

static void test_merging_devices(void)
{
	struct conf *conf = conf_parse_right(HEAD "queues:\n" DEVICE_DEFAULTS
		"  a: {device-ring: {tx: 64}, coalesce: {tx-usecs: 0, adaptive-rx: keep},\n"
		"      rss: {weights: [1, 1]}, irq-pin: {1: 5, 9: 6}}\n");
	const struct conf_queues *queues, *defaults;

	if (!tap_ok(conf != NULL, "a file with settings for all devices is right")) {
		return;
	}
	defaults = &conf->queues_defaults;
	queues = conf_queues_get(conf, "a");
	tap_ok(queues->count == CONF_AUTO && queues->device_rx == 512 && queues->device_tx == 64,
	       "device-ring is merged");
	tap_ok(queues->rx_usecs == 8 && queues->tx_usecs == 0 &&
	       queues->adaptive_rx == CONF_KEEP && defaults->adaptive_rx == 0 &&
	       defaults->tx_usecs == CONF_KEEP, "coalesce too, and one member can be kept");
	tap_ok(queues->rss_symmetric && queues->n_rss_weights == 2 &&
	       queues->rss_weight[0] == 1 && queues->rss_weight[1] == 1 &&
	       defaults->n_rss_weights == 3 && defaults->rss_weight[0] == 3,
	       "rss too, a list of weights as a whole");
	tap_ok(queues->n_irq_pins == 3 && queues->irq_pin[0].cpu == 3 &&
	       queues->irq_pin[1].cpu == 5 && queues->irq_pin[2].queue == 9 &&
	       defaults->n_irq_pins == 2 && defaults->irq_pin[1].cpu == 4, "irq-pin by queue");
	tap_ok(queues->rx_steering == CONF_STEERING_HASH && queues->on_exit == CONF_ON_EXIT_KEEP,
	       "words are inherited");
	conf_free(conf);
}

static void test_keeping_devices(void)
{
	struct conf *conf = conf_parse_right(HEAD "queues:\n" DEVICE_DEFAULTS
		"  a: {count: keep, device-ring: keep, coalesce: keep, rss: keep,\n"
		"      rx-steering: device}\n"
		"  b: {rss: {weights: keep}}\n"
		"  lan: {rss: {symmetric: false}}\n");
	const struct conf_queues *queues;

	if (!tap_ok(conf != NULL, "a file that keeps one device as it is, is right")) {
		return;
	}
	check_device_kept(conf_queues_get(conf, "a"), "keep takes back the defaults' whole map");
	queues = conf_queues_get(conf, "b");
	tap_ok(queues->rss_symmetric && queues->n_rss_weights == 0, "or the weights alone");
	queues = conf_queues_get(conf, "lan");
	tap_ok(!queues->rss_symmetric && queues->n_rss_weights == 3 && queues->rss_weight &&
	       queues->rss_weight != conf->queues_defaults.rss_weight &&
	       queues->rss_weight[2] == 1, "or all but the weights");
	conf_free(conf);
}

static void test_vlans(void)
{
	struct conf *conf = conf_parse_right(HEAD
		"    vlan-filtering: true\n"
		"    vlan-default-pvid: 9\n"
		"    vlans:\n"
		"      - {id: 5, name: x, untagged: [a], tagged: [b]}\n"
		"      - {id: 30-39, tagged: [a, e7]}\n"
		"    static-macs:\n"
		"      - {macaddress: \"02:00:00:00:00:01\", port: a}\n"
		"      - {macaddress: \"02:00:00:00:00:01\", port: b}\n"
		"      - {macaddress: \"02:00:00:00:00:01\", port: e7, vlan: 31}\n"
		"      - {macaddress: \"02:00:00:00:00:02\", drop: true}\n");
	const struct conf_bridge *bridge;

	if (!tap_ok(conf != NULL, "a file with VLANs is right")) {
		return;
	}
	bridge = &conf->bridge[0];
	tap_ok(bridge->n_vlans == 2 && numset_count(&bridge->vlan[1].ids) == 10 &&
	       bridge->vlan[0].n_untagged == 1 && bridge->vlan[1].n_tagged == 2, "two entries");
	tap_ok(is_at(bridge->vlan[1].loc, 9, 9) && is_at(bridge->static_mac[1].loc, 12, 9),
	       "and their places");
	tap_ok(bridge->static_mac[0].vid == 5, "no vlan: the port's PVID");
	tap_ok(bridge->static_mac[1].vid == 9, "of a port without one: the default");
	tap_ok(bridge->static_mac[2].vid == 31, "a port of a glob in a VLAN");
	tap_ok(bridge->static_mac[3].vid == 9 && bridge->static_mac[3].drop, "a blackhole");
	conf_free(conf);
}

/* ---- limits ---- */

static void test_errors(void)
{
	struct conf_errors errors = {0};
	char *text = malloc(100000);
	size_t used = (size_t)sprintf(text, HEAD);
	bool sorted = true;

	for (int i = 0; i < 5000; i++) {
		used += (size_t)sprintf(text + used, "k%d: 1\n", i);
	}
	tap_ok(!parse(text, &errors), "5000 mistakes");
	tap_ok(errors.n == 1001, "1000 of them are listed, and that there are more");
	for (uint32_t i = 1; i < errors.n; i++) {
		const struct conf_loc *a = &errors.error[i - 1].loc, *b = &errors.error[i].loc;

		sorted = sorted && (a->line < b->line ||
				    (a->line == b->line && a->column <= b->column));
	}
	tap_ok(sorted, "in the order of the file");
	tap_ok(errors.n && strstr(errors.error[errors.n - 1].text, "too many") != NULL,
	       "the last line says so");
	conf_errors_done(&errors);
	tap_ok(errors.n == 0 && !errors.error, "done leaves nothing");
	conf_errors_done(&errors);
	conf_errors_sort(&errors);
	free(text);
}

static void test_size(void)
{
	struct conf_errors errors = {0};
	size_t bytes = (1 << 20) + 1;
	char *text = malloc(bytes);
	struct conf *conf;

	memset(text, ' ', bytes);
	memcpy(text, HEAD "#", strlen(HEAD) + 1);
	memset(text + strlen(HEAD) + 1, 'x', bytes - strlen(HEAD) - 1);
	conf = conf_parse(text, bytes - 1, &errors);
	tap_ok(conf != NULL && errors.n == 0, "1 MiB is read");
	conf_free(conf);
	conf = conf_parse(text, bytes, &errors);
	tap_ok(!conf && errors.n == 1 && is_at(errors.error[0].loc, 1, 1), "a byte more is not");
	conf_errors_done(&errors);
	free(text);
}

/* A file made to be slow to check: what a stranger may send to `config check`. */
static void test_hostile(void)
{
	size_t bytes = 1 << 20, used;
	char *text = malloc(bytes);
	struct conf_errors errors = {0};
	struct timespec begin, end;
	double seconds;

	used = (size_t)sprintf(text, HEAD "    vlan-filtering: true\n    static-macs:\n");
	for (uint32_t i = 0; used < bytes - 100; i++) {
		used += (size_t)sprintf(text + used,
					"     - {macaddress: 02:00:00:%02x:%02x:%02x, port: e%u}\n",
					i >> 16 & 0xff, i >> 8 & 0xff, i & 0xff, i);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	conf_free(parse(text, &errors));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	tap_ok(errors.n == 0 && seconds < 20, "1 MiB of static MACs in %.2f s", seconds);
	conf_errors_done(&errors);
	free(text);
}

static void test_read_file(void)
{
	char path[] = "/tmp/viaduct-test-conf-XXXXXX", *text = NULL;
	int fd = mkstemp(path);
	struct err err = {{0}};
	size_t bytes = 0;

	tap_ok(fd >= 0 && write(fd, HEAD, strlen(HEAD)) == (ssize_t)strlen(HEAD), "a file");
	tap_ok(conf_read_file(path, &text, &bytes, &err) == 0 && bytes == strlen(HEAD) &&
	       memcmp(text, HEAD, bytes) == 0, "is read whole");
	free(text);
	text = NULL;
	tap_ok(ftruncate(fd, 8 << 20) == 0 && conf_read_file(path, &text, &bytes, &err) == 0 &&
	       bytes == (1 << 20) + 1, "a huge one as far as is needed to refuse it");
	free(text);
	text = NULL;
	close(fd);
	unlink(path);
	tap_ok(conf_read_file(path, &text, &bytes, &err) == -ENOENT && !text &&
	       strstr(err.text, path) != NULL, "one that is not there: %s", err.text);
	tap_ok(conf_read_file("/", &text, &bytes, &err) == -EISDIR && !text, "a folder: %s",
	       err.text);
}

static uint32_t n_offers;

void __wrap_suggest_offer(struct suggest *s, const char *candidate);
void __real_suggest_offer(struct suggest *s, const char *candidate);

void __wrap_suggest_offer(struct suggest *s, const char *candidate)
{
	n_offers += s->word[0] != '\0';
	__real_suggest_offer(s, candidate);
}

/* What is worked out for 'n' unknown keys, and the mistakes that are listed. */
static uint32_t offers_for(uint32_t n, uint32_t *ret_n_errors)
{
	struct conf_errors errors = {0};
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	fputs(HEAD, out);
	for (uint32_t i = 0; i < n; i++) {
		fprintf(out, "bridges%x: 1\n", i);
	}
	fclose(out);
	n_offers = 0;
	conf_free(conf_parse(text, bytes, &errors));
	*ret_n_errors = errors.n;
	conf_errors_done(&errors);
	free(text);
	return n_offers;
}

/* Anybody on the box may send a file of them, and control has other things to do. */
static void test_unlisted_mistakes(void)
{
	uint32_t n_errors, few, all = offers_for(1000, &n_errors);

	tap_ok(n_errors == 1000 && all, "1000 unknown keys are listed, and what may be meant");
	few = offers_for(3000, &n_errors);
	tap_ok(n_errors == 1001 && few <= all + all / 1000,
	       "of 3000 no more is worked out (%u for %u)", few, all);
}

static void test_partial_text(void)
{
	static const char text[] = HEAD;
	bool ok = true;

	/* In memory of exactly its size, so that a sanitizer finds who reads past the end. */
	for (size_t n = 0; n < sizeof(text); n++) {
		struct conf_errors errors = {0};
		char *copy = malloc(n ? n : 1);
		struct conf *conf;

		memcpy(copy, text, n);
		conf = conf_parse(copy, n, &errors);
		ok = ok && (conf != NULL) == (errors.n == 0);
		conf_free(conf);
		conf_errors_done(&errors);
		free(copy);
	}
	tap_ok(ok, "every beginning of a file is right or has mistakes");
	conf_free(NULL);
}

int main(void)
{
	test_defaults();
	test_locations();
	test_device_locations();
	test_merging();
	test_merging_devices();
	test_keeping_devices();
	test_vlans();
	test_errors();
	test_size();
	test_hostile();
	test_read_file();
	test_unlisted_mistakes();
	test_partial_text();
	return tap_done();
}
