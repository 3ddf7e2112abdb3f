/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/reason.h"

#define X(upper, lower) #lower,
const char *const rx_drop_name[RX_DROP_N] = {RX_DROP_REASONS(X)};
const char *const tx_drop_name[TX_DROP_N] = {TX_DROP_REASONS(X)};
#undef X
