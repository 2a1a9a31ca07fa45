/*
 * Simulated VFIO devices: declarations shared by the files of the simulation
 *
 * Owns: the types of the simulation and the calls between its files.
 *
 * Locks, in the order in which they may be taken:
 *   SimDevice.mig_lock    migration region, device state, reset
 *   SimDevice.pci_lock    config space and interrupts
 *   SimDma.lock           whether DMA runs, and its ledger
 *   SimContainer.lock     mappings and dirty bits
 *   sim_world.lock        lists of files, containers and groups
 *   fault and transcript locks, private to their files (innermost)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_SIM_SIM_INTERNAL_H
#define TESTS_SIM_SIM_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/vfio.h>
#include <glib.h>

#include "sim-model.h"
#include "vfio-sim.h"

/* File offset = region index << shift; keeps mmap of any region native. */
#define SIM_REGION_SHIFT 40
#define SIM_REGION_OFFSET_MASK ((UINT64_C(1) << SIM_REGION_SHIFT) - 1)
#define SIM_MIGRATION_REGION VFIO_PCI_NUM_REGIONS
#define SIM_CONFIG_SIZE 256
#define SIM_CONFIG_EXTENDED_SIZE 4096
#define SIM_MAX_VECTORS 64

/* The bus reset: there is none, it affects this device, or others, too */
typedef enum SimHotReset {
    SIM_HOT_RESET_NO,
    SIM_HOT_RESET_ALONE,
    SIM_HOT_RESET_SHARED,
} SimHotReset;

/* One [device NAME] group of the configuration, as read. */
typedef struct SimDeviceConfig {
    char *name;
    uint64_t group;
    uint64_t vendor_id;
    uint64_t device_id;
    uint64_t bar0_size;
    uint64_t msix_vectors;
    uint64_t intx;
    uint64_t has_reset;
    uint64_t hot_reset;             /* SimHotReset */
    uint64_t flr;                   /* function level reset by the guest */
    unsigned config_size;           /* 256, or 4096 */
    /* Bytes that replace those of the config space, and which are given */
    uint8_t config[SIM_CONFIG_EXTENDED_SIZE];
    bool config_given[SIM_CONFIG_EXTENDED_SIZE];
    uint64_t dma_rate;              /* bytes per second; 0: no DMA */
    uint64_t dma_start;             /* IOVA */
    uint64_t dma_size;
    uint64_t dma_burst;
    uint64_t dma_random;
    uint64_t dma_bus_master;
    uint64_t dirty_tracking;        /* by the IOMMU of its group */
    uint64_t iommu;                 /* number of that IOMMU */
    GArray *pinned;                 /* SimRange of IOVA */
} SimDeviceConfig;

typedef struct SimContainerConfig {
    uint64_t spapr;                 /* not type1 */
    uint64_t dirty_tracking;
    uint64_t dirty_all;             /* all mapped pages are always dirty */
    uint64_t page_sizes;
    uint64_t max_bitmap_size;
    uint64_t max_mappings;
    GArray *iova_ranges;            /* SimRange; empty = all */
} SimContainerConfig;

typedef struct SimContainer SimContainer;
typedef struct SimGroup SimGroup;
typedef struct SimDevice SimDevice;
typedef struct SimDataFile SimDataFile;

/* What one of our file descriptors refers to. */
typedef enum SimFileKind {
    SIM_FILE_CONTAINER,
    SIM_FILE_GROUP,
    SIM_FILE_DEVICE,
    SIM_FILE_DATA,
} SimFileKind;

typedef struct SimFile {
    SimFileKind kind;
    union {
        SimContainer *container;
        SimGroup *group;
        SimDevice *device;
        SimDataFile *data;
    };
} SimFile;

/* One mapping of IOVA to memory of the process. */
typedef struct SimMapping {
    uint64_t iova;
    uint64_t size_bytes;
    uint8_t *vaddr;
    uint32_t flags;
    uint8_t *dirty;                 /* one bit per page; NULL while off */
} SimMapping;

struct SimContainer {
    GMutex lock;
    bool open;
    bool iommu_set;
    unsigned groups;
    bool untracked;                 /* its IOMMU has no dirty bits */
    uint64_t iommu;                 /* of its groups */
    bool tracking;
    GPtrArray *mappings;            /* SimMapping, sorted by iova */
    unsigned id;
};

struct SimGroup {
    unsigned number;
    bool open;
    SimContainer *container;
};

typedef struct SimDigest {
    uint64_t value;
    bool valid;
} SimDigest;

typedef struct SimDma {
    GMutex lock;
    GCond wake;
    GThread *thread;
    bool running;
    bool quit;
    uint64_t steps;
    uint64_t bytes;
    uint64_t misses;                /* bursts without a mapping */
    SimDigest at_stop;              /* of the range when DMA last stopped */
    SimDigest at_start;             /* of the range when it last started */
} SimDma;

/* Which pages the device has written, in its own log (sim-dma-log.c) */
typedef struct SimDmaLog {
    bool on;
    bool lost;                      /* the device has lost it while on */
    GArray *ranges;                 /* SimRange of IOVA, sorted */
    GHashTable *blocks;             /* of pages: from number to bits */
    uint64_t page_size;
    uint64_t dirty_pages;           /* not reported yet */
    uint64_t unread_pages;          /* the same, at the last stop */
    uint64_t reported_pages;
    unsigned starts;
    unsigned reports;
} SimDmaLog;

typedef struct SimPci {
    uint8_t config[SIM_CONFIG_EXTENDED_SIZE];
    uint8_t writable[SIM_CONFIG_EXTENDED_SIZE];
    int intx_fd;
    int err_fd;
    int req_fd;
    int msix_fd[SIM_MAX_VECTORS];
    unsigned msix_enabled;          /* vectors given by SET_IRQS */
    unsigned msix_armed;            /* those of them with an eventfd */
} SimPci;

struct SimDevice {
    SimDeviceConfig cfg;
    GMutex mig_lock;
    GMutex pci_lock;
    SimContainer *container;
    unsigned open_count;
    int memfd;
    bool window_gone;               /* mig_lock; see sim_window_drop() */
    SimMig mig;                     /* the model of its migration */
    unsigned data_files;            /* open ones */
    bool flr_due;                   /* requested by a fault rule */
    GPtrArray *violations;          /* char *, the first SIM_MAX_VIOLATIONS */
    unsigned num_violations;
    SimPci pci;
    SimDma dma;
    SimDmaLog log;                  /* dma.lock */
};

#define SIM_MAX_VIOLATIONS 64

/* When the order of several P2P devices is checked (sim-order.c) */
typedef enum SimOrder {
    SIM_ORDER_AUTO,                 /* once a device has been enabled */
    SIM_ORDER_ALWAYS,
    SIM_ORDER_NEVER,
} SimOrder;

/* The only configuration of the process, and the objects created from it. */
typedef struct SimWorld {
    GMutex lock;
    bool configured;
    GPtrArray *devices;             /* SimDevice */
    GPtrArray *containers;          /* SimContainer, kept until shutdown */
    GPtrArray *groups;              /* SimGroup */
    SimContainerConfig container_cfg;
    char *status_path;
    char *transcript_path;
    uint64_t status_interval_ms;    /* 0: only on changes */
    uint64_t p2p_order;             /* SimOrder */
} SimWorld;

extern SimWorld sim_world;

/* ---- sim-config.c ---- */

/*
 * sim_config_load: fill sim_world from @keys. Returns false with @err set to
 * the wrong group and key, and sim_world as after sim_world_clear().
 */
bool sim_config_load(GKeyFile *keys, GError **err);
void sim_device_config_clear(SimDeviceConfig *cfg);

/* ---- sim-world.c ---- */
bool sim_world_active(void);
void sim_world_clear(void);
SimDevice *sim_find_device(const char *name);

/* ---- sim-preload.c: the real calls, and the table of our files ---- */
/* sim_container_of: the container of one of our descriptors, or NULL. */
SimContainer *sim_container_of(int fd);
/* sim_group_of: the same for a group */
SimGroup *sim_group_of(int fd);
int sim_file_publish(int fd, SimFileKind kind, void *object);
void sim_files_close_all(void);
unsigned sim_files_open(void);
int sim_real_close(int fd);
int sim_real_open(const char *path, int flags, mode_t mode);
void *sim_real_mmap(void *addr, size_t length, int prot, int flags, int fd,
                    off64_t offset);
ssize_t sim_real_pread(int fd, void *buf, size_t len, off64_t offset);
ssize_t sim_real_pwrite(int fd, const void *buf, size_t len, off64_t offset);

/* ---- sim-group.c ---- */
int sim_container_open(void);
int sim_group_open(unsigned number);
int sim_container_ioctl(SimContainer *c, unsigned long request, void *arg);
int sim_group_ioctl(SimGroup *g, unsigned long request, void *arg);
void sim_container_close(SimContainer *c);
void sim_group_close(SimGroup *g);
void sim_container_free(SimContainer *c);

/* ---- sim-iommu.c: 0 or a negative errno ---- */
int sim_iommu_get_info(SimContainer *c, void *arg);
int sim_iommu_map(SimContainer *c, void *arg);
int sim_iommu_unmap(SimContainer *c, void *arg);
int sim_iommu_dirty(SimContainer *c, void *arg);
void sim_iommu_clear(SimContainer *c);
/*
 * sim_iommu_find: the mapping that holds @iova, or NULL.
 * Called with the container's lock held.
 */
SimMapping *sim_iommu_find(SimContainer *c, uint64_t iova);
void sim_iommu_mark_dirty(SimContainer *c, SimMapping *m, uint64_t iova,
                          uint64_t size_bytes);

/* ---- sim-caps.c: capability chains with the argsz dance ---- */
typedef struct SimCaps {
    GByteArray *bytes;              /* the struct, then the capabilities */
    size_t fixed_size;
    size_t last;                    /* offset of the last header, 0 none */
} SimCaps;
void sim_caps_init(SimCaps *caps, const void *fixed, size_t size);
void *sim_caps_add(SimCaps *caps, uint16_t id, uint16_t version,
                   size_t size);
/*
 * sim_caps_finish: copy to the caller's @arg as the kernel does: everything if
 * @argsz is large enough, else the fixed part with a larger argsz and no chain.
 * @cap_offset_at is the offset of cap_offset in the fixed part.
 */
void sim_caps_finish(SimCaps *caps, void *arg, uint32_t argsz,
                     size_t cap_offset_at);

/* ---- sim-device.c: the device's file descriptor ---- */
int sim_device_open(SimDevice *d, SimContainer *c);
void sim_device_close(SimDevice *d);
int sim_device_ioctl(SimDevice *d, unsigned long request, void *arg);
ssize_t sim_device_rw(SimDevice *d, bool write, void *buf, size_t len,
                      uint64_t offset);
void *sim_device_mmap(SimDevice *d, void *addr, size_t length, int prot,
                      int flags, int fd, uint64_t offset);
SimDevice *sim_device_new(void);
/*
 * sim_window_drop: from now on an access to a mapping of the data window raises
 * SIGBUS, and a system call returns EFAULT. sim_window_restore: undo that.
 * Called with mig_lock held.
 */
void sim_window_drop(SimDevice *d);
void sim_window_restore(SimDevice *d);
void sim_device_free(SimDevice *d);
/*
 * sim_call: count one call on the device and check the fault rules. Returns
 * true if @out is not empty; a change to the error state was already made.
 * @to is the requested state, or the current one.
 */
bool sim_call(SimDevice *d, SimEvent ev, uint32_t to, SimOutcome *out);

/* sim_flr_if_due: do the reset that a fault rule requires after this call. */
void sim_flr_if_due(SimDevice *d);

/* ---- sim-pci.c ---- */
void sim_pci_init(SimDevice *d);
void sim_pci_reset(SimDevice *d);
void sim_pci_release(SimDevice *d);
/* sim_pci_command_has: is any of these bits of PCI_COMMAND set? */
bool sim_pci_command_has(SimDevice *d, uint16_t bits);
ssize_t sim_pci_config_rw(SimDevice *d, bool write, void *buf, size_t len,
                          uint64_t offset);
uint64_t sim_pci_bar_size(SimDevice *d, unsigned index);
int sim_pci_irq_info(SimDevice *d, void *arg);
int sim_pci_set_irqs(SimDevice *d, void *arg);
/* sim_pci_raise_intx: signal the eventfd of INTx, if there is one. */
void sim_pci_raise_intx(SimDevice *d);

/* ---- sim-hot-reset.c: 0 or a negative errno ---- */
int sim_hot_reset_info(SimDevice *d, void *arg);
int sim_hot_reset(SimDevice *d, void *arg);

/* ---- sim-migration.c: the model's host; mig_lock held inside ---- */
ssize_t sim_migration_rw(SimDevice *d, bool write, void *buf, size_t len,
                         uint64_t offset);
int sim_migration_reset(SimDevice *d);
int sim_migration_region_info(SimDevice *d, void *arg);

/* ---- sim-feature.c, sim-walk.c, sim-data-file.c: protocol v2 ---- */
/* sim_feature_ioctl: VFIO_DEVICE_FEATURE. 0 or a negative errno. */
int sim_feature_ioctl(SimDevice *d, void *arg);
/*
 * sim_walk: bring the device to @to, arc by arc; it may stop on the way.
 * Called with mig_lock held. Returns 0 or a negative errno.
 */
int sim_walk(SimDevice *d, uint32_t to);
/*
 * sim_data_file_open: create the descriptor of the session that has just begun.
 * Called with mig_lock held. Returns a negative errno, or 0 with @told set to
 * the descriptor, or to the value of a fault rule.
 */
int sim_data_file_open(SimDevice *d, int32_t *told);
void sim_data_file_close(SimDataFile *file);
/* Bytes, 0 or a negative errno */
ssize_t sim_data_file_rw(SimDataFile *file, bool write, void *buf,
                         size_t len);
int sim_data_file_ioctl(SimDataFile *file, unsigned long request, void *arg);

/* ---- sim-dma-log.c: 0 or a negative errno; mig_lock held ---- */
int sim_dma_log_start(SimDevice *d, void *data);
int sim_dma_log_stop(SimDevice *d, void *data);
int sim_dma_log_report(SimDevice *d, void *data);
/* sim_dma_log_mark: record a write. Called with dma.lock held. */
void sim_dma_log_mark(SimDevice *d, uint64_t iova, uint64_t size);
/* sim_dma_log_lose: the device loses its log; @why is for the transcript. */
void sim_dma_log_lose(SimDevice *d, const char *why);
void sim_dma_log_close(SimDevice *d);

/* ---- sim-order.c ---- */
/*
 * sim_order_check: a successful SET has brought the device from @from to @to:
 * check that against the state of the others. Called with mig_lock held.
 */
void sim_order_check(SimDevice *d, uint32_t from, uint32_t to);

/* ---- sim-fault.c ---- */
/* sim_fault_load: add the rule of @group. Returns false with @err set. */
bool sim_fault_load(GKeyFile *keys, const char *group, GError **err);
void sim_fault_clear_all(void);
/*
 * sim_fault_set_player: from now on ask @player instead of the rules at every
 * call. It may fill @out, which is empty, and returns whether it did; locks of
 * the device may be held. NULL: use the rules again.
 */
typedef bool SimFaultPlayer(SimDevice *d, SimEvent ev, uint32_t from,
                            uint32_t to, SimOutcome *out);
void sim_fault_set_player(SimFaultPlayer *player);
/*
 * sim_fault_hit: count @ev in every rule and apply the first one that fires
 * (delays happen here). @d is NULL for a container's event; @from and @to are
 * used for state writes, otherwise both are the state. Returns true if @out is
 * not empty.
 */
bool sim_fault_hit(SimDevice *d, SimEvent ev, uint32_t from, uint32_t to,
                   bool migrating, SimOutcome *out);
void sim_fault_foreach(void (*fn)(const SimRule *rule, void *opaque),
                       void *opaque);

/* ---- sim-transcript.c ---- */
/*
 * sim_transcript_open: truncate the configured file and write to it from now
 * on, unless it is already open. Called when VFIO is first used: a process
 * that only reads the configuration does not touch the file.
 */
void sim_transcript_open(void);
void sim_transcript_close(void);
void sim_log(const char *who, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
void sim_vlog(const char *who, const char *fmt, va_list ap)
    G_GNUC_PRINTF(2, 0);
void sim_vviolation(SimDevice *d, const char *fmt, va_list ap)
    G_GNUC_PRINTF(2, 0);
/* Call @fn for each recorded violation. */
void sim_violations_foreach(SimDevice *d, GFunc fn, void *opaque);

/* ---- sim-status.c ---- */
void sim_status_write(void);
/* Write the status at the configured interval, until the world ends. */
void sim_status_timer_start(void);
void sim_status_timer_stop(void);

/* ---- sim-dma.c ---- */
void sim_dma_init(SimDevice *d);
void sim_dma_open(SimDevice *d);
void sim_dma_close(SimDevice *d);
/* If not @running, no DMA is in progress on return, and none will start. */
void sim_dma_set_running(SimDevice *d, bool running);
/* sim_dma_drain: wait until DMA that is in progress has ended. */
void sim_dma_drain(SimDevice *d);
/* @digest: set to that of the DMA range in the guest's memory */
void sim_dma_take_digest(SimDevice *d, SimDigest *digest);

#endif /* TESTS_SIM_SIM_INTERNAL_H */
