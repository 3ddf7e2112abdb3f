/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every method's reply, letter by letter (so its keys and their order too), and every refusal,
 * through the real server and a real socket.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/command.h"
#include "mgmt/intrid.h"
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

#define INTR_NOBODYS(managed)                                                                      \
	"\"managed\":" #managed ",\"overridden\":false,\"port\":null,\"direction\":null,"          \
	"\"queues\":[],\"workers\":[]"
#define BAD_CPU(cpu) REFUSED("Invalid", "cpu: " cpu " is not the number of a CPU (0 to 1023)")
#define BAD_INTRID(intrid)                                                                         \
	REFUSED("Invalid", "intrid: '" intrid "' is neither an IRQ number nor PORT/rx/QUEUE or "   \
			   "PORT/tx/QUEUE (see 'viaductctl intr list')")

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
	{ASK("IntrList"),
	 "{\"parameters\":{\"cpus\":[0,1],\"interrupts\":["
	 "{\"irq\":9,\"name\":\"acpi\",\"type\":\"IO-APIC\",\"counts\":[4294967290,0],"
	 "\"affinity\":\"0-1\",\"effective_affinity\":\"0\"," INTR_NOBODYS(false) "},"
	 "{\"irq\":18,\"name\":\"ehci_hcd:usb1, eth1\",\"type\":\"IO-APIC\",\"counts\":[40,2],"
	 "\"affinity\":\"0-1\",\"effective_affinity\":\"1\",\"managed\":false,"
	 "\"overridden\":false,\"port\":\"enp3s0\",\"direction\":\"combined\",\"queues\":[0],"
	 "\"workers\":[1]},"
	 "{\"irq\":24,\"name\":\"nvme0q1\",\"type\":\"PCI-MSIX-0000:01:00.0\","
	 "\"counts\":[500,0],\"affinity\":\"0\",\"effective_affinity\":\"0\"," INTR_NOBODYS(true)
	 "},"
	 "{\"irq\":30,\"name\":\"enp2s0\",\"type\":\"PCI-MSIX-0000:02:00.0\",\"counts\":[0,0],"
	 "\"affinity\":\"0-1\",\"effective_affinity\":\"0\",\"managed\":false,"
	 "\"overridden\":false,\"port\":\"enp2s0\",\"direction\":null,\"queues\":[],"
	 "\"workers\":[]},"
	 "{\"irq\":31,\"name\":\"enp2s0-rx-0\",\"type\":\"PCI-MSIX-0000:02:00.0\","
	 "\"counts\":[0,812],\"affinity\":\"1\",\"effective_affinity\":\"1\",\"managed\":false,"
	 "\"overridden\":false,\"port\":\"enp2s0\",\"direction\":\"rx\",\"queues\":[0],"
	 "\"workers\":[0]},"
	 "{\"irq\":32,\"name\":\"enp2s0-tx-0\",\"type\":\"PCI-MSIX-0000:02:00.0\","
	 "\"counts\":[100,7],\"affinity\":\"0\",\"effective_affinity\":\"0\",\"managed\":false,"
	 "\"overridden\":true,\"port\":\"enp2s0\",\"direction\":\"tx\",\"queues\":[0],"
	 "\"workers\":[0]},"
	 "{\"irq\":33,\"name\":null,\"type\":null,\"counts\":[5,6],\"affinity\":null,"
	 "\"effective_affinity\":null,\"managed\":false,\"overridden\":false,"
	 "\"port\":\"enp2s0\",\"direction\":\"combined\",\"queues\":[1,2,3],"
	 "\"workers\":[0,1]}]}}"},
	{CALL("IntrList", "{\"compact\":true}"), BAD_PARAMETER("compact")},
	{CALL("IntrList", "{\"skip_zero\":true}"), BAD_PARAMETER("skip_zero")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":0}"), DONE},
	{CALL("IntrAffinity", "{\"intrid\":\"enp3s0/tx/0\",\"cpu\":1}"), DONE},
	{CALL("IntrAffinity", "{\"intrid\":\"99\",\"cpu\":0}"),
	 REFUSED("NotFound", "no interrupt '99'")},
	{CALL("IntrAffinity", "{\"intrid\":\"enp2s0/tx/9\",\"cpu\":0}"),
	 REFUSED("NotFound", "no interrupt 'enp2s0/tx/9'")},
	{CALL("IntrAffinity", "{\"intrid\":\"24\",\"cpu\":0}"),
	 REFUSED("Busy", "IRQ 24 is placed by the kernel")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":2}"),
	 REFUSED("Invalid", "CPU 2 is not online")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":-1}"), BAD_CPU("-1")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":1024}"), BAD_CPU("1024")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":4294967296}"), BAD_CPU("4294967296")},
	{CALL("IntrAffinity", "{\"intrid\":\"enp2s0/combined/0\",\"cpu\":0}"),
	 BAD_INTRID("enp2s0/combined/0")},
	{CALL("IntrAffinity", "{\"intrid\":\"enp2s0/rx/\",\"cpu\":0}"), BAD_INTRID("enp2s0/rx/")},
	{CALL("IntrAffinity", "{\"intrid\":\"\",\"cpu\":0}"), BAD_INTRID("")},
	{CALL("IntrAffinity", "{\"intrid\":31,\"cpu\":0}"), BAD_PARAMETER("intrid")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":\"0\"}"), BAD_PARAMETER("cpu")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\",\"cpu\":1.0}"), BAD_PARAMETER("cpu")},
	{CALL("IntrAffinity", "{\"cpu\":0}"), BAD_PARAMETER("intrid")},
	{CALL("IntrAffinity", "{\"intrid\":\"31\"}"), BAD_PARAMETER("cpu")},
	{CALL("IntrNointr", "{\"cpu\":1}"), DONE},
	{CALL("IntrNointr", "{\"cpu\":2}"), REFUSED("Invalid", "CPU 2 is not online")},
	{CALL("IntrNointr", "{\"cpu\":null}"), BAD_PARAMETER("cpu")},
	{ASK("IntrNointr"), BAD_PARAMETER("cpu")},
	{CALL("Intr", "{\"cpu\":1}"), DONE},
	{CALL("Intr", "{\"cpu\":-1}"), BAD_CPU("-1")},
	{CALL("Intr", "{\"cpu\":1,\"intrid\":\"31\"}"), BAD_PARAMETER("intrid")},
	{ASK("Intr"), BAD_PARAMETER("cpu")},
	{CALL("ConfigCheck", "{\"text\":\"version: 1\\n\"}"),
	 "{\"parameters\":{\"valid\":true,\"errors\":[]}}"},
	{CALL("ConfigCheck", "{\"text\":\"ageing-tme: 1\"}"),
	 "{\"parameters\":{\"valid\":false,\"errors\":[{\"line\":12,\"column\":7,\"text\":"
	 "\"unknown key 'ageing-tme' (did you mean 'ageing-time'?)\"}]}}"},
	{ASK("ConfigCheck"), BAD_PARAMETER("text")},
	{ASK("ConfigShow"), "{\"parameters\":{\"text\":\"version: 1\\n\"}}"},
	{ASK("StpShow"), REFUSED("NotSupported", "stp show: not supported yet")},
	{ASK("Doctor"), "{\"parameters\":{\"findings\":[{\"code\":\"eee\","
			"\"severity\":\"note\","
			"\"subject\":\"port enp2s0\",\"text\":\"its link sleeps\","
			"\"mend\":null}]}}"},
	{ASK("ConfigConfirm"), REFUSED("NotFound", "no configuration is being tried")},
	{CALL("ConfigTry", "{\"text\":\"ageing-tme: 1\"}"),
	 REFUSED("InvalidConfiguration", "FILE:12:7: unknown key 'ageing-tme'")},
	{CALL("ConfigTry", "{\"text\":\"same\",\"timeout\":0.5}"),
	 REFUSED("Invalid", "timeout: it is between 1 s and 86400 s")},
	{CALL("ConfigTry", "{\"text\":\"same\",\"timeout\":\"5s\"}"), BAD_PARAMETER("timeout")},
	{ASK("ConfigTry"), BAD_PARAMETER("text")},
	{CALL("ConfigTry", "{\"text\":\"same\",\"timeout\":5}"),
	 "{\"parameters\":{\"changes\":[],\"actions\":[]}}"},
	{ASK("ConfigConfirm"), "{\"parameters\":{}}"},
	{CALL("ConfigDiff", "{\"text\":\"same\"}"),
	 "{\"parameters\":{\"changes\":[],\"actions\":[]}}"},
	{ASK("ConfigReload"),
	 "{\"parameters\":{\"changes\":[{\"key\":\"bridges.lan.ageing-time\",\"from\":\"300s\","
	 "\"to\":\"60s\"},{\"key\":\"bridges.lan.vlans.20\",\"from\":null,\"to\":\"name: iot\"}],"
	 "\"actions\":[{\"action\":\"reopen\",\"subject\":\"port enp3s0\",\"text\":"
	 "\"is closed and opened again\"}]}}"},
	{ASK("Top"), "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":"
		     "{\"method\":\"io.viaduct.Top\"}}"},
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

static void test_interrupt_arguments(struct harness *harness)
{
	const struct fake *fake = &harness->fake;

	free(harness_ask(harness,
			 CALL("IntrAffinity", "{\"intrid\":\"enp2s0/rx/0\",\"cpu\":1}")));
	tap_ok(!strcmp(fake->intrid, "enp2s0/rx/0") && fake->intr_cpu == 1,
	       "intr affinity hands interrupt and CPU over");
	free(harness_ask(harness, CALL("Intr", "{\"cpu\":1}")));
	tap_ok(fake->intr_allowed && fake->intr_cpu == 1, "intr -c allows");
	free(harness_ask(harness, CALL("IntrNointr", "{\"cpu\":0}")));
	tap_ok(!fake->intr_allowed && fake->intr_cpu == 0, "intr nointr forbids");
}

static void test_intrid(void)
{
	static const char *const wrong[] = {
		"", "-1", "+1", "4294967296", "31 ", " 31", "0x1f", "enp2s0", "enp2s0/rx",
		"enp2s0/0", "/rx/0", "enp2s0/rx/", "enp2s0/rx/x", "a/rx/-1", "a/RX/0", "a/rxx/0",
		"a/combined/0", "rx/0", "//",
	};
	char longest[MGMT_NAME_BYTES + 8];
	struct intrid id;

	snprintf(longest, sizeof(longest), "%0*d/rx/0", MGMT_NAME_BYTES, 0);
	tap_ok(!intrid_parse(longest, &id) && intrid_parse(longest + 1, &id) &&
		       strlen(id.port) == MGMT_NAME_BYTES - 1,
	       "a name of %d bytes and no more", MGMT_NAME_BYTES - 1);
	tap_ok(intrid_parse("31", &id) && !*id.port && id.irq == 31, "an IRQ number");
	tap_ok(intrid_parse("enp2s0/rx/12", &id) && !strcmp(id.port, "enp2s0") && !id.tx &&
		       id.queue == 12,
	       "a receive queue");
	tap_ok(intrid_parse("a/b/tx/0", &id) && !strcmp(id.port, "a/b") && id.tx && id.queue == 0,
	       "a send queue, of a port whose name has a slash");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tap_ok(!intrid_parse(wrong[i], &id), "no interrupt: '%s'", wrong[i]);
	}
}

/* The method is the words in CamelCase, for every command; what is the client's own has none. */
static void test_names(void)
{
	for (uint32_t i = 0; i < COMMAND_N; i++) {
		const struct command *command = &command_table[i];
		const struct command *found =
			command->flags & COMMAND_CLIENT ? NULL : command;
		char name[64];
		size_t n = (size_t)snprintf(name, sizeof(name), "%s%s", command->noun,
					    command->verb);

		name[0] = (char)toupper((unsigned char)name[0]);
		if (*command->verb) {
			n -= strlen(command->verb);
			name[n] = (char)toupper((unsigned char)name[n]);
		}
		tap_ok(!strcmp(name, command->method) && command_find_method(name) == found,
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
		tap_ok((strstr(text, method) != NULL) ==
			       (command_supported(&command_table[i]) &&
				!(command_table[i].flags & COMMAND_CLIENT)),
		       "description: %s", command_table[i].method);
	}
	tap_ok(strstr(text, "method MacDel(macaddress: string, bridge: ?string, vlan: ?int) -> ()"),
	       "description: parameters");
	tap_ok(strstr(text, "method IntrAffinity(intrid: string, cpu: int) -> ()") &&
		       strstr(text, "method IntrList() -> (cpus: []int, interrupts: []Inter") &&
		       strstr(text, "type Interrupt (irq: int, "),
	       "description: interrupts");
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
	test_interrupt_arguments(&harness);
	test_intrid();
	test_description(&harness);
	harness_end(&harness);
	return tap_done();
}
