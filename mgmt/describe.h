/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* describe - org.varlink.service: who serves, and the interfaces in Varlink's own language. */
#include <jansson.h>

json_t *describe_info(void);            /* the reply of GetInfo */

/* The text of an interface, to be freed; NULL: there is no such interface, or no memory. */
char *describe_interface(const char *interface);
