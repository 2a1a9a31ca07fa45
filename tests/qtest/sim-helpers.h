/*
 * One side of a migration: a QEMU with simulated VFIO devices
 *
 * Owns: the configuration of a side's simulated devices, starting its QEMU (the
 * distribution's own code, or ours attached), reading the state and the
 * transcript of its devices.
 * Does not own: the simulated device (tests/sim, docs/sim.md), the machine and
 * its guest (machine-helpers.h), pairs of sides (vfio-test.h).
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
    SIDE_ATTACHED,              /* our subsystem is attached (required) */
    SIDE_BUILTIN,               /* the distribution's own code */
} VFIOSideKind;

/* Was the VM reset, so that its devices no longer have the guest's settings? */
typedef enum VFIOSideReset {
    NOT_RESET,
    RESET_SINCE,                /* after its devices were saved */
    RESET_AROUND,               /* after that, or just before */
} VFIOSideReset;

typedef struct VFIOSide VFIOSide;

/*
 * Operations on the devices of a side, by default the simulated ones of
 * tests/sim; timeouts and polling interval for them.
 */
typedef struct VFIODeviceOps {
    /* QEMU's arguments for machine and guest; NULL: machine_args(). */
    char *(*machine)(VFIOSide *side);
    /* The sysfs directory of @device. Caller frees. */
    char *(*path)(VFIOSide *side, const char *device);
    /* Put the configuration into effect, just before QEMU is started. */
    void (*apply)(VFIOSide *side);
    /* Do what a guest driver of the device would do. */
    void (*program)(VFIOSide *side, unsigned index);
    bool (*has_msix)(VFIOSide *side, const char *device);
    /* Status of @device, transcript of all devices. Caller owns it. */
    QDict *(*status)(VFIOSide *side, const char *device);
    char *(*transcript)(VFIOSide *side);
    /* For vfio_side_copy() and vfio_side_free(); may be NULL. */
    void (*copy)(const VFIOSide *from, VFIOSide *side);
    void (*drop)(VFIOSide *side);
    int poll_ms;
    int state_ms;               /* for a device to reach a state */
    int fail_ms;                /* for a migration to fail, a VM to run */
    int end_ms;                 /* for a migration to end otherwise */
} VFIODeviceOps;

struct VFIOSide {
    char *name;                 /* "source" */
    VFIOSideKind kind;
    const VFIODeviceOps *ops;
    void *own;                  /* private data of @ops */
    char *dir;
    GKeyFile *config;           /* of its simulated devices */
    GPtrArray *devices;         /* char *, ids */
    GString *args;              /* more of QEMU's arguments */
    GString *first_args;        /* the same, before the devices */
    const char *device_props;   /* for each device, ",x-y=on" */
    const char *machine;        /* "pc" */
    unsigned ram_mib;
    bool paused;                /* start with -S */
    bool never_ran;             /* since it was migrated here */
    VFIOSideReset reset;
    char *incoming;             /* URI, NULL for a source */
    bool multi;                 /* allow several devices */
    bool no_device_log;         /* its devices do not log their DMA */
    bool mdevs;                 /* its devices are mdevs in sysfs */
    int downtime_ms;            /* 0: see migrate_defaults() */
    const char *attach;         /* VFIO_MIGRATION_ATTACH, "require" */
    QTestState *qts;            /* NULL while no QEMU runs */
    uint8_t *ram;               /* the guest's memory, shared with QEMU */
};

/*
 * vfio_side_new: a side with one device `dev0` with small default sizes: 256
 * KiB of state in chunks of 48 KiB from a fully mapped window of 64 KiB, 64 KiB
 * of pre-copy data, DMA of 8 MiB/s to the second half of RAM. Free with
 * vfio_side_free(), QEMU need not run.
 */
VFIOSide *vfio_side_new(const char *name, VFIOSideKind kind);

/* vfio_side_free: quit QEMU, which must be well unless it was killed. */
void vfio_side_free(VFIOSide *side);

/* vfio_side_copy: a side with the same devices but no fault rules. */
VFIOSide *vfio_side_copy(const VFIOSide *from, const char *name);

/* vfio_side_add_device: add a device with a copy of dev0's configuration. */
void vfio_side_add_device(VFIOSide *side);

/*
 * vfio_side_add_spare: add the configuration of another device that is not
 * plugged yet, and allow several devices. vfio_side_place: plug it at the
 * start, with the properties @where, "addr=4.1".
 */
void vfio_side_add_spare(VFIOSide *side);
void vfio_side_place(VFIOSide *side, const char *device, const char *where);

/* vfio_side_drop_devices: remove all devices. */
void vfio_side_drop_devices(VFIOSide *side);

/* vfio_side_set: set a key of a device (docs/sim.md), before the start. */
void vfio_side_set(VFIOSide *side, const char *device, const char *key,
                   const char *fmt, ...) G_GNUC_PRINTF(4, 5);

/* vfio_side_set_keys: the same for several keys, "state-size=1M;p2p=yes". */
void vfio_side_set_keys(VFIOSide *side, const char *device, const char *keys);

/*
 * vfio_side_profile: make @device a protocol v2 device with that profile
 * (docs/sim.md), including its sizes.
 */
void vfio_side_profile(VFIOSide *side, const char *device,
                       const char *profile);

/* vfio_side_get: the value that was set, NULL if none. Caller frees. */
char *vfio_side_get(VFIOSide *side, const char *device, const char *key);

/* vfio_side_unset: remove a key. */
void vfio_side_unset(VFIOSide *side, const char *device, const char *key);

/*
 * vfio_side_sysfs: create the sysfs directory, for sysfsdev=, of a configured
 * device. For those in @devices the start does this. Caller frees.
 */
char *vfio_side_sysfs(VFIOSide *side, const char *device);

/* vfio_side_container: set a key of the group [container]. */
void vfio_side_container(VFIOSide *side, const char *key, const char *value);

/* vfio_side_fault: add a fault rule with @keys "event=data-read;errno=EIO". */
void vfio_side_fault(VFIOSide *side, const char *name, const char *keys);

/*
 * vfio_side_start: start QEMU, which must come up. Unless the side is a
 * destination, its devices are programmed as by a guest: BARs, bus master,
 * MSI-X.
 */
void vfio_side_start(VFIOSide *side);

/* vfio_side_try_start: start QEMU, which may refuse; program nothing. */
void vfio_side_try_start(VFIOSide *side);

/* vfio_side_program: program its devices as a guest driver would. */
void vfio_side_program(VFIOSide *side);

/*
 * vfio_side_unplug: device_del of the @index-th device and the guest's eject
 * (machine pc)
 */
void vfio_side_unplug(VFIOSide *side, unsigned index);

/*
 * vfio_side_connect: connect to a destination at a Unix socket, as a source
 * would. The caller closes the socket.
 */
int vfio_side_connect(VFIOSide *side);

/* vfio_side_quit: quit QEMU, which must be running and well. */
void vfio_side_quit(VFIOSide *side);

/* vfio_side_kill: end QEMU, whatever its state. */
void vfio_side_kill(VFIOSide *side);

/* vfio_side_status: current status of @device. Caller owns it. */
QDict *vfio_side_status(VFIOSide *side, const char *device);

/* A string or number from it. Caller frees the string. */
char *vfio_side_status_str(VFIOSide *side, const char *device,
                           const char *key);
int64_t vfio_side_status_int(VFIOSide *side, const char *device,
                             const char *key);

/* vfio_side_fired: how often the fault rule @fault has fired. */
unsigned vfio_side_fired(VFIOSide *side, const char *fault);

/* vfio_side_transcript: the whole transcript. Caller frees. */
char *vfio_side_transcript(VFIOSide *side);

/*
 * vfio_side_arcs: state transitions of @device (NULL: any) as "running>pre-copy
 * pre-copy>...". Caller frees.
 */
char *vfio_side_arcs(VFIOSide *side, const char *device);

/* vfio_side_expect_state: wait for @state of @device. */
void vfio_side_expect_state(VFIOSide *side, const char *device,
                            const char *state);

/* vfio_side_expect_run_state: wait until the VM is in @state. */
void vfio_side_expect_run_state(VFIOSide *side, const char *state);

/* vfio_side_property: the QOM property `vfio-migration`. Caller owns it. */
QDict *vfio_side_property(VFIOSide *side, const char *device);

/* vfio_side_fail: qtest_fail() with the name of the side. */
G_NORETURN void vfio_side_fail(VFIOSide *side, const char *fmt, ...)
    G_GNUC_PRINTF(2, 3);

/* vfio_kind_name: the kind in the paths of test cases. */
const char *vfio_kind_name(VFIOSideKind kind);

/*
 * vfio_has_builtin: can a side run QEMU without our code? Not in QEMU's tree:
 * there SIDE_BUILTIN is the same QEMU, unless QEMU= names another.
 */
bool vfio_has_builtin(void);

#endif /* TESTS_QTEST_SIM_HELPERS_H */
