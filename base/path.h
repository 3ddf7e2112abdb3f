/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* path - the fixed places of manual.md, in one spot for daemon and client. */
#define VIADUCT_CONFIG_PATH  "/etc/viaduct/viaduct.yaml"
#define VIADUCT_RUNTIME_DIR  "/run/viaduct"
#define VIADUCT_STATE_DIR    "/var/lib/viaduct"
#define VIADUCT_SOCKET_NAME  "control.sock"
#define VIADUCT_SOCKET_PATH  VIADUCT_RUNTIME_DIR "/" VIADUCT_SOCKET_NAME
#define VIADUCT_GROUP        "viaduct"
