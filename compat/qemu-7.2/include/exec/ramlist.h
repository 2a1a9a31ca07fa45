/*
 * Dirty bits of QEMU's RAM
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RAMLIST_H
#define RAMLIST_H

#define DIRTY_MEMORY_VGA        0
#define DIRTY_MEMORY_CODE       1
#define DIRTY_MEMORY_MIGRATION  2
#define DIRTY_MEMORY_NUM        3

/* Pages of one block */
#define DIRTY_MEMORY_BLOCK_SIZE ((ram_addr_t)1 << 21)

typedef struct {
    void *rcu[2];
    unsigned long *blocks[];
} DirtyMemoryBlocks;

typedef struct RAMList {
    char opaque[64];
    DirtyMemoryBlocks *dirty_memory[DIRTY_MEMORY_NUM];
} RAMList;
extern RAMList ram_list;

QEMU_ABI(offsetof(DirtyMemoryBlocks, blocks) == 16);
QEMU_ABI(offsetof(RAMList, dirty_memory) == 64);

#endif /* RAMLIST_H */
