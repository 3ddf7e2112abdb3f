/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * json - snapshots as the JSON documents of manual 3: every key always there, in the manual's
 * order.
 *
 * Fits:    method.c and walk.c make replies of them. The fields of each object are a table in
 *          json.c, of json_value.h's kinds.
 * Memory:  each function returns a new reference, or NULL where there was no memory.
 */
#include <jansson.h>

#include "mgmt/ops.h"

/* One line, numbers as short as they can be. */
#define JSON_STYLE (JSON_COMPACT | JSON_REAL_PRECISION(15))

json_t *json_status(const struct mgmt_status *status);
json_t *json_bridges(const struct mgmt_bridges *bridges);
json_t *json_ports(const struct mgmt_ports *ports);
json_t *json_vlans(const struct mgmt_vlans *vlans);
json_t *json_queues(const struct mgmt_queues *queues);
json_t *json_workers(const struct mgmt_workers *workers);
json_t *json_interrupts(const struct mgmt_interrupts *interrupts);
json_t *json_findings(const struct mgmt_findings *findings);
json_t *json_config_check(const struct mgmt_config_check *check);
json_t *json_frame(const struct mgmt_frame *frame);             /* one row; json_capture.c */
json_t *json_capture_ports(const struct mgmt_capture_ports *ports);     /* an array */
json_t *json_config_plan(const struct mgmt_config_plan *plan);
json_t *json_mac(const struct mgmt_mac *mac);                   /* one row */
json_t *json_mac_event(const struct mgmt_mac_event *event);
