/*
 * A failover pair: virtio-net and a VFIO device that is unplugged to migrate
 *
 * Owns: see failover-helpers.h.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "failover-helpers.h"

#include <string.h>

#include "virtio-pci.h"

#define PRIMARY_SLOT    8       /* of the root ports */
#define PORT_SLOT       10
#define NET_SLOT        9
#define NET_BAR         0xe9000000u
#define NET_RING        0x800000u

#define PCIE_CAP        0x10
/* Slot control in that capability: power and power indicator */
#define SLOT_CONTROL    0x18
#define SLOT_ON         0x0100
#define SLOT_OFF        0x0700

void failover_add(VFIOSide *side)
{
    g_autofree char *dir = NULL;

    side->machine = "q35";
    vfio_side_set(side, "primary", "group", "9");
    dir = vfio_side_sysfs(side, "primary");
    g_string_append_printf(
        side->first_args,
        "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
        "-device pcie-root-port,id=rp0,chassis=1,slot=1,addr=%x.0 "
        "-device virtio-net-pci,id=net0,failover=on,mac=52:54:00:00:00:01,"
        "addr=%x.0 ", PRIMARY_SLOT, NET_SLOT);
    g_string_append_printf(
        side->args, "-device vfio-pci,sysfsdev=%s,id=primary,bus=rp0,"
        "failover_pair_id=net0 ", dir);
}

void failover_add_port(VFIOSide *side)
{
    g_string_append_printf(side->first_args, "-device pcie-root-port,id=rp1,"
                           "chassis=2,slot=2,addr=%x.0 ", PORT_SLOT);
}

/* The guest's hotplug driver switches the slot of a root port. */
static void power_slot(VFIOSide *side, unsigned slot, uint16_t control)
{
    unsigned at;

    if (machine_pci_read(side->qts, slot, 0) == UINT32_MAX) {
        return;                 /* there is none */
    }
    at = machine_pci_capability(side->qts, slot, PCIE_CAP);
    g_assert_cmpuint(at, !=, 0);
    machine_pci_write(side->qts, slot, at + SLOT_CONTROL, control);
}

static void wait_open(VFIOSide *side)
{
    int64_t end_us = g_get_monotonic_time() + QTEST_WAIT_US;

    while (true) {
        g_autofree char *transcript = vfio_side_transcript(side);

        if (strstr(transcript, " primary open")) {
            return;
        }
        g_assert_cmpint(g_get_monotonic_time(), <, end_us);
        g_usleep(5000);
    }
}

void failover_slots_on(VFIOSide *side)
{
    power_slot(side, PRIMARY_SLOT, SLOT_ON);
    power_slot(side, PORT_SLOT, SLOT_ON);
}

void failover_guest_up(VFIOSide *side)
{
    VirtioPCI net;

    virtio_pci_start(&net, side->qts, NET_SLOT, NET_BAR, NET_RING);
    wait_open(side);
    failover_slots_on(side);
}

void failover_let_go(VFIOSide *side)
{
    power_slot(side, PRIMARY_SLOT, SLOT_OFF);
}

void failover_eject_port(VFIOSide *side)
{
    power_slot(side, PORT_SLOT, SLOT_OFF);
}
