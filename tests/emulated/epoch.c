/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in for base/epoch.c where liburcu is not: programs of one thread, which wait for
 * nobody, and free nothing that another might read: epoch_synchronize() is not among them.
 */
#include "base/epoch.h"

void epoch_register(void)
{
}

void epoch_unregister(void)
{
}

void epoch_quiescent(void)
{
}

void epoch_offline(void)
{
}

void epoch_online(void)
{
}
