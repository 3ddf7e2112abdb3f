/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SYSFS_NET "/sys/class/net/"
/* fits the longest interface and file name of this folder */
#define SYSFS_PATH_BYTES 128

int sysfs_read(const char *path, char *buf, size_t buf_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int r = 0;

	if (fd < 0) {
		return -errno;
	}
	n = read(fd, buf, buf_bytes);
	if (n < 0) {
		r = -errno;
	} else if ((size_t)n == buf_bytes) {
		r = -ENOSPC;
	} else {
		buf[n] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
	}
	close(fd);
	return r;
}

int sysfs_net_read(const char *ifname, const char *file, char *buf, size_t buf_bytes)
{
	char path[SYSFS_PATH_BYTES];
	int n = snprintf(path, sizeof(path), SYSFS_NET "%s/%s", ifname, file);

	return n < (int)sizeof(path) ? sysfs_read(path, buf, buf_bytes) : -ENAMETOOLONG;
}

/* The Ethernet address as our own namespace knows it. */
static bool address_ask(const char *ifname, uint8_t ret[static 6])
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	bool good;

	if (fd < 0) {
		return false;
	}
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	good = ioctl(fd, SIOCGIFHWADDR, &ifr) == 0;
	if (good) {
		memcpy(ret, ifr.ifr_hwaddr.sa_data, 6);
	}
	close(fd);
	return good;
}

bool sysfs_net_is_ours(const char *ifname, uint32_t ifindex)
{
	uint8_t address[6];
	char text[64], ours[24];

	if (sysfs_net_read(ifname, "ifindex", text, sizeof(text)) < 0 ||
	    strtoul(text, NULL, 10) != ifindex) {
		return false;
	}
	if (!address_ask(ifname, address) ||
	    sysfs_net_read(ifname, "address", text, sizeof(text)) < 0) {
		return false;
	}
	snprintf(ours, sizeof(ours), "%02x:%02x:%02x:%02x:%02x:%02x", address[0], address[1],
		 address[2], address[3], address[4], address[5]);
	return strcmp(text, ours) == 0;
}

uint32_t sysfs_net_count_queues(const char *ifname, const char *prefix)
{
	char path[SYSFS_PATH_BYTES];
	struct dirent *entry;
	uint32_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), SYSFS_NET "%s/queues", ifname);
	dir = opendir(path);
	if (!dir) {
		return 0;
	}
	while ((entry = readdir(dir))) {
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
	}
	closedir(dir);
	return n;
}
