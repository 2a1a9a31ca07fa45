/*
 * Constants of QEMU 7.2's binary interface that attach relies on
 *
 * Owns: member offsets in bytes, the versions that they were verified with,
 * and the table by which the subsystem passes its entry points to the loader.
 * Not here: finding a constant in a binary (code-patterns.c, checks.c). The
 * loader must not need QEMU's headers; subsystem.c, which has them, checks at
 * compile time that they agree with these constants.
 * Source: the interface of QEMU 7.2.3 and of Debian's 7.2.22.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_ABI_H
#define ATTACH_ABI_H

#include <stddef.h>
#include <stdint.h>

/*
 * Verified with: upstream 7.2.3 (headers), Debian 7.2.22 (binary). A later
 * 7.2.z may pass all the same; 7.2.50 and up are development versions of 8.0.
 */
enum {
    ABI_VERSION_MAJOR = 7,
    ABI_VERSION_MINOR = 2,
    ABI_VERSION_MICRO_MIN = 3,
    ABI_VERSION_MICRO_KNOWN = 22,
    ABI_VERSION_MICRO_END = 50,
};

enum {
    ABI_DEVICE_GROUP = 16,
    ABI_DEVICE_SYSFSDEV = 24,
    ABI_DEVICE_NAME = 32,
    ABI_DEVICE_DEV = 40,
    ABI_DEVICE_FD = 48,
    ABI_DEVICE_NEEDS_RESET = 57,
    ABI_DEVICE_NO_MMAP = 58,
    ABI_DEVICE_RAM_BLOCK_DISCARD = 59,
    ABI_DEVICE_ENABLE_MIGRATION = 60,
    ABI_DEVICE_OPS = 64,
    ABI_DEVICE_NUM_REGIONS = 76,
    ABI_DEVICE_MIGRATION = 88,
    ABI_DEVICE_MIGRATION_BLOCKER = 96,
    ABI_DEVICE_PRE_COPY_DIRTY = 104,

    ABI_DEVICE_OPS_HOT_RESET_MULTI = 8,
    ABI_DEVICE_OPS_EOI = 16,
    ABI_DEVICE_OPS_GET_OBJECT = 24,
    ABI_DEVICE_OPS_SAVE_CONFIG = 32,
    ABI_DEVICE_OPS_LOAD_CONFIG = 40,

    ABI_REGION_FD_OFFSET = 8,
    ABI_REGION_MEM = 16,
    ABI_REGION_SIZE = 24,
    ABI_REGION_FLAGS = 32,
    ABI_REGION_NR_MMAPS = 36,
    ABI_REGION_MMAPS = 40,
    ABI_REGION_NR = 48,

    ABI_MMAP_MMAP = 272,
    ABI_MMAP_OFFSET = 280,
    ABI_MMAP_SIZE = 288,
    ABI_MMAP_SIZEOF = 304,

    ABI_MIGRATION_VM_STATE = 8,
    ABI_MIGRATION_REGION = 16,
    ABI_MIGRATION_DEVICE_STATE = 72,
    ABI_MIGRATION_NOTIFIER = 80,

    ABI_GROUP_CONTAINER = 8,
    ABI_GROUP_DEVICE_LIST = 16,
    ABI_GROUP_NEXT = 24,

    ABI_GROUP_CONTAINER_NEXT = 40,

    ABI_CONTAINER_LISTENER = 16,
    ABI_CONTAINER_DIRTY_PAGES_SUPPORTED = 417,
    ABI_CONTAINER_IOMMU_TYPE = 400,
    ABI_CONTAINER_PGSIZES = 440,
    ABI_CONTAINER_GIOMMU_LIST = 456,
    ABI_CONTAINER_HOSTWIN_LIST = 464,
    ABI_CONTAINER_GROUP_LIST = 472,

    /* Structures that dirty tracking reads and creates */
    ABI_GUEST_IOMMU_N = 24,
    ABI_GUEST_IOMMU_NEXT = 80,
    ABI_HOST_WINDOW_NEXT = 24,
    ABI_IOMMU_NOTIFIER_FLAGS = 8,
    ABI_IOMMU_NOTIFIER_START = 16,
    ABI_IOMMU_NOTIFIER_END = 24,
    ABI_IOMMU_NOTIFIER_INDEX = 32,
    ABI_IOMMU_NOTIFIER_NODE = 40,
    ABI_IOTLB_TRANSLATED_ADDR = 16,
    ABI_IOTLB_ADDR_MASK = 24,
    ABI_IOTLB_PERM = 32,
    ABI_SECTION_MR = 16,
    ABI_SECTION_FV = 24,
    ABI_MEMORY_REGION_RAM = 41,
    ABI_MEMORY_REGION_IS_IOMMU = 48,
    ABI_DIRTY_BLOCKS = 16,              /* in DirtyMemoryBlocks */
    ABI_DIRTY_BLOCK_MASK = 0x1fffff,    /* of page numbers */
    ABI_RAM_LIST_DIRTY_MEMORY = 64,

    ABI_SAVEVM_SAVE_CLEANUP = 8,
    ABI_SAVEVM_COMPLETE_PRECOPY = 24,
    ABI_SAVEVM_LIVE_ITERATE = 56,
    ABI_SAVEVM_SAVE_SETUP = 64,
    ABI_SAVEVM_LIVE_PENDING = 72,
    ABI_SAVEVM_LOAD_SETUP = 88,
    ABI_SAVEVM_LOAD_CLEANUP = 96,

    ABI_FILE_BUF_INDEX = 48,
    ABI_FILE_BUF_SIZE = 52,
    ABI_FILE_BUF = 56,

    ABI_VMSTATE_IF_GET_ID = 112,

    ABI_NOTIFIER_NODE = 8,

    ABI_LISTENER_REGION_ADD = 16,
    ABI_LISTENER_REGION_DEL = 24,
    ABI_LISTENER_LOG_SYNC = 56,
    ABI_LISTENER_LOG_GLOBAL_START = 80,
    ABI_LISTENER_NAME = 144,
    ABI_LISTENER_SIZEOF = 192,

    ABI_TRACE_EVENT_NAME = 8,
    ABI_TRACE_EVENT_SSTATE = 16,
    ABI_TRACE_EVENT_DSTATE = 24,
    ABI_TRACE_EVENT_SIZEOF = 32,

    ABI_MIGRATION_INFO_HAS_VFIO = 40,
    ABI_MIGRATION_INFO_VFIO = 48,

    ABI_LOG_TRACE = 0x8000,

    ABI_ENUM_ARRAY = 0,
    ABI_ENUM_SIZE = 16,
    ABI_RUN_STATE_INTERNAL_ERROR = 2,
    ABI_RUN_STATE_SAVE_VM = 10,
    ABI_RUN_STATE_COUNT = 16,

    ABI_OBJECT_PROPERTY_OPAQUE = 64,
    ABI_PROPERTY_NAME = 0,
    ABI_PROPERTY_OFFSET = 16,

    ABI_MODULE_INIT_MIGRATION = 0,

    ABI_MIGRATION_STATE_TO_DST_FILE = 184,
    ABI_MIGRATION_STATE_RP_THREAD = 760,
    ABI_MIGRATION_STATE_RP_ERROR = 768,
    ABI_MIGRATION_STATE_RP_THREAD_CREATED = 769,
};

/* One of QEMU's functions and its replacement */
typedef struct AttachEntry {
    const char *name;
    void *function;
} AttachEntry;

enum { ATTACH_ENTRY_COUNT = 5 };

#define ATTACH_TABLE_SYMBOL "vfio_migration_attach_table"

/* Incremented with every change of AttachTable */
enum { ATTACH_TABLE_VERSION = 1 };

/* Exported by vfio-migration.so as ATTACH_TABLE_SYMBOL */
typedef struct AttachTable {
    uint32_t version;
    /* Called once, before the entry points are redirected */
    void (*start)(void);
    AttachEntry entries[ATTACH_ENTRY_COUNT];
} AttachTable;

#endif /* ATTACH_ABI_H */
