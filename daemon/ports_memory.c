/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/ports_memory.h"

#include <errno.h>
#include <string.h>

#include "daemon/inspect.h"

void port_plan_memory(const struct vswitch *vswitch, struct port *port)
{
	machine_ring_sizes(&vswitch->plan, port->queues, &port->rx_size_planned,
			   &port->tx_size_planned);
}

/*
 * The packet buffer was made for so many queues. A device that has more now (somebody changed its
 * channels, or it came later) gets smaller automatic rings, and so no more frames.
 */
static void ring_sizes(const struct vswitch *vswitch, struct port *port,
		       struct xport_config *config)
{
	uint32_t n = config->n_queues, shift = 0;

	if (!port->n_queues_planned) {
		port->n_queues_planned =
			vswitch->running ? machine_queue_guess(&vswitch->plan, port->queues) : n;
	}
	machine_ring_sizes(&vswitch->plan, port->queues, &config->rx_size, &config->tx_size);
	while (n > port->n_queues_planned << shift &&
	       vswitch->plan.ring_size >> shift > MACHINE_RING_MIN) {
		shift++;
	}
	if (port->queues->rx_size == CONF_AUTO) {
		config->rx_size >>= shift;
	}
	if (port->queues->tx_size == CONF_AUTO) {
		config->tx_size >>= shift;
	}
}

/* No more than the start has counted on: its frames are there. */
static bool is_planned(const struct port *port, const struct xport_config *config)
{
	uint64_t n = port->n_queues_planned;

	return (uint64_t)config->n_queues * config->rx_size <= n * port->rx_size_planned &&
	       (uint64_t)config->n_queues * config->tx_size <= n * port->tx_size_planned;
}

static bool copies(const struct port *port, const struct xport_config *config)
{
	return config->lacks_zero_copy || strcmp(port->link.kind, "veth") == 0 ||
	       (!config->any_mode && config->mode != XQ_MODE_ZERO_COPY);
}

/*
 * Queues of a port that the start has planned for and that is not open now (absent, failed): what
 * it will take when it comes is no one else's. 0: nothing is kept for it.
 */
static uint32_t n_queues_to_come(const struct vswitch *vswitch, const struct port *port)
{
	if (!port->name[0] || port->xport || !port->rx_size_planned || port->leaving) {
		return 0;
	}
	return port->n_queues_planned ? port->n_queues_planned
				      : machine_queue_guess(&vswitch->plan, port->queues);
}

/* For a refusal: of what is counted, but cannot be seen. */
static const char *kept_note(const struct vswitch *vswitch, const struct port *port)
{
	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *other = &vswitch->port[i];

		if (other != port && n_queues_to_come(vswitch, other)) {
			return "; room is kept for ports of the file that are absent or failed";
		}
	}
	return "";
}

/*
 * What all queues that are served, or are to come, keep with the kernel for receiving, and 'config'
 * with its.
 */
static uint64_t frames_for_receiving(const struct vswitch *vswitch, const struct port *port,
				     const struct xport_config *config)
{
	uint64_t n = (uint64_t)config->n_queues * xport_fill_target(config->rx_size,
								    config->n_sockets,
								    copies(port, config));

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *other = &vswitch->port[i];
		uint32_t n_to_come = other == port ? 0 : n_queues_to_come(vswitch, other);

		for (uint32_t q = 0; other->xport && q < other->xport->n_queues; q++) {
			n += other->xport->queue[q]->fill_target;
		}
		n += (uint64_t)n_to_come * other->rx_size_planned;
	}
	return n;
}

/*
 * One that comes with a reload takes of the packet buffer what leaves a quarter to be sent and
 * handed over, with smaller automatic rings; the last eighth it never gets.
 */
static int fit_frames(const struct vswitch *vswitch, const struct port *port,
		      struct xport_config *config, struct err *reterr)
{
	uint64_t n = vswitch->plan.n_frames;

	while (frames_for_receiving(vswitch, port, config) > n - n / 4 &&
	       port->queues->rx_size == CONF_AUTO && config->rx_size > MACHINE_RING_MIN) {
		config->rx_size /= 2;
		if (port->queues->tx_size == CONF_AUTO) {
			config->tx_size = config->rx_size;
		}
	}
	if (frames_for_receiving(vswitch, port, config) <= n - n / 8) {
		return 0;
	}
	return err_set(reterr, ENOSPC,
		       "needs a restart: the packet buffer of %u frames was made for fewer queues "
		       "than this port's %u more%s",
		       vswitch->plan.n_frames, config->n_queues, kept_note(vswitch, port));
}

static uint64_t queues_bytes(const struct vswitch *vswitch, uint32_t n_queues, uint32_t rx_size,
			     uint32_t tx_size, uint32_t n_sockets)
{
	return n_queues * ((uint64_t)vswitch->plan.n_frames * MACHINE_POOL_BYTES +
			   machine_rings_bytes(rx_size, tx_size, n_sockets));
}

/* The start has been planned; a device that has more queues than then may go beyond the limit. */
static int check_memory(const struct vswitch *vswitch, const struct port *port,
			const struct xport_config *config, struct err *reterr)
{
	uint64_t bytes = inspect_memory_bytes(vswitch) +
			 queues_bytes(vswitch, config->n_queues, config->rx_size, config->tx_size,
				      config->n_sockets);

	for (uint32_t i = 1; i < VIEW_PORTS; i++) {
		const struct port *other = &vswitch->port[i];
		uint32_t n = other == port ? 0 : n_queues_to_come(vswitch, other);

		if (n) {
			bytes += queues_bytes(vswitch, n, other->rx_size_planned,
					      other->tx_size_planned,
					      machine_sockets(&vswitch->plan, other->queues, n));
		}
	}
	if (bytes <= vswitch->plan.memory_max_bytes) {
		return 0;
	}
	return err_set(reterr, ENOSPC,
		       "its %u queues need %.1f MiB more than limits.memory (%.1f MiB) allows; "
		       "raise it, have fewer queues ('ethtool -L %s', or 'count'), or restart, "
		       "which plans for all ports anew%s",
		       config->n_queues,
		       (double)(bytes - vswitch->plan.memory_max_bytes) / (1 << 20),
		       (double)vswitch->plan.memory_max_bytes / (1 << 20), config->ifname,
		       kept_note(vswitch, port));
}

int port_fit_memory(const struct vswitch *vswitch, struct port *port, struct xport_config *config,
		    struct err *reterr)
{
	int r = 0;

	ring_sizes(vswitch, port, config);
	if (!vswitch->running) {
		return 0;
	}
	if (!is_planned(port, config)) {
		r = fit_frames(vswitch, port, config, reterr);
	}
	return r < 0 ? r : check_memory(vswitch, port, config, reterr);
}
