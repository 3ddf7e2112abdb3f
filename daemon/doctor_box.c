/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_box - what /proc and /sys say of the box. See doctor.h. */
#include "daemon/doctor.h"

#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/line.h"

#define PATH_BYTES    512
#define IDLE_STATES   16u
#define LATE_US       100u      /* to wake: a ring of 2048 at 15 Mpps lasts 137 us */
#define BIG_TABLE     (8ull << 20)
#define NEARLY(n, of) ((of) && (n) >= (of) - (of) / 10)

/* The first line of a file below 'root'. false: it cannot be read. */
__attribute__((format(printf, 4, 5))) static bool read_line(const char *root, char *buf,
							    size_t buf_bytes, const char *fmt, ...)
{
	char path[PATH_BYTES], below[PATH_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(below, sizeof(below), fmt, ap);
	va_end(ap);
	return snprintf(path, sizeof(path), "%s%s", root, below) < (int)sizeof(path) &&
	       line_read(path, buf, buf_bytes);
}

/* ---- capabilities ---- */

static bool read_capabilities(const char *root, uint64_t *ret)
{
	char path[PATH_BYTES], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/self/status", root);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		found = strncmp(line, "CapEff:", 7) == 0;
	}
	if (file) {
		fclose(file);
	}
	*ret = found ? strtoull(line + 7, NULL, 16) : 0;
	return found;
}

void doctor_look_capabilities(struct doctor *doctor, const char *root)
{
	static const struct {
		uint32_t bit;
		const char *name, *lost;
	} needed[] = {
		{CAP_NET_ADMIN, "CAP_NET_ADMIN", "settings of devices cannot be made or put back, "
		 "no port can be opened"},
		{CAP_NET_RAW, "CAP_NET_RAW", "no socket can be opened for a port"},
		{CAP_BPF, "CAP_BPF", "no program can be attached to a port"},
		{CAP_PERFMON, "CAP_PERFMON", "no program can be attached to a port"},
		{CAP_IPC_LOCK, "CAP_IPC_LOCK", "packet buffers count against RLIMIT_MEMLOCK"},
		{CAP_SYS_NICE, "CAP_SYS_NICE", "workers have no priority over other programs and "
		 "lose their CPUs to them"},
	};
	uint64_t has;

	if (!read_capabilities(root, &has)) {
		return;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!(has >> needed[i].bit & 1)) {
			doctor_add(doctor, MGMT_SEVERITY_FAULT, "capability-missing", "daemon",
				   "without %s %s\nadd %s to AmbientCapabilities= and "
				   "CapabilityBoundingSet= of viaduct.service",
				   needed[i].name, needed[i].lost, needed[i].name);
		}
	}
}

void doctor_look_descriptors(struct doctor *doctor, uint64_t n_open, uint64_t n_max)
{
	if (NEARLY(n_open, n_max)) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "descriptors-low", "daemon",
			   "%llu of at most %llu descriptors are open: the next port may not find "
			   "one\nset LimitNOFILE=%llu in viaduct.service",
			   (unsigned long long)n_open, (unsigned long long)n_max,
			   (unsigned long long)n_max * 4);
	}
}

/* ---- power ---- */

/* Drivers that choose the frequency themselves call their middle of the road "powersave". */
static void look_governor(struct doctor *doctor, const char *root, uint32_t cpu)
{
	char governor[64], driver[64], subject[32];

	if (!read_line(root, governor, sizeof(governor),
		       "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", cpu) ||
	    strcmp(governor, "powersave") != 0) {
		return;
	}
	if (read_line(root, driver, sizeof(driver),
		      "/sys/devices/system/cpu/cpu%u/cpufreq/scaling_driver", cpu) &&
	    (strcmp(driver, "intel_pstate") == 0 || strcmp(driver, "amd-pstate-epp") == 0)) {
		return;
	}
	snprintf(subject, sizeof(subject), "CPU %u", cpu);
	doctor_add(doctor, MGMT_SEVERITY_WARNING, "cpu-governor", subject,
		   "a worker runs here at the lowest frequency: its governor is powersave\n"
		   "run 'cpupower -c %u frequency-set -g performance'", cpu);
}

/* The deepest idle state that is not disabled. */
static bool deepest_idle(const char *root, uint32_t cpu, char name[static 32], uint32_t *ret_us)
{
	bool found = false;

	for (uint32_t s = 0; s < IDLE_STATES; s++) {
		char text[64];
		unsigned long us;

		if (!read_line(root, text, sizeof(text),
			       "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/latency", cpu, s)) {
			break;
		}
		us = strtoul(text, NULL, 10);
		if (read_line(root, text, sizeof(text),
			      "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/disable", cpu, s) &&
		    strcmp(text, "0") != 0) {
			continue;
		}
		if (found && us <= *ret_us) {
			continue;
		}
		*ret_us = (uint32_t)us;
		found = read_line(root, name, 32,
				  "/sys/devices/system/cpu/cpu%u/cpuidle/state%u/name", cpu, s);
	}
	return found;
}

static void look_idle(struct doctor *doctor, const char *root, const struct numset *cpus)
{
	struct numset deep = {0};
	char name[32], deepest[32] = "", list[128];
	uint32_t us = 0, worst_us = 0;

	for (uint32_t cpu = 0; cpu < 1024; cpu++) {
		if (!numset_has(cpus, cpu) || !deepest_idle(root, cpu, name, &us) || us < LATE_US) {
			continue;
		}
		numset_add(&deep, cpu);
		if (us > worst_us) {
			worst_us = us;
			memcpy(deepest, name, sizeof(deepest));
		}
	}
	if (worst_us) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "cpu-idle-deep", "workers",
			   "CPU %s may sleep so deep (%s) that waking takes %u us, longer than "
			   "small rings last\nrun 'cpupower -c %s idle-set -D %u', or poll with "
			   "workers.polling: busy",
			   numset_format(&deep, list, sizeof(list)), deepest, worst_us, list,
			   LATE_US);
	}
}

void doctor_look_power(struct doctor *doctor, const char *root, const struct numset *cpus,
		       bool sleeps)
{
	char policy[128];

	for (uint32_t cpu = 0; cpu < 1024; cpu++) {
		if (numset_has(cpus, cpu)) {
			look_governor(doctor, root, cpu);
		}
	}
	if (sleeps) {
		look_idle(doctor, root, cpus);
	}
	if (read_line(root, policy, sizeof(policy), "/sys/module/pcie_aspm/parameters/policy") &&
	    strstr(policy, "[power")) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "pcie-aspm", "box",
			   "PCI Express links go to sleep between frames: the policy is one that "
			   "saves power\nboot with pcie_aspm.policy=performance, or write that "
			   "into /sys/module/pcie_aspm/parameters/policy");
	}
}

void doctor_look_link_power(struct doctor *doctor, const char *root, const char *port,
			    const char *ifname)
{
	char value[16], subject[MGMT_NAME_BYTES];

	if (read_line(root, value, sizeof(value), "/sys/class/net/%s/device/link/l1_aspm",
		      ifname) &&
	    strcmp(value, "1") == 0) {
		snprintf(subject, sizeof(subject), "port %.100s", port);
		doctor_add(doctor, MGMT_SEVERITY_NOTE, "pcie-link-sleeps", subject,
			   "its PCI Express link may go to sleep between frames (ASPM L1)\n"
			   "write 0 into /sys/class/net/%s/device/link/l1_aspm", ifname);
	}
}

/* ---- the kernel ---- */

void doctor_look_kernel(struct doctor *doctor, const char *root, uint64_t table_bytes)
{
	char value[128];

	if (table_bytes > BIG_TABLE &&
	    read_line(root, value, sizeof(value), "/sys/kernel/mm/transparent_hugepage/enabled") &&
	    strstr(value, "[never]")) {
		doctor_add(doctor, MGMT_SEVERITY_WARNING, "hugepages-off", "table",
			   "it has %llu MB, and no huge pages: each look-up that misses the caches "
			   "costs a walk through page tables\nwrite madvise into "
			   "/sys/kernel/mm/transparent_hugepage/enabled, then restart",
			   (unsigned long long)(table_bytes >> 20));
	}
	if (read_line(root, value, sizeof(value), "/proc/sys/net/bridge/bridge-nf-call-iptables") &&
	    strcmp(value, "1") == 0) {
		doctor_add(doctor, MGMT_SEVERITY_NOTE, "bridge-netfilter", "box",
			   "rules of iptables hold for frames on kernel bridges, not for what "
			   "viaduct forwards\nset net.bridge.bridge-nf-call-iptables=0, so that "
			   "both bridges do the same");
	}
}
