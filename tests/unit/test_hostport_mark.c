/* SPDX-License-Identifier: BSD-2-Clause */
/* Which alias says that a viaductd made an interface. */
#include "daemon/hostport_mark.h"

#include <string.h>

#include "tests/unit/tap.h"

int main(void)
{
	static const char *const mark[] = {
		"viaduct", "viaduct /run/viaduct 19", "viaduct /a path/of words fd0c",
	};
	static const char *const other[] = {
		"", "viaducts", "viaduct ", "viaduct to the attic", "viaduct /", "viaduct /run",
		"viaduct /run/viaduct ", "viaduct /run/viaduct 1g", "viaduct  19", "Viaduct",
	};
	char ours[LINK_ALIAS_BYTES];

	for (size_t i = 0; i < sizeof(mark) / sizeof(mark[0]); i++) {
		tap_ok(hostport_is_marked(mark[i]), "'%s' is a mark", mark[i]);
	}
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		tap_ok(!hostport_is_marked(other[i]), "'%s' is none", other[i]);
	}
	hostport_mark("/tmp", ours);
	tap_ok(hostport_is_marked(ours) && strchr(ours, '/'), "'%s', as made, is a mark", ours);
	return tap_done();
}
