/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * owner - root, by hand, is the service's own user where the runtime directory is that user's.
 *
 * Fits:    main.c, before the runtime directory is used.
 * Threads: none but the caller's.
 * Why:     viaductd has given up CAP_DAC_OVERRIDE (queues/opener.h). Root without it can write into
 *          no directory of the service's, and what root wrote the service could not read later.
 */
#include "base/err.h"

/* Capabilities stay. 0, also where there is nothing to do. */
int owner_become(const char *runtime_dir, struct err *reterr);
