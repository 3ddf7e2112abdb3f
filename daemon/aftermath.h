/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * aftermath - what is done once the daemon is gone: `viaductd --restore`, by hand or by systemd.
 *
 * Fits:    main.c, in a process of its own.
 * Threads: none but the caller's.
 * Who:     ExecStopPost= runs it with $SERVICE_RESULT after every end of the service. After an
 *          orderly one ("success") all is put back, or left for a successor by intent. After any
 *          other a restart follows, which adopts what it finds: what is listed stays, and a bridge
 *          of the kernel's stands in where the file says so. Where systemd gives up, OnFailure=
 *          runs it with $MONITOR_SERVICE_RESULT: then, as by hand, all that restore.json lists is
 *          put back; but not while a bridge stands in, for that would cut off the box.
 */
#include "daemon/state.h"

/*
 * 'vswitch' has the opener and nothing else. With what is put back goes the control socket, if
 * nobody answers on it. The exit status.
 */
int aftermath_run(const char *runtime_dir, const char *socket_path, struct vswitch *vswitch);
