/*
 * Machine code from which the offset of a structure's member is known
 *
 * Owns: the search, and the patterns for x86-64 builds of QEMU 7.2. A build
 * with the same layout, but by another compiler, does not contain these bytes:
 * it is refused; nothing is guessed.
 * Not here: the location of a function (image.c). Locks: none, pure.
 * Source: the offset in an instruction follows from abi.h; the instructions
 * themselves were found in Debian's binary.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "code-patterns.h"
#include "abi.h"

#include <stdlib.h>
#include <string.h>

/* REX.W with any register; the index bit is ignored without an index */
#define W "48/fa "
/* ModRM: memory at any register plus an offset of 8 or 32 bits */
#define M8  "40/c0 @1 "
#define M32 "80/c0 @4 "
/* The same, with /0, /2 or /7 of the opcode in the reg field of ModRM */
#define M8_0  "40/f8 @1 "
#define M8_2  "50/f8 @1 "
#define M8_7  "78/f8 @1 "
#define M32_0 "80/f8 @4 "
#define M32_7 "b8/f8 @4 "
/* Memory at r12, which takes one more byte, plus an offset of 32 bits */
#define M32_R12 "84/c7 24 @4 "
/* ModRM for two registers */
#define RR "c0/c0 "

const CodePattern code_patterns[] = {
    /* VFIODevice */
    { "vfio_migration_probe", NULL, "VFIODevice.group",
      ABI_DEVICE_GROUP, W "8b " M8 "80 78/f8 ? 00" },
    { "vfio_migration_probe", NULL, "VFIODevice.name",
      ABI_DEVICE_NAME, W "8b " M8 "74 ? " W "8d 44/c7 24 ? 31" },
    { "vfio_reset_handler", NULL, "VFIODevice.dev",
      ABI_DEVICE_DEV, W "8b " M8 "80 78/f8 ? 00" },
    { "vfio_get_region_info", NULL, "VFIODevice.fd",     /* ioctl 0x3b6c */
      ABI_DEVICE_FD, "8b " M8 "be 6c 3b 00 00" },
    { "vfio_reset_handler", NULL, "VFIODevice.needs_reset",
      ABI_DEVICE_NEEDS_RESET,
      "80 " M8_7 "00 74 ? " W "8b 40/c0 ? " W "89 " RR "ff 50/f8" },
    { "vfio_region_setup", NULL, "VFIODevice.no_mmap",
      ABI_DEVICE_NO_MMAP, "80 7c 24 @1 00" },
    { "vfio_get_device", NULL, "VFIODevice.ram_block_discard_allowed",
      ABI_DEVICE_RAM_BLOCK_DISCARD, "38 " M8 "74 ? " W "83 78/f8 ? 00" },
    { "vfio_migration_probe", NULL, "VFIODevice.enable_migration",
      ABI_DEVICE_ENABLE_MIGRATION, "80 " M8_7 "00" },
    { "vfio_reset_handler", NULL, "VFIODevice.ops",
      ABI_DEVICE_OPS, W "8b " M8 W "89 " RR "ff 10/f8" },
    { "vfio_reset_handler", NULL, "VFIODeviceOps.vfio_hot_reset_multi",
      ABI_DEVICE_OPS_HOT_RESET_MULTI, W "89 " RR "ff " M8_2 },
    { "vfio_region_write", NULL, "VFIODeviceOps.vfio_eoi",
      ABI_DEVICE_OPS_EOI, "ff " M8_2 },
    { "vfio_spapr_create_window", "vfio_mig_bytes_transferred",
      "VFIODeviceOps.vfio_get_object", ABI_DEVICE_OPS_GET_OBJECT,
      W "8b " M8 W "85 " RR "0f 84 ? ? ? ? " W "89 " RR "49/fb 89 " RR
      "ff d0/f8" },
    { "vfio_spapr_create_window", "vfio_mig_bytes_transferred",
      "VFIODeviceOps.vfio_save_config", ABI_DEVICE_OPS_SAVE_CONFIG,
      W "8b " M8 W "85 " RR "74 ? " W "89 " RR W "89 " RR "ff d0/f8" },
    { "vfio_spapr_create_window", "vfio_mig_bytes_transferred",
      "VFIODeviceOps.vfio_load_config", ABI_DEVICE_OPS_LOAD_CONFIG,
      W "8b " M8 W "85 " RR "74 ? " W "89 " RR "ff d0/f8" },
    { "vfio_get_dev_region_info", NULL, "VFIODevice.num_regions",
      ABI_DEVICE_NUM_REGIONS, "40/fa 3b " M8 "72" },
    { "vfio_migration_finalize", NULL, "VFIODevice.migration",
      ABI_DEVICE_MIGRATION,
      W "c7 " M8_0 "00 00 00 00 " W "8b 40/c0 ? " W "85" },
    { "vfio_mig_active", NULL, "VFIODevice.migration_blocker",
      ABI_DEVICE_MIGRATION_BLOCKER, W "83 " M8_7 "00" },
    { "vfio_region_read", "vfio_disable_irqindex",
      "VFIODevice.pre_copy_dirty_page_tracking",
      ABI_DEVICE_PRE_COPY_DIRTY, "83 " M8_7 "02" },

    /* VFIORegion */
    { "vfio_region_setup", NULL, "VFIORegion.fd_offset",
      ABI_REGION_FD_OFFSET, W "89 " M8 W "85 " RR "75" },
    { "vfio_region_unmap", NULL, "VFIORegion.mem",
      ABI_REGION_MEM, W "83 " M8_7 "00" },
    { "vfio_region_setup", NULL, "VFIORegion.size",
      ABI_REGION_SIZE, W "89 " M8 W "8b 40/c0 ? 40/fa 88" },
    { "vfio_region_setup", NULL, "VFIORegion.flags",
      ABI_REGION_FLAGS, "f6 40/f8 @1 04 74/fe" },
    { "vfio_region_unmap", NULL, "VFIORegion.nr_mmaps",
      ABI_REGION_NR_MMAPS, "3b " M8 "72" },
    { "vfio_region_unmap", NULL, "VFIORegion.mmaps",
      ABI_REGION_MMAPS, W "03 " M8 },
    { "vfio_region_setup", NULL, "VFIORegion.nr",
      ABI_REGION_NR, "40/fa 88 " M8 },

    /* VFIOMmap */
    { "vfio_region_unmap", NULL, "VFIOMmap.mmap",
      ABI_MMAP_MMAP, W "83 " M32_7 "00" },
    { "vfio_region_mmap", NULL, "VFIOMmap.offset",
      ABI_MMAP_OFFSET, W "01 " RR W "8b " M32 "e8" },
    { "vfio_region_mmap", NULL, "VFIOMmap.size",
      ABI_MMAP_SIZE, W "01 " RR W "8b " M32 W "8b" },
    /* index * 9 * 2 + index, shifted left by 4: 19 * 16 bytes */
    { "vfio_region_unmap", NULL, "sizeof VFIOMmap",
      ABI_MMAP_SIZEOF,
      W "8d ? c0/c0 " W "8d ? 40/c0 " W "c1 e0/f8 04" },

    /* VFIOMigration, as read by QEMU's dirty tracking */
    { "vfio_migration_finalize", NULL, "VFIOMigration.vm_state",
      ABI_MIGRATION_VM_STATE, W "8b " M8 "e8 ? ? ? ? " W "8b" },
    { "vfio_migration_finalize", NULL, "VFIOMigration.migration_state",
      ABI_MIGRATION_NOTIFIER, W "8d " M8 "e8" },
    { "vfio_migration_finalize", NULL, "VFIOMigration.region",
      ABI_MIGRATION_REGION, W "8d " M8 W "89 " RR "e8" },
    { "vfio_region_read", "vfio_disable_irqindex",
      "VFIOMigration.device_state", ABI_MIGRATION_DEVICE_STATE,
      W "8b 40/c0 58 " W "85 " RR "0f 84 ? ? ? ? 8b " M8 "83" },

    /* VFIOGroup, VFIOContainer */
    { "vfio_migration_probe", NULL, "VFIOGroup.container",
      ABI_GROUP_CONTAINER, W "8b " M8 "74 ? 80 b8/f8" },
    { "vfio_reset_handler", NULL, "VFIOGroup.device_list",
      ABI_GROUP_DEVICE_LIST, W "8b " M8 W "85 " RR "74" },
    { "vfio_reset_handler", NULL, "VFIOGroup.next",
      ABI_GROUP_NEXT, W "8b " M8 W "85 " RR "75" },
    { "vfio_put_group", NULL, "VFIOContainer.listener",
      ABI_CONTAINER_LISTENER, W "8d 7c 24 @1 e8" },
    { "vfio_migration_probe", NULL, "VFIOContainer.dirty_pages_supported",
      ABI_CONTAINER_DIRTY_PAGES_SUPPORTED, "80 " M32_7 "00" },

    { "vfio_put_group", NULL, "VFIOGroup.container_next",
      ABI_GROUP_CONTAINER_NEXT,
      W "8b " M8 W "8b 40/c0 ? " W "85 " RR "74 ? " W "8b" },
    /* VFIO_SPAPR_TCE_v2_IOMMU is 7 */
    { "vfio_put_group", NULL, "VFIOContainer.iommu_type",
      ABI_CONTAINER_IOMMU_TYPE, "83 bc 24 @4 07" },
    { "vfio_get_group", NULL, "VFIOContainer.pgsizes",
      ABI_CONTAINER_PGSIZES, W "89 " M32 "40/fa f6 40/c0 04 02" },
    { "vfio_put_group", NULL, "VFIOContainer.giommu_list",
      ABI_CONTAINER_GIOMMU_LIST,
      W "8b " M32_R12 "41 0f 11 84 24 ? ? ? ? " W "85" },
    { "vfio_put_group", NULL, "VFIOContainer.hostwin_list",
      ABI_CONTAINER_HOSTWIN_LIST,
      W "8b " M32_R12 W "85 " RR "0f 84 ? ? ? ? " W "8b" },
    { "vfio_get_group", NULL, "VFIOContainer.group_list",
      ABI_CONTAINER_GROUP_LIST, W "8b " M32 W "89 40/c0 ? " W "85" },

    /* qemu_file_set_blocking(s->to_dst_file, true) */
    { "migrate_fd_connect", NULL, "MigrationState.to_dst_file",
      ABI_MIGRATION_STATE_TO_DST_FILE, W "8b " M32 "be 01 00 00 00 e8" },
    { "migrate_fd_connect", NULL, "MigrationState.rp_state.rp_thread",
      ABI_MIGRATION_STATE_RP_THREAD, W "8d " M32 "45 31 c0" },
    { "migrate_init", NULL, "MigrationState.rp_state.error",
      ABI_MIGRATION_STATE_RP_ERROR,
      W "c7 80/f8 ? ? ? ? 00 00 00 00 c6 " M32_0 "00 " W "c7" },
    { "migrate_fd_connect", NULL,
      "MigrationState.rp_state.rp_thread_created",
      ABI_MIGRATION_STATE_RP_THREAD_CREATED, "c6 " M32_0 "01 85" },

    /* Structures that dirty tracking reads and creates */
    { "vfio_put_group", NULL, "VFIOGuestIOMMU.n",
      ABI_GUEST_IOMMU_N, W "8d " M8 W "89 " RR "e8" },
    { "vfio_put_group", NULL, "VFIOGuestIOMMU.giommu_next",
      ABI_GUEST_IOMMU_NEXT, W "8b " M8 "e8 ? ? ? ? " W "8d" },
    { "vfio_put_group", NULL, "VFIOHostDMAWindow.hostwin_next",
      ABI_HOST_WINDOW_NEXT, W "8b 47/c7 @1 " W "8b 47/c7 20" },
    { "memory_region_register_iommu_notifier", NULL,
      "IOMMUNotifier.notifier_flags",
      ABI_IOMMU_NOTIFIER_FLAGS, "8b " M8 "85 " RR "0f 84" },
    { "memory_region_register_iommu_notifier", NULL, "IOMMUNotifier.start",
      ABI_IOMMU_NOTIFIER_START, W "8b " M8 W "39" },
    { "memory_region_register_iommu_notifier", NULL, "IOMMUNotifier.end",
      ABI_IOMMU_NOTIFIER_END, W "39 " M8 "0f 82" },
    { "memory_region_register_iommu_notifier", NULL,
      "IOMMUNotifier.iommu_idx", ABI_IOMMU_NOTIFIER_INDEX,
      "40/fa 8b " M8 "40/fa 85 " RR "78" },
    { "memory_region_register_iommu_notifier", NULL, "IOMMUNotifier.node",
      ABI_IOMMU_NOTIFIER_NODE, W "89 " M8 W "85" },
    { "memory_get_xlat_addr", NULL, "IOMMUTLBEntry.translated_addr",
      ABI_IOTLB_TRANSLATED_ADDR, W "8b " M8 W "8b 05/c7 ? ? ? ? 41 b9" },
    { "memory_get_xlat_addr", NULL, "IOMMUTLBEntry.addr_mask",
      ABI_IOTLB_ADDR_MASK, W "8b " M8 W "83 c0/f8 01" },
    { "memory_get_xlat_addr", NULL, "IOMMUTLBEntry.perm",
      ABI_IOTLB_PERM, "8b " M8 "83 e0/f8 02" },
    { "memory_region_section_free_copy", NULL, "MemoryRegionSection.mr",
      ABI_SECTION_MR, W "8b " M8 W "85 " RR "74 ? " W "8b" },
    { "memory_region_section_free_copy", NULL, "MemoryRegionSection.fv",
      ABI_SECTION_FV, W "89 " RR W "8b " M8 W "85" },
    { "memory_region_is_protected", NULL, "MemoryRegion.ram",
      ABI_MEMORY_REGION_RAM, "0f b6 " M8 "84 " RR },
    { "memory_region_get_dirty_log_mask", NULL, "MemoryRegion.is_iommu",
      ABI_MEMORY_REGION_IS_IOMMU, "80 " M8_7 "00 74" },
    { "memory_region_set_dirty", NULL, "DirtyMemoryBlocks.blocks",
      ABI_DIRTY_BLOCKS, "48/f8 8b 44/c7 c0/c0 @1" },
    { "memory_region_set_dirty", NULL, "DIRTY_MEMORY_BLOCK_SIZE",
      ABI_DIRTY_BLOCK_MASK, "40/fa 81 e0/f8 @4" },

    /* Structures that the subsystem passes to QEMU, or gets from it */
    { "memory_listener_register", NULL, "MemoryListener.region_add",
      ABI_LISTENER_REGION_ADD, W "8b " M8 "0f 29 44/c7 24 ? " W "85" },
    { "memory_listener_unregister", NULL, "MemoryListener.region_del",
      ABI_LISTENER_REGION_DEL, "ff d0/f8 " W "8b " M8 W "85 " RR "74" },
    { "memory_listener_register", NULL, "MemoryListener.log_sync",
      ABI_LISTENER_LOG_SYNC, W "83 " M8_7 "00 74 ? " W "83" },
    { "memory_listener_register", NULL, "MemoryListener.log_global_start",
      ABI_LISTENER_LOG_GLOBAL_START,
      W "8b " M8 W "85 " RR "0f 84 ? ? ? ? " W "89 " RR "ff d0/f8" },
    { "register_savevm_live", NULL, "SaveVMHandlers.save_setup",
      ABI_SAVEVM_SAVE_SETUP, "49 83 7c 24 @1 00" },
    { "qemu_savevm_state_cleanup", NULL, "SaveVMHandlers.save_cleanup",
      ABI_SAVEVM_SAVE_CLEANUP, W "8b " M8 W "85 " RR },
    { "qemu_savevm_state_pending", NULL, "SaveVMHandlers.save_live_pending",
      ABI_SAVEVM_LIVE_PENDING, W "8b " M8 W "85 " RR "74 ? " W "8b" },
    { "qemu_loadvm_state", NULL, "SaveVMHandlers.load_setup",
      ABI_SAVEVM_LOAD_SETUP, W "8b " M8 W "85 " RR "74 ? " W "8b" },
    { "qemu_loadvm_state_cleanup", NULL, "SaveVMHandlers.load_cleanup",
      ABI_SAVEVM_LOAD_CLEANUP, W "8b " M8 W "85 " RR "74 ? " W "8b" },
    { "qemu_savevm_state_iterate", NULL, "SaveVMHandlers.save_live_iterate",
      ABI_SAVEVM_LIVE_ITERATE, "ff " M8_2 },
    { "qemu_savevm_state_complete_precopy", NULL,
      "SaveVMHandlers.save_live_complete_precopy",
      ABI_SAVEVM_COMPLETE_PRECOPY, "ff " M8_2 },
    { "unregister_savevm", NULL, "VMStateIfClass.get_id",
      ABI_VMSTATE_IF_GET_ID, "ff " M8_2 },
    /*
     * Peeking at zero bytes finds what a file has read ahead, and must not
     * read. The function reads while less is available than wanted, in an
     * unsigned comparison (jb): never for zero bytes. It sets the address
     * only if something is available (jle).
     */
    { "qemu_peek_buffer", NULL, "QEMUFile.buf_index", ABI_FILE_BUF_INDEX,
      W "63 " M8 W "63 40/c0 ? " W "01 " RR W "29 " RR W "39 " RR "72" },
    { "qemu_peek_buffer", NULL, "QEMUFile.buf_size", ABI_FILE_BUF_SIZE,
      W "63 40/c0 ? " W "63 " M8 W "01 " RR W "29 " RR W "39 " RR "72" },
    { "qemu_peek_buffer", NULL, "QEMUFile.buf", ABI_FILE_BUF,
      W "85 " RR "7e ? 48/f8 8d 44/c7 ? @1" },
    { "notifier_list_add", NULL, "Notifier.node",
      ABI_NOTIFIER_NODE, W "89 " M8 W "85" },
    { "visit_type_MigrationInfo_members", NULL, "MigrationInfo.has_vfio",
      ABI_MIGRATION_INFO_HAS_VFIO,
      "e8 = 84 c0 0f 84 ? ? ? ? " W "8d 05/c7 ? ? ? ? " W "8d " M8
      W "89 " RR W "89 " RR "e8 ? ? ? ? 84 c0 0f 85",
      "visit_type_MigrationStats" },
    { "visit_type_MigrationInfo_members", NULL, "MigrationInfo.vfio",
      ABI_MIGRATION_INFO_VFIO,
      W "8d " M8 W "89 " RR W "89 " RR W "89 " RR "e8 =",
      "visit_type_VfioStats" },
    /* The test of bit 15, in the second byte of qemu_loglevel */
    { "vfio_get_dev_region_info", NULL, "LOG_TRACE",
      ABI_LOG_TRACE >> 8, "f6 05 ? ? ? ? @1 74" },
};

const size_t code_patterns_count =
    sizeof(code_patterns) / sizeof(code_patterns[0]);

/* Parse "@1" or "@4": the member's offset, little-endian */
static bool code_add_offset(const CodePattern *pattern, size_t width_bytes,
                            CodeBytes *bytes)
{
    if ((width_bytes != 1 && width_bytes != 4) ||
        bytes->length + width_bytes > CODE_PATTERN_BYTES_MAX) {
        return false;
    }
    bytes->offset_at = bytes->length;
    bytes->offset_width_bytes = width_bytes;
    for (size_t i = 0; i < width_bytes; i++) {
        bytes->value[bytes->length] = pattern->offset_bytes >> (8 * i);
        bytes->mask[bytes->length++] = 0xff;
    }
    return true;
}

/* Parse "=": the four-byte displacement of a call */
static bool code_add_call(const CodePattern *pattern, CodeBytes *bytes)
{
    if (!pattern->calls || bytes->call_end ||
        bytes->length + 4 > CODE_PATTERN_BYTES_MAX) {
        return false;
    }
    bytes->length += 4;         /* the mask allows any bytes */
    bytes->call_end = bytes->length;
    return true;
}

/* Parse a word that stands for one byte */
static bool code_add_byte(const char *word, CodeBytes *bytes)
{
    unsigned long value = 0, mask = 0;
    char *end = (char *)word + 1;

    if (*word != '?') {
        value = strtoul(word, &end, 16);
        mask = *end == '/' ? strtoul(end + 1, &end, 16) : 0xff;
    }
    if ((*end && *end != ' ') || end == word || value > 0xff || mask > 0xff ||
        (value & ~mask) ||
        bytes->length == CODE_PATTERN_BYTES_MAX) {
        return false;
    }
    bytes->value[bytes->length] = value;
    bytes->mask[bytes->length++] = mask;
    return true;
}

bool code_compile(const CodePattern *pattern, CodeBytes *bytes)
{
    const char *word = pattern->bytes;
    bool ok = true;

    *bytes = (CodeBytes) { .offset = pattern->offset_bytes };
    for (word += strspn(word, " "); ok && *word;) {
        ok = *word == '@' ? code_add_offset(pattern, word[1] - '0', bytes)
           : *word == '=' ? code_add_call(pattern, bytes)
                          : code_add_byte(word, bytes);
        word += strcspn(word, " ");
        word += strspn(word, " ");
    }
    return ok && bytes->length > 0;
}

/* Does the call in the pattern, if any, lead to its function? */
static bool code_calls(const CodeBytes *bytes, const uint8_t *code)
{
    int32_t relative;

    if (!bytes->call_end) {
        return true;
    }
    memcpy(&relative, code + bytes->call_end - 4, sizeof(relative));
    return code + bytes->call_end + relative == bytes->callee;
}

static bool code_matches(const CodeBytes *bytes, const uint8_t *code)
{
    for (size_t i = 0; i < bytes->length; i++) {
        if ((code[i] & bytes->mask[i]) != bytes->value[i]) {
            return false;
        }
    }
    return code_calls(bytes, code);
}

uint32_t code_offset_at(const CodeBytes *bytes, const uint8_t *code)
{
    uint32_t offset = 0;

    if (!bytes->offset_width_bytes) {
        return bytes->offset;
    }
    for (size_t i = 0; i < bytes->offset_width_bytes; i++) {
        offset |= (uint32_t)code[bytes->offset_at + i] << (8 * i);
    }
    return offset;
}

void code_take_any_offset(CodeBytes *bytes)
{
    memset(bytes->mask + bytes->offset_at, 0, bytes->offset_width_bytes);
    memset(bytes->value + bytes->offset_at, 0, bytes->offset_width_bytes);
}

const uint8_t *code_find(const CodeBytes *bytes, const uint8_t *code,
                         size_t size_bytes)
{
    for (size_t i = 0; i + bytes->length <= size_bytes; i++) {
        if (code_matches(bytes, code + i)) {
            return code + i;
        }
    }
    return NULL;
}
