/*
 * Marking QEMU's RAM as dirty
 *
 * QEMU 7.2 interface, declared in our own words (docs/architecture.md).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef RAM_ADDR_H
#define RAM_ADDR_H

#include "exec/memory.h"
#include "exec/ramlist.h"
#include "qemu/atomic.h"

/* x86: what TARGET_PAGE_BITS is there */
#define RAM_ADDR_PAGE_BITS      12
#define RAM_ADDR_WORD_BITS      (sizeof(unsigned long) * CHAR_BIT)

#define DIRTY_CLIENTS_NOCODE \
    (1 << DIRTY_MEMORY_VGA | 1 << DIRTY_MEMORY_MIGRATION)

/* A bit of global_dirty_tracking: the dirty rate is measured */
#define GLOBAL_DIRTY_DIRTY_RATE (1U << 1)
extern uint64_t total_dirty_pages;

void bitmap_set_atomic(unsigned long *map, long start, long nr);

/*
 * Mark @length bytes from @start on, in whole pages, for the clients of
 * @mask (a bit of 1 << DIRTY_MEMORY_x each). Needs the BQL, or RCU in QEMU.
 */
static inline void cpu_physical_memory_set_dirty_range(ram_addr_t start,
                                                       ram_addr_t length,
                                                       uint8_t mask)
{
    ram_addr_t page = start >> RAM_ADDR_PAGE_BITS;
    ram_addr_t end = (start + length + (1 << RAM_ADDR_PAGE_BITS) - 1) >>
                     RAM_ADDR_PAGE_BITS;
    int client;

    while (page < end) {
        ram_addr_t block = page / DIRTY_MEMORY_BLOCK_SIZE;
        ram_addr_t first = page % DIRTY_MEMORY_BLOCK_SIZE;
        ram_addr_t count = MIN(end - page, DIRTY_MEMORY_BLOCK_SIZE - first);

        for (client = 0; client < DIRTY_MEMORY_NUM; client++) {
            if (mask & 1 << client) {
                bitmap_set_atomic(
                    qatomic_rcu_read(&ram_list.dirty_memory[client])->
                    blocks[block], first, count);
            }
        }
        page += count;
    }
}

/*
 * Bits that are set already cost a look and no more: those for a display,
 * which are forgotten for its own RAM only, nearly always are.
 */
static inline void ram_addr_set_bits(int client, ram_addr_t page,
                                     unsigned long word)
{
    unsigned long *bits = &qatomic_rcu_read(&ram_list.dirty_memory[client])->
        blocks[page / DIRTY_MEMORY_BLOCK_SIZE]
              [page % DIRTY_MEMORY_BLOCK_SIZE / RAM_ADDR_WORD_BITS];

    if (word & ~qatomic_read(bits)) {
        qatomic_or(bits, word);
    }
}

static inline void ram_addr_set_dirty_word(ram_addr_t page, unsigned long word)
{
    ram_addr_set_bits(DIRTY_MEMORY_VGA, page, word);
    if (global_dirty_tracking) {
        ram_addr_set_bits(DIRTY_MEMORY_MIGRATION, page, word);
        if (unlikely(global_dirty_tracking & GLOBAL_DIRTY_DIRTY_RATE)) {
            total_dirty_pages += __builtin_popcountl(word);
        }
    }
}

/*
 * Mark the pages whose bit is set in @bitmap, in little-endian words: @pages
 * from @start on, which must be that of a whole word. Differs from QEMU's in
 * one thing: no page counts as dirty for TCG's code, which would hide later
 * writes of a vCPU to code that was translated.
 */
static inline void
cpu_physical_memory_set_dirty_lebitmap(unsigned long *bitmap,
                                       ram_addr_t start, ram_addr_t pages)
{
    ram_addr_t page = start >> RAM_ADDR_PAGE_BITS;
    ram_addr_t i;

    assert(page % RAM_ADDR_WORD_BITS == 0);
    for (i = 0; i * RAM_ADDR_WORD_BITS < pages; i++) {
        if (bitmap[i]) {
            ram_addr_set_dirty_word(page + i * RAM_ADDR_WORD_BITS,
                                    GULONG_FROM_LE(bitmap[i]));
        }
    }
}

#endif /* RAM_ADDR_H */
