/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/model.h"

#include <stdlib.h>
#include <string.h>

static int compare_uses(const void *a, const void *b)
{
	const struct vlan_use *x = a, *y = b;
	int order = strcmp(x->port, y->port);

	if (order) {
		return order;
	}
	if (x->loc.line != y->loc.line) {
		return x->loc.line < y->loc.line ? -1 : 1;
	}
	return x->loc.column < y->loc.column ? -1 : x->loc.column > y->loc.column;
}

void vlan_uses_sort(struct vlan_use *use, uint32_t n)
{
	if (n > 1) {
		qsort(use, n, sizeof(*use), compare_uses);
	}
}

static void add_uses(struct vlan_index *index, const struct conf_vlan *vlan, bool tagged)
{
	char (*name)[CONF_NAME_BYTES] = tagged ? vlan->tagged : vlan->untagged;
	uint32_t n = tagged ? vlan->n_tagged : vlan->n_untagged;

	for (uint32_t i = 0; i < n; i++) {
		index->use[index->n++] =
			(struct vlan_use){.port = name[i], .ids = &vlan->ids, .tagged = tagged};
	}
}

bool vlan_index_init(struct reader *r, const struct conf_bridge *bridge, struct vlan_index *ret)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < bridge->n_vlans; i++) {
		n += bridge->vlan[i].n_tagged + bridge->vlan[i].n_untagged;
	}
	*ret = (struct vlan_index){.use = schema_alloc(r, n, sizeof(*ret->use)),
				   .default_pvid = bridge->default_pvid};
	if (n && !ret->use) {
		return false;
	}
	for (uint32_t i = 0; i < bridge->n_vlans; i++) {
		add_uses(ret, &bridge->vlan[i], false);
		add_uses(ret, &bridge->vlan[i], true);
	}
	vlan_uses_sort(ret->use, ret->n);
	return true;
}

void vlan_index_done(struct vlan_index *index)
{
	free(index->use);
}

/* The first use that is not before 'port'. */
static uint32_t find_first(const struct vlan_index *index, const char *port)
{
	uint32_t low = 0, high = index->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(index->use[middle].port, port) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static bool is_use_of(const struct vlan_index *index, uint32_t i, const char *port)
{
	return i < index->n && strcmp(index->use[i].port, port) == 0;
}

uint16_t vlan_index_pvid(const struct vlan_index *index, const char *port)
{
	for (uint32_t i = find_first(index, port); is_use_of(index, i, port); i++) {
		uint32_t vid = numset_next(index->use[i].ids, 0);

		if (!index->use[i].tagged && vid < NUMSET_MAX) {
			return (uint16_t)vid;
		}
	}
	return index->default_pvid;
}

bool vlan_index_has(const struct vlan_index *index, const char *port, uint16_t vid)
{
	for (uint32_t i = find_first(index, port); is_use_of(index, i, port); i++) {
		if (index->use[i].tagged && numset_has(index->use[i].ids, vid)) {
			return true;
		}
	}
	return vlan_index_pvid(index, port) == vid;
}
