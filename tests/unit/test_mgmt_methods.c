/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every method's reply, letter by letter (so its keys and their order too), and every refusal,
 * through the real server and a real socket.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/command.h"
#include "mgmt_harness.h"
#include "tap.h"

#define CALL(method, parameters)                                                                   \
	"{\"method\":\"io.viaduct." method "\",\"parameters\":" parameters "}"
#define ASK(method) "{\"method\":\"io.viaduct." method "\"}"
#define REFUSED(name, reason)                                                                      \
	"{\"error\":\"io.viaduct." name "\",\"parameters\":{\"reason\":\"" reason "\"}}"
#define BAD_PARAMETER(name)                                                                        \
	"{\"error\":\"org.varlink.service.InvalidParameter\","                                     \
	"\"parameters\":{\"parameter\":\"" name "\"}}"
#define DONE "{\"parameters\":{}}"

#define BRIDGE_LAN                                                                                 \
	"\"bridge\":\"lan\",\"host_port\":\"lan\",\"vlan_filtering\":true,\"ports\":3,"            \
	"\"ports_up\":2,\"macs_learned\":12,\"macs_max\":65536"
#define BRIDGE_DMZ                                                                                 \
	"\"bridge\":\"dmz\",\"host_port\":null,\"vlan_filtering\":false,\"ports\":1,"              \
	"\"ports_up\":0,\"macs_learned\":0,\"macs_max\":100"
#define BRIDGE_LAN_LONG                                                                            \
	"{" BRIDGE_LAN ",\"ageing_seconds\":300,\"port_names\":[\"enp2s0\",\"enp3s0\",\"lan\"]}"
#define BRIDGE_DMZ_LONG "{" BRIDGE_DMZ ",\"ageing_seconds\":10.5,\"port_names\":[\"enp5s0\"]}"
#define MAC_10_LAN_1                                                                               \
	"{\"bridge\":\"lan\",\"vlan\":1,\"macaddress\":\"02:00:00:00:00:10\",\"port\":\"enp2s0\"," \
	"\"type\":\"static\",\"age_seconds\":null,\"drop\":false}"
#define MAC_10_LAN_20                                                                              \
	"{\"bridge\":\"lan\",\"vlan\":20,\"macaddress\":\"02:00:00:00:00:10\","                    \
	"\"port\":\"enp3s0\",\"type\":\"static\",\"age_seconds\":null,\"drop\":false}"
#define MAC_66                                                                                     \
	"{\"bridge\":\"lan\",\"vlan\":1,\"macaddress\":\"02:00:00:00:00:66\",\"port\":null,"       \
	"\"type\":\"static\",\"age_seconds\":null,\"drop\":true}"
#define MAC_09                                                                                     \
	"{\"bridge\":\"lan\",\"vlan\":1,\"macaddress\":\"02:00:00:00:00:09\",\"port\":\"lan\","    \
	"\"type\":\"local\",\"age_seconds\":null,\"drop\":false}"
#define MAC_77                                                                                     \
	"{\"bridge\":\"dmz\",\"vlan\":0,\"macaddress\":\"02:00:00:00:00:77\","                     \
	"\"port\":\"enp5s0\",\"type\":\"sticky\",\"age_seconds\":12.5,\"drop\":false}"

#define QUEUE_MODE                                                                                 \
	"\"mode\":\"copy\",\"tried\":[{\"mode\":\"zero-copy\",\"error\":\"EOPNOTSUPP\"},"          \
	"{\"mode\":\"copy\",\"error\":null}],"
#define QUEUE_IRQ                                                                                  \
	"\"irq_rx\":31,\"irq_tx\":null,\"irq_cpu\":2,\"rx_packets\":11,\"tx_packets\":12,"
#define QUEUE_RINGS                                                                                \
	"\"rings\":{\"rx\":{\"size\":2048,\"used\":1},\"tx\":{\"size\":1024,\"used\":2},"          \
	"\"fill\":{\"size\":4096,\"used\":3},\"completion\":{\"size\":1024,\"used\":4}},"

static const struct {
	const char *request, *reply;
} exchange[] = {
	{ASK("Status"),
	 "{\"parameters\":{\"version\":\"0.1.0\",\"state\":\"degraded\",\"pid\":4711,"
	 "\"uptime_seconds\":93784,\"config\":{\"path\":\"/etc/viaduct/viaduct.yaml\","
	 "\"loaded\":\"2026-03-01T09:15:02.123Z\",\"matches_file\":true,"
	 "\"try_remaining_seconds\":null},\"bridges\":[{" BRIDGE_LAN "},{" BRIDGE_DMZ "}],"
	 "\"ports\":{\"total\":4,\"forwarding\":2},\"workers\":3,\"memory_bytes\":67108864,"
	 "\"frames\":{\"total\":4096,\"pool\":3000,\"kernel\":1000,\"workers\":90,"
	 "\"handover\":6,\"lost\":0},\"warnings\":[{\"code\":\"member-absent\","
	 "\"subject\":\"port enp5s0\",\"text\":\"there is no interface of this name\","
	 "\"mend\":\"plug it in\"}]}}"},
	{ASK("BridgeShow"),
	 "{\"parameters\":{\"bridges\":[" BRIDGE_LAN_LONG "," BRIDGE_DMZ_LONG "]}}"},
	{CALL("BridgeShow", "{\"bridge\":\"dmz\"}"),
	 "{\"parameters\":{\"bridges\":[" BRIDGE_DMZ_LONG "]}}"},
	{CALL("BridgeShow", "{\"bridge\":null}"),
	 "{\"parameters\":{\"bridges\":[" BRIDGE_LAN_LONG "," BRIDGE_DMZ_LONG "]}}"},
	{CALL("BridgeShow", "{\"bridge\":\"x\"}"), REFUSED("NotFound", "no bridge 'x'")},
	{CALL("BridgeShow", "{\"bridge\":\"\"}"), REFUSED("Invalid", "bridge: an empty name")},
	{CALL("PortShow", "{\"port\":\"enp2s0\"}"),
	 "{\"parameters\":{\"ports\":[{\"port\":\"enp2s0\",\"ifname\":\"enp2s0\",\"ifindex\":2,"
	 "\"bridge\":\"lan\",\"host\":false,\"macaddress\":\"02:00:00:00:00:02\","
	 "\"state\":\"forwarding\",\"reason\":null,\"carrier\":true,\"speed_mbps\":2500,"
	 "\"mtu\":1500,\"mode\":\"zero-copy\",\"queues\":4,\"pvid\":1,\"macs_learned\":7,"
	 "\"rx_packets\":1000,\"rx_bytes\":64000,\"tx_packets\":900,\"tx_bytes\":57600,"
	 "\"forwarded\":950,\"express\":0,\"flooded\":40,\"flood_copies\":80,\"consumed\":3,"
	 "\"rx_drops\":{\"runt\":2,\"oversize\":0,\"invalid_source\":0,\"link_local\":0,"
	 "\"vlan_not_allowed\":0,\"frame_type\":0,\"locked\":0,\"blackhole\":0,\"same_port\":0,"
	 "\"isolated\":0,\"no_destination\":0,\"port_state\":0,\"no_frame\":0,"
	 "\"storm_control\":5},\"tx_drops\":{\"ring_full\":1,\"handover_full\":0,\"oversize\":0,"
	 "\"double_tag\":0,\"no_carrier\":0,\"express_lost\":null}}]}}"},
	{CALL("PortShow", "{\"port\":\"enp5s0\"}"),
	 "{\"parameters\":{\"ports\":[{\"port\":\"enp5s0\",\"ifname\":null,\"ifindex\":null,"
	 "\"bridge\":\"dmz\",\"host\":false,\"macaddress\":null,\"state\":\"absent\","
	 "\"reason\":\"no interface of this name\",\"carrier\":null,\"speed_mbps\":null,"
	 "\"mtu\":null,\"mode\":null,\"queues\":null,\"pvid\":null,\"macs_learned\":0,"
	 "\"rx_packets\":0,\"rx_bytes\":0,\"tx_packets\":0,\"tx_bytes\":0,\"forwarded\":0,"
	 "\"express\":0,\"flooded\":0,\"flood_copies\":0,\"consumed\":0,"
	 "\"rx_drops\":{\"runt\":0,\"oversize\":0,\"invalid_source\":0,\"link_local\":0,"
	 "\"vlan_not_allowed\":0,\"frame_type\":0,\"locked\":0,\"blackhole\":0,\"same_port\":0,"
	 "\"isolated\":0,\"no_destination\":0,\"port_state\":0,\"no_frame\":0,"
	 "\"storm_control\":0},\"tx_drops\":{\"ring_full\":0,\"handover_full\":0,\"oversize\":0,"
	 "\"double_tag\":0,\"no_carrier\":0,\"express_lost\":null}}]}}"},
	{CALL("PortShow", "{\"port\":\"x\"}"), REFUSED("NotFound", "no port 'x'")},
	{CALL("PortEnable", "{\"port\":\"enp2s0\"}"), DONE},
	{CALL("PortDisable", "{\"port\":\"enp3s0\"}"), DONE},
	{CALL("PortDisable", "{\"port\":\"enp5s0\"}"),
	 REFUSED("Busy", "port 'enp5s0' is absent")},
	{ASK("PortDisable"), BAD_PARAMETER("port")},
	{ASK("MacShow"), "{\"parameters\":{\"macs\":[" MAC_10_LAN_1 "," MAC_10_LAN_20 "," MAC_66
			 "," MAC_09 "," MAC_77 "]}}"},
	{CALL("MacShow", "{\"vlan\":1,\"type\":\"static\",\"port\":\"enp2s0\"}"),
	 "{\"parameters\":{\"macs\":[" MAC_10_LAN_1 "]}}"},
	{CALL("MacShow", "{\"bridge\":\"dmz\"}"), "{\"parameters\":{\"macs\":[" MAC_77 "]}}"},
	{CALL("MacShow", "{\"vlan\":77}"), "{\"parameters\":{\"macs\":[]}}"},
	{CALL("MacShow", "{\"count\":true}"), "{\"parameters\":{\"count\":5}}"},
	{CALL("MacShow", "{\"count\":true,\"type\":\"local\"}"), "{\"parameters\":{\"count\":1}}"},
	{CALL("MacShow", "{\"bridge\":\"x\"}"), REFUSED("NotFound", "no bridge 'x'")},
	{CALL("MacShow", "{\"type\":\"odd\"}"),
	 REFUSED("Invalid", "type: 'odd' is none of dynamic, static, local, sticky")},
	{CALL("MacShow", "{\"vlan\":4095}"),
	 REFUSED("Invalid", "vlan: 4095 is not a VLAN id (1 to 4094; 0 without VLAN filtering)")},
	{CALL("MacShow", "{\"vlan\":\"1\"}"), BAD_PARAMETER("vlan")},
	{CALL("MacShow", "{\"vlan\":1.0}"), BAD_PARAMETER("vlan")},
	{CALL("MacShow", "{\"count\":1}"), BAD_PARAMETER("count")},
	{CALL("MacShow", "{\"watch\":1}"), BAD_PARAMETER("watch")},
	{CALL("PortShow", "{\"watch\":1}"), BAD_PARAMETER("watch")},
	{CALL("MacGet", "{\"macaddress\":\"02-00-00-00-00-10\"}"),
	 "{\"parameters\":{\"macs\":[" MAC_10_LAN_1 "," MAC_10_LAN_20 "]}}"},
	{CALL("MacGet", "{\"macaddress\":\"02:00:00:00:00:10\",\"vlan\":20}"),
	 "{\"parameters\":{\"macs\":[" MAC_10_LAN_20 "]}}"},
	{CALL("MacGet", "{\"macaddress\":\"02:00:00:00:00:99\"}"),
	 REFUSED("NotFound", "02:00:00:00:00:99 is not known")},
	{CALL("MacGet", "{\"macaddress\":\"02:00\"}"),
	 REFUSED("Invalid", "'02:00' is not a MAC address (such as 02:00:00:00:00:10)")},
	{ASK("MacGet"), BAD_PARAMETER("macaddress")},
	{CALL("MacAdd", "{\"macaddress\":\"02:00:00:00:00:20\",\"port\":\"enp2s0\"}"), DONE},
	{CALL("MacAdd", "{\"macaddress\":\"02:00:00:00:00:20\",\"port\":\"enp2s0\"}"),
	 REFUSED("Exists", "this address is static already")},
	{CALL("MacAdd", "{\"macaddress\":\"02:00:00:00:00:21\",\"port\":\"x\"}"),
	 REFUSED("NotFound", "no port 'x'")},
	{CALL("MacAdd", "{\"macaddress\":\"02:00:00:00:00:21\"}"),
	 REFUSED("Invalid", "an address is at a port, or dropped on a bridge: give port alone, or "
			    "bridge with drop")},
	{CALL("MacAdd", "{\"macaddress\":\"02:00:00:00:00:21\",\"port\":\"enp2s0\",\"drop\":true}"),
	 REFUSED("Invalid", "an address is at a port, or dropped on a bridge: give port alone, or "
			    "bridge with drop")},
	{CALL("MacAdd", "{\"macaddress\":\"02:00:00:00:00:22\",\"bridge\":\"lan\",\"drop\":true,"
			"\"vlan\":1}"),
	 DONE},
	{CALL("MacDel", "{\"macaddress\":\"02:00:00:00:00:20\"}"), DONE},
	{CALL("MacDel", "{\"macaddress\":\"02:00:00:00:00:20\"}"),
	 REFUSED("NotFound", "02:00:00:00:00:20 is not known")},
	{CALL("MacDel", "{\"macaddress\":\"02:00:00:00:00:10\"}"),
	 REFUSED("Ambiguous", "02:00:00:00:00:10 is known 2 times (lan vlan 1, lan vlan 20): say "
			      "which bridge or VLAN")},
	{CALL("MacDel", "{\"macaddress\":\"02:00:00:00:00:10\",\"vlan\":20}"),
	 REFUSED("Busy", "this one belongs to the file")},
	{CALL("MacFlush", "{\"bridge\":\"lan\",\"vlan\":20,\"port\":\"enp3s0\"}"),
	 "{\"parameters\":{\"flushed\":0}}"},
	{CALL("MacFlush", "{\"bridge\":\"x\"}"), REFUSED("NotFound", "no bridge 'x'")},
	{ASK("MacWatch"),
	 "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}"},
	{ASK("VlanShow"),
	 "{\"parameters\":{\"vlans\":[{\"bridge\":\"lan\",\"vlan\":1,\"name\":\"home\","
	 "\"untagged\":[\"enp2s0\",\"enp3s0\",\"lan\"],\"tagged\":[]},{\"bridge\":\"lan\","
	 "\"vlan\":20,\"name\":null,\"untagged\":[],\"tagged\":[\"enp3s0\"]}]}}"},
	{CALL("VlanShow", "{\"bridge\":\"dmz\"}"), "{\"parameters\":{\"vlans\":[]}}"},
	{CALL("QueueShow", "{\"port\":\"enp2s0\"}"),
	 "{\"parameters\":{\"queues\":[{\"port\":\"enp2s0\",\"queue\":3,\"socket\":0," QUEUE_MODE
	 "\"worker\":1,\"cpu\":2,\"napi\":null," QUEUE_IRQ "\"express\":null," QUEUE_RINGS
	 "\"rx_dropped\":5,\"rx_invalid_descs\":0,\"tx_invalid_descs\":0,\"rx_ring_full\":6,"
	 "\"rx_fill_ring_empty_descs\":0,\"tx_ring_empty_descs\":null},"
	 "{\"port\":\"enp2s0\",\"queue\":3,\"socket\":1," QUEUE_MODE
	 "\"worker\":2,\"cpu\":3,\"napi\":8193," QUEUE_IRQ "\"express\":99," QUEUE_RINGS
	 "\"rx_dropped\":501,\"rx_invalid_descs\":504,\"tx_invalid_descs\":505,"
	 "\"rx_ring_full\":502,\"rx_fill_ring_empty_descs\":503,"
	 "\"tx_ring_empty_descs\":506}]}}"},
	{ASK("WorkerShow"),
	 "{\"parameters\":{\"workers\":[{\"worker\":0,\"cpu\":1,\"busy\":0.25,"
	 "\"busy_seconds\":12.5,\"sleep_seconds\":100.0,\"rx_packets\":1000,\"tx_packets\":900,"
	 "\"turns\":5000,\"sleeps\":40,\"queues\":[\"enp2s0/0\",\"lan/0\"]},"
	 "{\"worker\":1,\"cpu\":2,\"busy\":0.5,\"busy_seconds\":3.0,\"sleep_seconds\":50.0,"
	 "\"rx_packets\":0,\"tx_packets\":0,\"turns\":0,\"sleeps\":0,\"queues\":[]}]}}"},
	{CALL("ConfigCheck", "{\"text\":\"version: 1\\n\"}"),
	 "{\"parameters\":{\"valid\":true,\"errors\":[]}}"},
	{CALL("ConfigCheck", "{\"text\":\"ageing-tme: 1\"}"),
	 "{\"parameters\":{\"valid\":false,\"errors\":[{\"line\":12,\"column\":7,\"text\":"
	 "\"unknown key 'ageing-tme' (did you mean 'ageing-time'?)\"}]}}"},
	{ASK("ConfigCheck"), BAD_PARAMETER("text")},
	{ASK("ConfigShow"), "{\"parameters\":{\"text\":\"version: 1\\n\"}}"},
	{ASK("IntrList"), REFUSED("NotSupported", "intr list: not supported yet")},
	{ASK("Doctor"), REFUSED("NotSupported", "doctor: not supported yet")},
	{CALL("ConfigTry", "{\"text\":\"\"}"),
	 REFUSED("NotSupported", "config try: not supported yet")},
	{ASK("Nonsense"), "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":"
			  "{\"method\":\"io.viaduct.Nonsense\"}}"},
	{"{\"method\":\"org.example.Foo\"}",
	 "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":"
	 "{\"interface\":\"org.example\"}}"},
	{"{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}",
	 "{\"parameters\":{\"vendor\":\"viaduct\",\"product\":\"viaductd\","
	 "\"version\":\"" VIADUCT_VERSION "\",\"url\":\"\","
	 "\"interfaces\":[\"org.varlink.service\",\"io.viaduct\"]}}"},
	{"{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
	 BAD_PARAMETER("interface")},
	{"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
	 "{\"interface\":\"io.other\"}}",
	 "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":"
	 "{\"interface\":\"io.other\"}}"},
};

static void test_exchanges(struct harness *harness)
{
	for (size_t i = 0; i < sizeof(exchange) / sizeof(exchange[0]); i++) {
		char *reply = harness_ask(harness, exchange[i].request);

		if (!tap_ok(!strcmp(reply, exchange[i].reply), "%s", exchange[i].request)) {
			printf("# expected %s\n# got      %s\n", exchange[i].reply, reply);
		}
		free(reply);
	}
}

/* What reached the daemon. */
static void test_arguments(struct harness *harness)
{
	const struct fake *fake = &harness->fake;

	free(harness_ask(harness, CALL("PortDisable", "{\"port\":\"lan\"}")));
	tap_ok(!strcmp(fake->port, "lan") && !fake->port_enabled, "port disable names the port");
	free(harness_ask(harness, CALL("MacFlush", "{\"bridge\":\"lan\",\"vlan\":20}")));
	tap_ok(!strcmp(fake->flush_bridge, "lan") && !*fake->flush_port &&
		       fake->filter.vlan == 20 && fake->filter.type == -1,
	       "mac flush hands its filter over");
	free(harness_ask(harness, ASK("MacFlush")));
	tap_ok(!*fake->flush_bridge && fake->filter.vlan == -1, "mac flush without a filter");
}

/* The method is the words in CamelCase, for every command. */
static void test_names(void)
{
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		const struct command *command = &command_table[i];
		char name[64];
		size_t n = (size_t)snprintf(name, sizeof(name), "%s%s", command->noun,
					    command->verb);

		name[0] = (char)toupper((unsigned char)name[0]);
		if (*command->verb) {
			n -= strlen(command->verb);
			name[n] = (char)toupper((unsigned char)name[n]);
		}
		tap_ok(!strcmp(name, command->method) && command_find_method(name) == command,
		       "%s %s is method %s", command->noun, command->verb, command->method);
	}
}

/* The description names every supported method and no other, and every error. */
static void test_description(struct harness *harness)
{
	char *text = harness_ask(harness,
				 "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
				 "\"parameters\":{\"interface\":\"io.viaduct\"}}");

	for (uint32_t i = 0; i < COMMAND_N; i++) {
		char method[80];

		snprintf(method, sizeof(method), "\\nmethod %s(", command_table[i].method);
		tap_ok((strstr(text, method) != NULL) == command_supported(&command_table[i]),
		       "description: %s", command_table[i].method);
	}
	tap_ok(strstr(text, "method MacDel(macaddress: string, bridge: ?string, vlan: ?int) -> ()"),
	       "description: parameters");
	tap_ok(strstr(text, "error TooMany (reason: string)") &&
		       strstr(text, "error NotFound (reason: string)"),
	       "description: errors");
	free(text);
}

int main(void)
{
	struct harness harness;

	harness_begin(&harness);
	test_names();
	test_exchanges(&harness);
	test_arguments(&harness);
	test_description(&harness);
	harness_end(&harness);
	return tap_done();
}
