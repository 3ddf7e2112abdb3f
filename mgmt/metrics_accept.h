/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* metrics_accept - which of the two formats a scraper wants, by its Accept header. Pure. */
#include "mgmt/metrics_text.h"

/*
 * OpenMetrics, unless the header likes text/plain better. NULL: there is none. What cannot be read
 * counts as not said.
 */
enum metrics_format metrics_accept(const char *header);
