/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * opener - a small process that keeps CAP_DAC_OVERRIDE and opens, for viaductd, the few root-owned
 * files that it writes itself.
 *
 * Fits:    the first act of viaductd (main.c), before threads and before anything is read. device.c
 *          and interrupt code use it.
 * Threads: control only.
 * Opens:   /proc/irq/N/smp_affinity_list (the same in /run/viaduct-irq where that is read-only) and
 *          /sys/class/net/IF/{threaded,napi_defer_hard_irqs,gro_flush_timeout}, read-write, nothing
 *          else: the process checks the request by itself and lives under seccomp. It ends when its
 *          socket closes.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct opener;

/*
 * Forks. In the parent CAP_DAC_OVERRIDE is dropped from every set but where there was none. 0;
 * where the capability is missing, 0 and an opener whose opener_open answers -EACCES.
 */
int opener_start(struct opener **ret, struct err *reterr);
void opener_stop(struct opener *opener);                /* NULL is fine; waits for the process */

/* There was a capability to keep. */
bool opener_works(const struct opener *opener);

/* A descriptor open for reading and writing, or -errno. */
int opener_open_irq_affinity(struct opener *opener, uint32_t irq);
int opener_open_net_file(struct opener *opener, const char *ifname, const char *file);
