/*
 * The domain that is migrated
 *
 * Owns: its XML, which has no qemu:commandline and no qemu:override; its
 * guest, 64 KiB of firmware that counts timer interrupts and sleeps between
 * them; queries about it that need no privilege except virsh.
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "domain.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "sandbox.h"

#define MIB (1024 * 1024)
#define RAM_MIB 64
/* Memory beyond its RAM that libvirt allows a VM with VFIO devices to lock */
#define LOCKED_BEYOND_RAM ((rlim_t)1024 * MIB)

#define FIRMWARE_BYTES 65536
#define COUNTER "0x7000"
#define COUNT_TRIES 60
#define USEC_PER_TRY 50000

/* ------------------------------------------------------------------------ */
/* The guest                                                                */

/*
 * At f000:ff00: set up the timer interrupt, then sleep forever. The local APIC
 * must pass it through; it is above 1 MiB, which requires a segment loaded in
 * protected mode.
 */
static const uint8_t guest_main[] = {
    0xfa,                               /* cli */
    0x2e, 0x0f, 0x01, 0x16, 0xa0, 0xff, /* lgdt %cs:0xffa0 */
    0x0f, 0x20, 0xc0,                   /* mov %cr0, %eax */
    0x0c, 0x01,                         /* or $1, %al */
    0x0f, 0x22, 0xc0,                   /* mov %eax, %cr0 */
    0xbb, 0x08, 0x00,                   /* mov $8, %bx */
    0x8e, 0xdb,                         /* mov %bx, %ds */
    0x24, 0xfe,                         /* and $0xfe, %al */
    0x0f, 0x22, 0xc0,                   /* mov %eax, %cr0 */
    0x67, 0x66, 0xc7, 0x05,             /* LINT0: movl $0x700, 0xfee00350 */
    0x50, 0x03, 0xe0, 0xfe, 0x00, 0x07, 0x00, 0x00,
    0x31, 0xc0,                         /* xor %ax, %ax */
    0x8e, 0xd8,                         /* mov %ax, %ds */
    0x8e, 0xd0,                         /* mov %ax, %ss */
    0xbc, 0x00, 0x7c,                   /* mov $0x7c00, %sp */
    0xc7, 0x06, 0x20, 0x00, 0x80, 0xff, /* vector 8: movw $0xff80, 0x20 */
    0xc7, 0x06, 0x22, 0x00, 0x00, 0xf0, /* movw $0xf000, 0x22 */
    0xb0, 0x11, 0xe6, 0x20,             /* interrupt controller: begin */
    0xb0, 0x08, 0xe6, 0x21,             /* vectors from 8 */
    0xb0, 0x04, 0xe6, 0x21,             /* second one at line 2 */
    0xb0, 0x01, 0xe6, 0x21,             /* 8086 mode */
    0xb0, 0xfe, 0xe6, 0x21,             /* only the timer's line */
    0xb0, 0x34, 0xe6, 0x43,             /* timer: 18.2 times a second */
    0xb0, 0x00, 0xe6, 0x40,
    0xb0, 0x00, 0xe6, 0x40,
    0xfb,                               /* sti */
    0xf4,                               /* hlt */
    0xeb, 0xfd,                         /* jmp to hlt */
};

/* At f000:ff80: the timer's interrupt handler */
static const uint8_t guest_tick[] = {
    0x66, 0xff, 0x06, 0x00, 0x70,       /* incl 0x7000 */
    0x50,                               /* push %ax */
    0xb0, 0x20, 0xe6, 0x20,             /* end of interrupt */
    0x58,                               /* pop %ax */
    0xcf,                               /* iret */
};

/* At f000:ffa0: the descriptor table; entry 1 is 4 GiB of data */
static const uint8_t guest_segments[] = {
    0x0f, 0x00, 0xa8, 0xff, 0x0f, 0x00, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
    0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0,
};

/* At the reset vector: jmp 0xff00. */
static const uint8_t guest_reset[] = { 0xe9, 0x0d, 0xff };

static bool write_guest(char **path, GError **error)
{
    g_autofree uint8_t *image = g_malloc0(FIRMWARE_BYTES);

    memcpy(image + 0xff00, guest_main, sizeof(guest_main));
    memcpy(image + 0xff80, guest_tick, sizeof(guest_tick));
    memcpy(image + 0xffa0, guest_segments, sizeof(guest_segments));
    memcpy(image + 0xfff0, guest_reset, sizeof(guest_reset));
    *path = g_build_filename(sandbox_dir(), "guest.bin", NULL);
    return g_file_set_contents(*path, (char *)image, FIRMWARE_BYTES, error);
}

bool domain_counts(const Node *node, uint64_t *at_least)
{
    uint64_t first = 0;
    bool have_first = false;

    for (unsigned i = 0; i < COUNT_TRIES; i++) {
        g_auto(Virsh) run = { 0 };
        const char *colon;
        uint64_t count;

        if (!virsh_ask(node, &run, "qemu-monitor-command", DOMAIN, "--hmp",
                       "xp /1wx " COUNTER, NULL)) {
            g_test_message("no answer about the guest: %s", run.err);
            return false;
        }
        colon = strchr(run.out, ':');
        count = colon ? strtoull(colon + 1, NULL, 16) : 0;
        if (count < *at_least) {
            g_test_message("the guest's counter fell to %" G_GUINT64_FORMAT,
                           count);
            return false;
        }
        if (have_first && count > first) {
            *at_least = count;
            return true;
        }
        first = count;
        have_first = true;
        g_usleep(USEC_PER_TRY);
    }
    g_test_message("the guest stands still at %" G_GUINT64_FORMAT, first);
    return false;
}

/* ------------------------------------------------------------------------ */
/* XML                                                                      */

static void add_hostdev(GString *xml, const char *name, const Device *device,
                        unsigned slot)
{
    if (device->kind == DEVICE_MDEV) {
        g_string_append_printf(xml,
            "    <hostdev mode='subsystem' type='mdev' managed='no' "
            "model='vfio-pci'>\n"
            "      <source><address uuid='%s'/></source>\n", name);
    } else {
        unsigned domain = 0, bus = 0, dev = 0, function = 0;

        if (sscanf(name, "%x:%x:%x.%x", &domain, &bus, &dev,
                   &function) != 4) {
            g_error("'%s' is no PCI address", name);
        }
        g_string_append_printf(xml,
            "    <hostdev mode='subsystem' type='pci' managed='no'>\n"
            "      <source><address domain='0x%04x' bus='0x%02x' "
            "slot='0x%02x' function='0x%x'/></source>\n", domain, bus, dev,
            function);
    }
    g_string_append_printf(xml, "      <address type='pci' domain='0x0000' "
        "bus='0x00' slot='0x%02x' function='0x0'/>\n    </hostdev>\n", slot);
}

/*
 * libvirt raises the limit of locked memory. If root lacks the capability for
 * that on this machine, the XML sets the limit instead.
 */
static void add_lock_limit(GString *xml)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)RAM_MIB * MIB + LOCKED_BEYOND_RAM;

    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted) {
        return;
    }
    if (setrlimit(RLIMIT_MEMLOCK,
                  &(struct rlimit){ limit.rlim_cur, wanted }) == 0) {
        return;
    }
    g_string_append_printf(xml, "  <memtune><hard_limit unit='KiB'>%llu"
                           "</hard_limit></memtune>\n",
                           (unsigned long long)limit.rlim_max / 1024);
}

char *domain_write_xml(const World *world, const Node *node, const char *name,
                       const Device *devices, unsigned count, GError **error)
{
    g_autofree char *path = g_build_filename(node->dir, name, NULL);
    g_autofree char *guest = NULL;
    g_autoptr(GString) xml = g_string_new(
        "<domain type='qemu'>\n"
        "  <name>" DOMAIN "</name>\n"
        "  <uuid>7f2ba6b2-1f4f-4a8d-8ea2-6bdcba3c3d11</uuid>\n");

    if (!write_guest(&guest, error)) {
        return NULL;
    }
    g_string_append_printf(xml, "  <memory unit='MiB'>%u</memory>\n", RAM_MIB);
    add_lock_limit(xml);
    g_string_append_printf(xml,
        "  <vcpu>1</vcpu>\n"
        "  <os><type arch='x86_64' machine='pc'>hvm</type>"
        "<loader readonly='yes' type='rom'>%s</loader></os>\n"
        "  <devices>\n"
        "    <emulator>%s</emulator>\n"
        "    <controller type='usb' model='none'/>\n"
        "    <memballoon model='none'/>\n", guest, world->emulator);
    for (unsigned i = 0; i < count; i++) {
        g_autofree char *source = world->device_name(node, &devices[i]);

        add_hostdev(xml, source, &devices[i], 5 + i);
    }
    g_string_append(xml, "  </devices>\n</domain>\n");
    return sandbox_write(path, xml->str, error) ? g_steal_pointer(&path)
                                                : NULL;
}

/* ------------------------------------------------------------------------ */
/* State                                                                    */

bool domain_is(const Node *node, const char *state)
{
    g_auto(Virsh) run = { 0 };

    for (unsigned i = 0; i < COUNT_TRIES; i++) {
        const char *is = virsh_ask(node, &run, "domstate", DOMAIN, NULL)
            ? run.out : "none";

        if (strcmp(is, state) == 0) {
            return true;
        }
        g_usleep(USEC_PER_TRY);
    }
    g_test_message("the domain at the %s should be %s, and is %s", node->name,
                   state, run.status ? "none" : run.out);
    return false;
}

bool domain_kill(const Node *node)
{
    pid_t pid = node_qemu(node, DOMAIN);

    return pid > 1 && kill(pid, SIGKILL) == 0;
}

void domain_remove(const Node *node)
{
    g_auto(Virsh) run = { 0 };

    /* One process; a command that does not apply fails, which is ignored. */
    virsh_ask(node, &run, "undefine " DOMAIN " --managed-save; "
              "destroy " DOMAIN, NULL);
}
