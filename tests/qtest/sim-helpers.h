/*
 * One side of a migration: a QEMU with simulated VFIO devices
 *
 * Owns: the configuration of the simulated devices of a side, starting its
 * QEMU (the distribution's own code, or ours attached), what the devices
 * and their transcript say.
 * Does not own: the simulated device (tests/sim, docs/sim.md), the machine
 * and its guest (machine-helpers.h), pairs of sides (vfio-test.h).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_SIM_HELPERS_H
#define TESTS_QTEST_SIM_HELPERS_H

#include "libqtest.h"
#include "machine-helpers.h"
#include "migration-helpers.h"
#include "qtest-case.h"

typedef enum VFIOSideKind {
    SIDE_ATTACHED,              /* our subsystem, attached, required */
    SIDE_BUILTIN,               /* the distribution's own code */
} VFIOSideKind;

/* Whether the VM was reset, so that its devices tell of it no more */
typedef enum VFIOSideReset {
    NOT_RESET,
    RESET_SINCE,                /* after its devices were saved */
    RESET_AROUND,               /* then, or just before */
} VFIOSideReset;

typedef struct VFIOSide VFIOSide;

/*
 * What the devices of a side are; without another one those of tests/sim. And
 * how long it may take till something is seen there, and between two looks.
 */
typedef struct VFIODeviceOps {
    /* QEMU's words for machine and guest; NULL: machine_args(). */
    char *(*machine)(VFIOSide *side);
    /* Where sysfs has @device. Caller frees. */
    char *(*path)(VFIOSide *side, const char *device);
    /* What was set is in force: QEMU is started next. */
    void (*apply)(VFIOSide *side);
    /* What a guest's driver does with it. */
    void (*program)(VFIOSide *side, unsigned index);
    bool (*has_msix)(VFIOSide *side, const char *device);
    /* What @device, and what all of them say. Caller owns it. */
    QDict *(*status)(VFIOSide *side, const char *device);
    char *(*transcript)(VFIOSide *side);
    /* After vfio_side_copy(), before vfio_side_free(); may be NULL. */
    void (*copy)(const VFIOSide *from, VFIOSide *side);
    void (*drop)(VFIOSide *side);
    int poll_ms;
    int state_ms;               /* till a device is in a state */
    int fail_ms;                /* till a migration has failed, a VM runs */
    int end_ms;                 /* till it has ended otherwise */
} VFIODeviceOps;

struct VFIOSide {
    char *name;                 /* "source" */
    VFIOSideKind kind;
    const VFIODeviceOps *ops;
    void *own;                  /* theirs */
    char *dir;
    GKeyFile *config;           /* of its simulated devices */
    GPtrArray *devices;         /* char *, ids */
    GString *args;              /* more of QEMU's command line */
    GString *first_args;        /* the same, before the devices */
    const char *device_props;   /* of each device, ",x-y=on" */
    const char *machine;        /* "pc" */
    unsigned ram_mib;
    bool paused;                /* start with -S */
    bool never_ran;             /* since it was migrated here */
    VFIOSideReset reset;
    char *incoming;             /* URI, NULL for a source */
    bool multi;                 /* opt in to several devices */
    bool no_device_log;         /* its devices do not log their DMA */
    bool mdevs;                 /* its devices are mdevs, by their sysfs */
    int downtime_ms;            /* 0: as migrate_defaults() has it */
    const char *attach;         /* VFIO_MIGRATION_ATTACH, "require" */
    QTestState *qts;            /* NULL while no QEMU runs */
    uint8_t *ram;               /* the guest's memory, shared with QEMU */
};

/*
 * vfio_side_new: a side with one device `dev0` of small default sizes:
 * 256 KiB of state in chunks of 48 KiB from an all mapped window of 64 KiB,
 * 64 KiB of pre-copy data, DMA of 8 MiB/s into the second half of RAM.
 * Freed by vfio_side_free(), which needs no QEMU to run.
 */
VFIOSide *vfio_side_new(const char *name, VFIOSideKind kind);

/* vfio_side_free: end QEMU, which must still run or have been forgotten. */
void vfio_side_free(VFIOSide *side);

/* vfio_side_copy: a side with the same devices, without fault rules. */
VFIOSide *vfio_side_copy(const VFIOSide *from, const char *name);

/* vfio_side_add_device: the next device, a copy of dev0's configuration. */
void vfio_side_add_device(VFIOSide *side);

/*
 * vfio_side_add_spare: the next device has a configuration, and no place in
 * the machine yet; several devices are allowed. vfio_side_place: it gets
 * one, which @where names as properties, "addr=4.1". Before the start.
 */
void vfio_side_add_spare(VFIOSide *side);
void vfio_side_place(VFIOSide *side, const char *device, const char *where);

/* vfio_side_drop_devices: a side without devices. */
void vfio_side_drop_devices(VFIOSide *side);

/* vfio_side_set: a key of a device's group (docs/sim.md), before the start. */
void vfio_side_set(VFIOSide *side, const char *device, const char *key,
                   const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/* vfio_side_set_keys: the same, with all of "state-size=1M;p2p=yes". */
void vfio_side_set_keys(VFIOSide *side, const char *device, const char *keys);

/*
 * vfio_side_profile: @device is one of protocol v2, as docs/sim.md has it
 * under that name, with its sizes.
 */
void vfio_side_profile(VFIOSide *side, const char *device,
                       const char *profile);

/* vfio_side_get: as it was set, NULL if it was not. Caller frees. */
char *vfio_side_get(VFIOSide *side, const char *device, const char *key);

/* vfio_side_unset: take a key away again. */
void vfio_side_unset(VFIOSide *side, const char *device, const char *key);

/*
 * vfio_side_sysfs: the directory of a device that has a configuration, for
 * sysfsdev=; devices of @devices get theirs at the start. Caller frees.
 */
char *vfio_side_sysfs(VFIOSide *side, const char *device);

/* vfio_side_container: a key of the group [container]. */
void vfio_side_container(VFIOSide *side, const char *key, const char *value);

/* vfio_side_fault: a rule, its keys as "event=data-read;errno=EIO". */
void vfio_side_fault(VFIOSide *side, const char *name, const char *keys);

/*
 * vfio_side_start: start the QEMU; it must come up. A side that is no
 * destination gets its devices programmed as a guest would do it: BAR, bus
 * master, MSI-X.
 */
void vfio_side_start(VFIOSide *side);

/* vfio_side_try_start: the same, but QEMU may refuse. */
void vfio_side_try_start(VFIOSide *side);

/* vfio_side_program: what a guest's driver does with its devices. */
void vfio_side_program(VFIOSide *side);

/*
 * vfio_side_unplug: device_del, and the guest's eject of the @index-th device
 * (machine pc)
 */
void vfio_side_unplug(VFIOSide *side, unsigned index);

/*
 * vfio_side_connect: be the source of a destination at a unix socket; the
 * socket, which the caller closes.
 */
int vfio_side_connect(VFIOSide *side);

/* vfio_side_quit: end QEMU, which must run and be well. */
void vfio_side_quit(VFIOSide *side);

/* vfio_side_kill: end QEMU however it is. */
void vfio_side_kill(VFIOSide *side);

/* vfio_side_status: status of @device, as of now. Caller owns it. */
QDict *vfio_side_status(VFIOSide *side, const char *device);

/* One word or number of it. Caller frees the string. */
char *vfio_side_status_str(VFIOSide *side, const char *device,
                           const char *key);
int64_t vfio_side_status_int(VFIOSide *side, const char *device,
                             const char *key);

/* vfio_side_fired: how often a fault rule has fired. */
unsigned vfio_side_fired(VFIOSide *side, const char *fault);

/* vfio_side_transcript: all of it. Caller frees. */
char *vfio_side_transcript(VFIOSide *side);

/*
 * vfio_side_arcs: transitions of @device (NULL: of any) as
 * "running>pre-copy pre-copy>...".
 */
char *vfio_side_arcs(VFIOSide *side, const char *device);

/* vfio_side_expect_state: wait till @device is in @state: simulated, 5 s. */
void vfio_side_expect_state(VFIOSide *side, const char *device,
                            const char *state);

/* vfio_side_expect_run_state: the same for the VM. */
void vfio_side_expect_run_state(VFIOSide *side, const char *state);

/* vfio_side_property: the QOM property `vfio-migration`. Caller owns it. */
QDict *vfio_side_property(VFIOSide *side, const char *device);

/* vfio_side_fail: qtest_fail() that names the side. */
G_NORETURN void vfio_side_fail(VFIOSide *side, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

const char *vfio_kind_name(VFIOSideKind kind);

/*
 * vfio_has_builtin: whether a side can have a QEMU without our code. In QEMU's
 * tree it cannot: SIDE_BUILTIN is the same QEMU there, unless QEMU= names one.
 */
bool vfio_has_builtin(void);

#endif /* TESTS_QTEST_SIM_HELPERS_H */
