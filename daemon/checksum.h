/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * checksum - has the sender left the L4 checksum to hardware that is not there?
 *
 * A stack behind a veth pair leaves TCP and UDP checksums undone ("partial") and XDP sees no mark
 * of it: the frame would leave a real wire broken. viaduct turns that off on its own host ports but
 * cannot in a container, so workers look at a sample and `status` warns. Pure; any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#define CHECKSUM_SAMPLE_TURNS 256u      /* one frame of so many bursts is looked at */

/*
 * A whole, unfragmented TCP or UDP packet over IPv4 or IPv6 (one 802.1Q tag may precede) whose
 * checksum is wrong.
 */
bool checksum_is_bad(const uint8_t *frame, uint32_t len);
