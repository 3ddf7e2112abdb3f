/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket under clients of every kind: many requests at once, large replies, slow
 * readers, watchers, garbage.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mgmt/conn.h"
#include "mgmt_harness.h"
#include "tap.h"

#define MAC_SHOW_MORE "{\"method\":\"io.viaduct.MacShow\",\"more\":true}"
#define MAC_WATCH     "{\"method\":\"io.viaduct.MacWatch\",\"more\":true}"
#define STATUS        "{\"method\":\"io.viaduct.Status\"}"

/* ---- requests ---- */

static void test_pipeline(struct harness *harness)
{
	struct client client = client_connect(harness);
	uint32_t n_good = 0;

	for (int i = 0; i < 500; i++) {
		client_send(harness, &client, i % 2 ? CONFIG_SHOW
						    : "{\"method\":\"io.viaduct.MacShow\","
						      "\"parameters\":{\"count\":true}}");
	}
	for (int i = 0; i < 500; i++) {
		json_t *reply = client_receive(harness, &client);

		n_good += i % 2 ? message_is_config(reply)
				: json_integer_value(message_parameter(reply, "count")) == 5;
		json_decref(reply);
	}
	tap_ok(n_good == 500, "500 requests at once are answered in their order (%u)", n_good);
	client_close(&client);
}

static void test_oneway(struct harness *harness)
{
	struct client client = client_connect(harness);
	json_t *reply;

	client_send(harness, &client, "{\"method\":\"io.viaduct.PortDisable\",\"oneway\":true,"
				      "\"parameters\":{\"port\":\"enp2s0\"}}");
	client_send(harness, &client, "{\"method\":\"io.viaduct.Nonsense\",\"oneway\":true}");
	client_send(harness, &client, "{\"method\":\"io.viaduct.MacShow\",\"oneway\":true}");
	client_send(harness, &client, CONFIG_SHOW);
	reply = client_receive(harness, &client);
	tap_ok(message_is_config(reply), "oneway calls get no reply, errors neither");
	tap_ok(!strcmp(harness->fake.port, "enp2s0"), "a oneway call is carried out");
	json_decref(reply);
	client_close(&client);

	client = client_connect(harness);
	client_send(harness, &client, "{\"method\":\"io.viaduct.PortEnable\",\"oneway\":true,"
				      "\"parameters\":{\"port\":\"enp3s0\"}}");
	client_close(&client);
	harness_settle(harness);
	tap_ok(!strcmp(harness->fake.port, "enp3s0"), "... though its client is gone already");
}

static void test_half_close(struct harness *harness)
{
	struct client client = client_connect(harness);
	json_t *reply;

	client_send(harness, &client, CONFIG_SHOW);
	shutdown(client.fd, SHUT_WR);
	reply = client_receive(harness, &client);
	tap_ok(message_is_config(reply), "a client that sends no more still gets its reply");
	tap_ok(client_ended(harness, &client), "... and is closed then");
	json_decref(reply);
	client_close(&client);
}

static void test_bytewise(struct harness *harness)
{
	struct client client = client_connect(harness);
	json_t *reply;

	for (size_t i = 0; i < sizeof(CONFIG_SHOW); i++) {
		send(client.fd, &CONFIG_SHOW[i], 1, 0);
		sd_event_run(harness->event, 0);
		sd_event_run(harness->event, 0);
	}
	reply = client_receive(harness, &client);
	tap_ok(message_is_config(reply), "a request that comes byte by byte");
	json_decref(reply);
	client_close(&client);
}

#define EIGHT "1,1,1,1,1,1,1,1,"
#define TOO_MANY_VALUES                                                                            \
	"{\"method\":\"io.viaduct.Status\",\"parameters\":{\"a\":["                                \
	EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT "1]}}"

static const char *const garbage[] = {
	"", "{", "nonsense", "[]", "1", "{}", "{\"method\":1}", "{\"method\":null}",
	"{\"method\":\"io.viaduct.Status\",\"more\":1}",
	"{\"method\":\"io.viaduct.Status\",\"parameters\":[]}",
	"{\"method\":\"io.viaduct.Status\",\"method\":\"io.viaduct.Status\"}",
	"{\"method\":\"io.viaduct.Status\",\"extra\":1}",
	"{\"method\":\"io.viaduct.Status\",\"upgrade\":true}",
	"{\"method\":\"io.viaduct.Status\",\"more\":true,\"oneway\":true}",
	"{\"method\":\"io.viaduct.Status\",\"parameters\":{\"a\":[[[[[[[[[[]]]]]]]]]]}}",
	"{\"method\":\"\xff\xfe\"}", "{\"method\":\"a\\u0000b\"}", (STATUS STATUS),
	"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
	"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
};

static void test_garbage(struct harness *harness)
{
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct client client = client_connect(harness);
		json_t *reply;

		client_send(harness, &client, garbage[i]);
		reply = client_receive(harness, &client);
		tap_ok(!reply, "cut off for %s", *garbage[i] ? garbage[i] : "an empty message");
		json_decref(reply);
		client_close(&client);
	}
}

static void test_huge(struct harness *harness)
{
	struct client client = client_connect(harness);
	size_t n = VARLINK_REQUEST_MAX + (1u << 20);
	char *text = malloc(n + 1);
	json_t *reply;

	memset(text, 'x', n);
	text[n] = '\0';
	client_send(harness, &client, text);
	reply = client_receive(harness, &client);
	tap_ok(!strcmp(message_error(reply), "io.viaduct.TooMany"),
	       "a request without end is refused");
	tap_ok(client_ended(harness, &client), "... and its client cut off");
	json_decref(reply);
	client_close(&client);

	/* A configuration of 1 MiB must pass. */
	n = (size_t)snprintf(text, 128, "{\"method\":\"io.viaduct.ConfigCheck\",\"parameters\":"
					"{\"text\":\"");
	memset(text + n, '#', 1u << 20);
	strcpy(text + n + (1u << 20), "\"}}");
	client = client_connect(harness);
	client_send(harness, &client, text);
	reply = client_receive(harness, &client);
	tap_ok(json_is_true(message_parameter(reply, "valid")) &&
		       harness->fake.n_config_bytes == 1u << 20,
	       "a configuration of 1 MiB is checked whole");
	json_decref(reply);
	client_close(&client);
	free(text);
}

/* ---- the table ---- */

static void test_stream(struct harness *harness)
{
	struct client client = client_connect(harness);
	uint32_t n_rows = 0, n_replies = 0, n_large = 0;
	bool continues = true;
	json_t *reply;

	harness->fake.n_learned = 100000;
	client_send(harness, &client, MAC_SHOW_MORE);
	client_send(harness, &client, CONFIG_SHOW);
	while (continues) {
		size_t n;

		reply = client_receive(harness, &client);
		n = json_array_size(message_parameter(reply, "macs"));
		continues = json_is_true(json_object_get(reply, "continues"));
		n_rows += (uint32_t)n;
		n_replies++;
		n_large += n > 1000;
		json_decref(reply);
	}
	tap_ok(n_rows == 100005 && n_large == 0 && n_replies == 101,
	       "100,005 addresses come in replies of at most 1000 (%u in %u)", n_rows, n_replies);
	reply = client_receive(harness, &client);
	tap_ok(message_is_config(reply), "the request behind the stream is answered after it");
	json_decref(reply);

	client_send(harness, &client, "{\"method\":\"io.viaduct.MacShow\"}");
	reply = client_receive(harness, &client);
	tap_ok(!strcmp(message_error(reply), "io.viaduct.TooMany"), "without `more` it is TooMany");
	json_decref(reply);
	harness->fake.n_learned = 9995;
	client_send(harness, &client, "{\"method\":\"io.viaduct.MacShow\"}");
	reply = client_receive(harness, &client);
	tap_ok(json_array_size(message_parameter(reply, "macs")) == 10000,
	       "... but 10,000 are not");
	json_decref(reply);
	harness->fake.n_learned = 0;
	client_close(&client);
}

/* A reader that stops must stop the walk, and hold no more than a bounded amount. */
static void test_slow_reader(struct harness *harness)
{
	struct client client = client_connect(harness);
	uint32_t n_walks, n_rows = 0;
	bool continues = true;

	harness->fake.n_learned = 50000;
	harness->fake.n_walks = 0;
	client_send(harness, &client, MAC_SHOW_MORE);
	harness_settle(harness);
	n_walks = harness->fake.n_walks;
	tap_ok(n_walks > 0 && n_walks < 20, "a reader that stops, stops the walk (%u slices)",
	       n_walks);
	tap_ok(LIST_FIRST(&((struct conn_home *)harness->server)->quota.users)->n_bytes < 2u << 20,
	       "little is held for it");
	while (continues) {
		json_t *reply = client_receive(harness, &client);

		continues = json_is_true(json_object_get(reply, "continues"));
		n_rows += (uint32_t)json_array_size(message_parameter(reply, "macs"));
		json_decref(reply);
	}
	tap_ok(n_rows == 50005, "and all comes when it reads again (%u)", n_rows);
	client_close(&client);

	client = client_connect(harness);
	client_send(harness, &client, MAC_SHOW_MORE);
	harness_settle(harness);
	client_close(&client);
	harness_settle(harness);
	tap_ok(harness_n_conns(harness) == 0, "a reader that goes, ends the walk");
	harness->fake.n_learned = 0;
}

/* Sends requests without reading a reply: must come to stand still, not to fill the daemon. */
static void test_never_reads(struct harness *harness)
{
	struct client client = client_connect(harness);
	size_t n_sent = 0;

	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	for (int idle = 0; idle < 50 && n_sent < 64u << 20;) {
		ssize_t n = send(client.fd, STATUS, sizeof(STATUS), MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		n_sent += n > 0 ? (size_t)n : 0;
		sd_event_run(harness->event, n > 0 ? 0 : 1000);
	}
	tap_ok(n_sent < 4u << 20, "who never reads is not read from any more (%zu bytes)", n_sent);
	tap_ok(LIST_FIRST(&((struct conn_home *)harness->server)->quota.users)->n_bytes < 2u << 20,
	       "... and little is held");
	client_close(&client);
	harness_settle(harness);
	tap_ok(harness_n_conns(harness) == 0, "... and it can go");
}

/* ---- watching ---- */

static const struct mgmt_mac_event moved = {
	.realtime_ns = 1772356502123000000, .kind = MGMT_MAC_EVENT_MOVED, .bridge = "lan",
	.vid = 20, .macaddress = 0x020000000010, .port = "enp2s0", .from_port = "enp3s0",
};

static void test_watch(struct harness *harness)
{
	struct client one = client_connect(harness), two = client_connect(harness);
	struct mgmt_mac_event aged = moved;
	json_t *reply;
	char *text;

	mgmt_server_mac_event(harness->server, &moved);
	client_send(harness, &one, MAC_WATCH);
	client_send(harness, &two, MAC_WATCH);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 1 && harness->fake.n_watch_calls == 1,
	       "the first watcher wakes the daemon's events");
	mgmt_server_mac_event(harness->server, &moved);
	reply = client_receive(harness, &one);
	text = json_dumps(reply, JSON_COMPACT);
	tap_ok(text && !strcmp(text, "{\"parameters\":{\"time\":\"2026-03-01T09:15:02.123Z\","
				     "\"event\":\"moved\",\"bridge\":\"lan\",\"vlan\":20,"
				     "\"macaddress\":\"02:00:00:00:00:10\",\"port\":\"enp2s0\","
				     "\"from_port\":\"enp3s0\"},\"continues\":true}"),
	       "an event: %s", text ? text : "none");
	free(text);
	json_decref(reply);
	client_close(&one);
	aged.kind = MGMT_MAC_EVENT_AGED;
	aged.port = NULL;
	harness_settle(harness);
	mgmt_server_mac_event(harness->server, &aged);
	json_decref(client_receive(harness, &two));
	reply = client_receive(harness, &two);
	tap_ok(json_is_null(message_parameter(reply, "port")), "the other goes on");
	json_decref(reply);
	tap_ok(harness->fake.n_watch_calls == 1, "... and the daemon is not bothered");
	client_close(&two);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 0 && harness->fake.n_watch_calls == 2,
	       "the last watcher switches them off");
}

static void tell_flushed(void *server)
{
	struct mgmt_mac_event event = {.kind = MGMT_MAC_EVENT_FLUSHED, .bridge = "lan", .vid = 1,
				       .macaddress = 0x060000000000};

	mgmt_server_mac_event(server, &event);
}

/* The daemon reports from inside a call, and of two watchers one has just gone. */
static void test_watch_from_call(struct harness *harness)
{
	struct client gone = client_connect(harness), watcher = client_connect(harness);
	json_t *reply;

	client_send(harness, &gone, MAC_WATCH);
	client_send(harness, &watcher, MAC_WATCH);
	harness_settle(harness);
	client_close(&gone);
	harness->fake.on_flush = tell_flushed;
	harness->fake.on_flush_arg = harness->server;
	free(harness_ask(harness, "{\"method\":\"io.viaduct.MacFlush\"}"));
	harness->fake.on_flush = NULL;
	reply = client_receive(harness, &watcher);
	tap_ok(reply && !strcmp(json_string_value(message_parameter(reply, "event")), "flushed"),
	       "an event from inside a call");
	json_decref(reply);
	client_close(&watcher);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 0, "... and nobody watches any more");
}

/* More than CONN_OUT_WATCH_MAX holds. */
#define N_EVENTS 100000u

static void test_slow_watcher(struct harness *harness)
{
	struct client slow = client_connect(harness), fast = client_connect(harness);
	uint32_t n_slow = 0, n_fast = 0;
	json_t *reply = NULL;

	client_send(harness, &slow, MAC_WATCH);
	client_send(harness, &fast, MAC_WATCH);
	harness_settle(harness);
	for (uint32_t i = 0; i < N_EVENTS; i++) {
		mgmt_server_mac_event(harness->server, &moved);
		if (i % 100 == 99) {
			for (uint32_t j = 0; j < 100; j++) {
				reply = client_receive(harness, &fast);
				n_fast += reply != NULL;
				json_decref(reply);
			}
		}
	}
	tap_ok(n_fast == N_EVENTS, "a watcher that reads gets every event (%u)", n_fast);
	for (;;) {
		reply = client_receive(harness, &slow);
		if (!reply || *message_error(reply)) {
			break;
		}
		n_slow++;
		json_decref(reply);
	}
	tap_ok(reply && !strcmp(message_error(reply), "io.viaduct.TooMany") && n_slow < N_EVENTS,
	       "one that does not is told after %u", n_slow);
	json_decref(reply);
	client_send(harness, &slow, CONFIG_SHOW);
	reply = client_receive(harness, &slow);
	tap_ok(message_is_config(reply), "... and may ask on");
	json_decref(reply);
	client_close(&slow);
	client_close(&fast);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 0, "nobody watches any more");
}

int main(void)
{
	struct harness harness;

	harness_begin(&harness);
	test_pipeline(&harness);
	test_oneway(&harness);
	test_half_close(&harness);
	test_bytewise(&harness);
	test_garbage(&harness);
	test_huge(&harness);
	test_stream(&harness);
	test_slow_reader(&harness);
	test_never_reads(&harness);
	test_watch(&harness);
	test_watch_from_call(&harness);
	test_slow_watcher(&harness);
	harness_settle(&harness);
	tap_ok(harness_n_conns(&harness) == 0, "no connection is left");
	harness_end(&harness);
	return tap_done();
}
