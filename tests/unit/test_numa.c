/* SPDX-License-Identifier: BSD-2-Clause */
/* numa on a recorded tree (argument: the folder of trees) and on this machine's own node 0. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "queues/numa.h"
#include "tests/unit/tap.h"

static void test_nodes(const char *trees)
{
	static const struct {
		uint32_t cpu;
		int32_t node;
		const char *what;
	} table[] = {
		{0, 0, "a CPU of node 0"},
		{1, 1, "a CPU of node 1"},
		{2, 0, "nodes take turns on such boards"},
		{3, 1, "and again"},
		{4, -1, "names that only begin like a node's"},
		{5, -1, "a CPU that is not there"},
	};
	char root[512];

	snprintf(root, sizeof(root), "%s/two-nodes", trees);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		tap_ok(numa_node_of_cpu(root, table[i].cpu) == table[i].node, "%s", table[i].what);
	}
	tap_ok(numa_node_of_cpu("/nowhere", 0) == -1, "no such tree");
}

static int policy(void)
{
	int mode = -1;

	return syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) < 0 ? -errno : mode;
}

static void test_prefer(void)
{
	struct numset node = {0}, none = {0};

	if (policy() != MPOL_DEFAULT) {
		tap_skip(3, "this kernel has no memory policies for us");
		return;
	}
	numset_add(&node, 0);
	numa_prefer(&node);
	tap_ok(policy() == MPOL_PREFERRED, "memory of node 0 is preferred");
	numa_prefer(NULL);
	tap_ok(policy() == MPOL_DEFAULT, "and then from anywhere again");
	numa_prefer(&none);
	tap_ok(policy() == MPOL_DEFAULT, "no node asked for: from anywhere");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		return 2;
	}
	test_nodes(argv[1]);
	test_prefer();
	return tap_done();
}
