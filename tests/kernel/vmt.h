/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test driver for VFIO migration: what its files share
 *
 * Owns: the types of the driver and the calls between its files. Migration of
 * the device is implemented by the model in tests/sim (sim-model.h); this
 * driver is one of its hosts. The model's names are in QEMU's style.
 *
 * Locks, in the order in which they may be taken:
 *   vmt_device.config_lock	configuration, open or not
 *   vmt_gate.lock		"mig_lock": the model
 *   vmt_dma.lock		DMA engine, registers of BAR 0; held during
 *				each burst, so that none follows a stop
 *   vmt_dirty.lock		DMA log
 *   vmt_pins.lock		pinned pages; also taken in .dma_unmap
 *   (locks of VFIO's type1 IOMMU, in vfio_pin_pages, vfio_dma_rw)
 *   vmt_emu.lock		spinlock: config space
 *   vmt_emu.irq_lock		spinlock: eventfds, INTx level
 *   vmt_faults.lock		spinlock
 *   vmt_log.lock		spinlock, innermost
 */
#ifndef VMT_H
#define VMT_H

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/kthread.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci_regs.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "sim-model.h"
#include "vfio-mig-test-regs.h"

/* Region offsets are those of VFIO's PCI drivers. */
#define VMT_REGION_SHIFT	40
#define VMT_REGION_MASK		((1ULL << VMT_REGION_SHIFT) - 1)
#define VMT_MIGRATION_REGION	VFIO_PCI_NUM_REGIONS

/* Limits for a configuration, large enough for a test machine */
#define VMT_MAX_WINDOW_BYTES	(1ULL << 30)
#define VMT_MAX_BURST_BYTES	(1ULL << 20)
#define VMT_MAX_PINS		4096
#define VMT_MAX_RULES		64
#define VMT_MAX_VECTORS		64
#define VMT_LOG_BYTES		(2UL << 20)
#define VMT_MAX_VIOLATIONS	64
#define VMT_MAX_KEYS		128

/* eventfd_signal() has no count since 6.8. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define vmt_eventfd_signal(ctx)	eventfd_signal(ctx)
#else
#define vmt_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

struct vmt_device;

/* The keys of a device that the model does not read (docs/test-driver.md). */
struct vmt_config {
	u64 vendor_id;
	u64 device_id;
	u64 bar0_size;
	u64 msix_vectors;
	u64 intx;
	u64 reset;
	u64 dma_rate;		/* bytes per second; 0: none */
	u64 dma_start;		/* IOVA */
	u64 dma_size;
	u64 dma_burst;
	u64 dma_pattern;	/* 0 sequential, 1 random */
	u64 dma_bus_master;
	char pinned[SIM_LIST_CHARS];
};

extern const SimKey vmt_keys[];

/* Registers of BAR 0 (vfio-mig-test-regs.h). Under vmt_dma.lock. */
struct vmt_regs {
	u32 scratch;
	u32 counter;
	u64 dma_addr;
	u32 dma_size;
	u32 dma_ctrl;
	u32 dma_bursts;
	u32 dma_interval_us;
	u32 dma_errors;
	u64 dma_seq;		/* words written in the life of the device */
	u64 dma_at;		/* offset of the next word from dma_addr */
};

struct vmt_dma {
	struct mutex lock;
	wait_queue_head_t wait;
	struct task_struct *thread;
	bool kick;
	bool running;		/* the device runs; DMA may be off */
	u64 steps;
	u64 bytes;
	u64 misses;		/* bursts without a mapping */
	s64 done_us;		/* configured DMA is done up to here */
	s64 next_us;		/* when the registers' next burst is due */
	u64 stop_digest;
	u64 start_digest;
	bool stop_digest_valid;
	bool start_digest_valid;
	u8 *buf;
};

struct vmt_pin {
	u64 iova;
	bool pinned;
};

struct vmt_pins {
	struct mutex lock;
	struct vmt_pin *pages;
	unsigned int count;	/* entries of pages */
	unsigned int held;	/* those of them pinned now */
	unsigned int refused;	/* attempts that failed */
};

struct vmt_range {
	u64 first;
	u64 last;
};

/* The DMA log of protocol v2. */
struct vmt_dirty {
	struct mutex lock;
	bool on;
	bool lost;			/* ended without a request */
	bool broken;			/* a page could not be marked */
	unsigned int shift;		/* of its page size */
	struct vmt_range *ranges;
	unsigned int count;		/* of ranges */
	struct xarray pages;		/* marked ones, by number */
	unsigned long marked;		/* number of marked pages */
	u64 starts;
	u64 reports;
	u64 reported;			/* pages */
	u64 unread;			/* pages when it last ended */
};

struct vmt_faults {
	spinlock_t lock;
	SimRule *rules;
	unsigned int count;
};

struct vmt_log {
	spinlock_t lock;
	char *text;
	size_t used;
	u64 dropped;		/* lines, for lack of space */
	char violations[VMT_MAX_VIOLATIONS][SIM_WHY_CHARS];
	unsigned int num_violations;
};

/*
 * Access from a data file to its device, which may be removed before the file
 * is closed. There is one for each device.
 */
struct vmt_gate {
	struct kref ref;
	struct mutex lock;
	struct vmt_device *vmt;		/* NULL once it is gone */
};

/* What differs between the emulated device and the real one. */
struct vmt_ops {
	/* Registers of the stopped device; see sim_host_save_extra(). */
	size_t (*save)(struct vmt_device *vmt, u8 *extra, size_t max);
	bool (*load)(struct vmt_device *vmt, const u8 *extra, size_t len);
	/* The device stops or starts its own activity. */
	void (*stop)(struct vmt_device *vmt);
	void (*start)(struct vmt_device *vmt);
	/* Mark pages written by the device's own DMA; NULL: it has none. */
	void (*log_sync)(struct vmt_device *vmt);
	/* Device-specific reset, between stop and start; may be NULL. */
	void (*reset)(struct vmt_device *vmt);
	bool (*bus_master)(struct vmt_device *vmt);
	/* A burst of the DMA engine is done: raise an interrupt. */
	void (*interrupt)(struct vmt_device *vmt, unsigned int vector);
	u16 (*command)(struct vmt_device *vmt);
	unsigned int (*msix_armed)(struct vmt_device *vmt);
	/* Pages to pin when the configuration names none; may be NULL. */
	const char *default_pinned;
};

struct vmt_device {
	const char *name;
	struct vfio_device *vdev;
	const struct vmt_ops *ops;
	struct mutex config_lock;
	unsigned int open_count;
	struct vmt_config cfg;
	struct vmt_gate *gate;
	SimMig model;
	unsigned int data_files;	/* open ones; mig_lock */
	struct vmt_dirty dirty;
	struct vmt_dma dma;
	struct vmt_regs regs;
	struct vmt_pins pins;
	struct vmt_faults faults;
	struct vmt_log log;
	struct dentry *dir;
	char *given[VMT_MAX_KEYS];	/* text of the keys that were set */
};

/* ---- vmt-device.c ---- */
/*
 * vmt_init: initialize @vmt, without a window, and create its debugfs files.
 * vmt_destroy: undo this; the device must be closed and removed.
 */
int vmt_init(struct vmt_device *vmt, const char *name,
	     struct vfio_device *vdev, const struct vmt_ops *ops);
void vmt_destroy(struct vmt_device *vmt);
/* vmt_open: set up memory, model and DMA thread, when it is first opened. */
int vmt_open(struct vmt_device *vmt);
void vmt_close(struct vmt_device *vmt);
void vmt_reset(struct vmt_device *vmt);
/*
 * vmt_call: count a call outside of the migration region and check the fault
 * rules. Returns the (positive) errno that the call must fail with, or 0.
 * Takes mig_lock if the device goes to the error state.
 */
int vmt_call(struct vmt_device *vmt, SimEvent ev, SimOutcome *out);
SimEvent vmt_ioctl_event(unsigned int cmd);
/* vmt_log: write a line to the transcript. Not in interrupt context. */
void vmt_log(struct vmt_device *vmt, const char *fmt, ...)
	__printf(2, 3);
static inline struct vmt_device *vmt_of(SimMig *m)
{
	return container_of(m, struct vmt_device, model);
}

/* ---- vmt-region.c ---- */
ssize_t vmt_region_rw(struct vmt_device *vmt, bool write, char __user *buf,
		      size_t count, u64 offset);
int vmt_region_mmap(struct vmt_device *vmt, struct vm_area_struct *vma,
		    u64 offset);
u32 vmt_region_flags(struct vmt_device *vmt);
u64 vmt_region_size(struct vmt_device *vmt);
int vmt_region_sparse_cap(struct vmt_device *vmt, struct vfio_info_cap *caps);

/* ---- vmt-v2.c ---- */
/* vmt_v2_kernel: the SimKernel that this driver is built for. */
unsigned int vmt_v2_kernel(void);
struct vmt_device *vmt_of_vdev(struct vfio_device *vdev);
/* vmt_v2_offer: announce the configured features to VFIO's core. */
void vmt_v2_offer(struct vmt_device *vmt);

/* ---- vmt-data-file.c ---- */
struct vmt_gate *vmt_gate_new(struct vmt_device *vmt);
/* vmt_gate_close: the device is being removed; @gate may be NULL. */
void vmt_gate_close(struct vmt_gate *gate);
/*
 * vmt_data_file_open: create the file of the session that has just begun.
 * Returns an ERR_PTR() on failure. Called with mig_lock held.
 */
struct file *vmt_data_file_open(struct vmt_device *vmt);

/* ---- vmt-dirty.c ---- */
/* vmt_dirty_open: initialize: there is no log, and none was lost. */
void vmt_dirty_open(struct vmt_device *vmt);
/* These take mig_lock if a fault rule sets the error state. */
extern const struct vfio_log_ops vmt_log_ops;
/* vmt_dirty_mark: mark pages that the device has written. */
void vmt_dirty_mark(struct vmt_device *vmt, u64 iova, u64 bytes);
/* vmt_dirty_lose: end the log, if there is one; @why is for the transcript. */
void vmt_dirty_lose(struct vmt_device *vmt, const char *why);

/* ---- vmt-dma.c ---- */
int vmt_dma_open(struct vmt_device *vmt);
void vmt_dma_close(struct vmt_device *vmt);
void vmt_dma_start(struct vmt_device *vmt);
/* vmt_dma_stop: on return no DMA is in progress, and none will start. */
void vmt_dma_stop(struct vmt_device *vmt);
void vmt_dma_digest_at_stop(struct vmt_device *vmt);
void vmt_dma_digest_at_start(struct vmt_device *vmt);
void vmt_dma_kick(struct vmt_device *vmt);

/* ---- vmt-pins.c ---- */
/* vmt_pins_set: set the pages to @list; they are not pinned yet. */
int vmt_pins_set(struct vmt_device *vmt, const char *list);
/* vmt_pins_add: add a page, and pin it immediately. */
int vmt_pins_add(struct vmt_device *vmt, u64 iova);
/* vmt_pins_hold: pin all pages that are not pinned, if possible. */
void vmt_pins_hold(struct vmt_device *vmt);
void vmt_pins_drop(struct vmt_device *vmt, u64 iova, u64 length);
void vmt_pins_clear(struct vmt_device *vmt);

/* ---- vmt-config.c ---- */
int vmt_config_apply(struct vmt_device *vmt, char *lines);
void vmt_config_show(struct vmt_device *vmt, struct seq_file *s);
void vmt_config_free(struct vmt_device *vmt);

/* ---- vmt-debugfs.c ---- */
int vmt_debugfs_add(struct vmt_device *vmt);
void vmt_debugfs_remove(struct vmt_device *vmt);
/* vmt_put_json: print @text as a JSON string. */
void vmt_put_json(struct seq_file *s, const char *text);
void vmt_debugfs_init(void);
void vmt_debugfs_exit(void);

/* ---- vmt-faults.c ---- */
bool vmt_faults_hit(struct vmt_device *vmt, SimEvent ev, u32 to,
		    SimOutcome *out);
int vmt_faults_write(struct vmt_device *vmt, char *lines);
void vmt_faults_show(struct vmt_device *vmt, struct seq_file *s);
void vmt_faults_json(struct vmt_device *vmt, struct seq_file *s);
void vmt_faults_clear(struct vmt_device *vmt);

/* ---- the two drivers ---- */
/* The device that contains @vdev, or NULL if it has the other driver. */
struct vmt_device *vmt_mdev_device(struct vfio_device *vdev);
struct vmt_device *vmt_pci_device(struct vfio_device *vdev);
int vmt_mdev_init(void);
void vmt_mdev_exit(void);
int vmt_pci_init(void);
void vmt_pci_exit(void);

#endif /* VMT_H */
