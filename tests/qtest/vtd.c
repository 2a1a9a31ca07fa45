/*
 * A guest that programs its intel-iommu
 *
 * Owns: see vtd.h. Source: Intel's VT-d specification, sections 9 (tables) and
 * 10 (registers); register-based invalidation.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vtd.h"

#define BASE            UINT64_C(0xfed90000)
#define REG_GCMD        0x18
#define REG_RTADDR      0x20
#define REG_CCMD        0x28
#define REG_IVA         0xf0
#define REG_IOTLB       0xf8

#define GCMD_ENABLE     (UINT32_C(1) << 31)
#define GCMD_SET_ROOT   (UINT32_C(1) << 30)
#define CCMD_GLOBAL     (UINT64_C(1) << 63 | UINT64_C(1) << 61)
#define IOTLB_GO        (UINT64_C(1) << 63)
#define IOTLB_DOMAIN    (UINT64_C(2) << 60)
#define IOTLB_PAGES     (UINT64_C(3) << 60)

#define DOMAIN          UINT64_C(1)
#define PAGE            UINT64_C(4096)
#define READ_WRITE      3
#define PRESENT         1
#define THREE_LEVELS    1       /* address width 39 */

static uint64_t new_table(VTD *vtd)
{
    uint64_t table = vtd->next;

    vtd->next += PAGE;
    g_assert_cmphex(vtd->next, <=, vtd->tables + (1 << 20));
    qtest_memset(vtd->qts, table, 0, PAGE);
    return table;
}

void vtd_init(VTD *vtd, QTestState *qts, uint64_t tables, unsigned devfn)
{
    uint64_t root, context;

    *vtd = (VTD) {
        .qts = qts, .tables = tables, .next = tables, .devfn = devfn,
    };
    root = new_table(vtd);
    context = new_table(vtd);
    vtd->root = new_table(vtd);
    qtest_writeq(qts, root, context | PRESENT);
    qtest_writeq(qts, context + devfn * 16, vtd->root | PRESENT);
    qtest_writeq(qts, context + devfn * 16 + 8, DOMAIN << 8 | THREE_LEVELS);
    qtest_writeq(qts, BASE + REG_RTADDR, root);
    qtest_writel(qts, BASE + REG_GCMD, GCMD_SET_ROOT);
}

void vtd_flush(VTD *vtd)
{
    qtest_writeq(vtd->qts, BASE + REG_CCMD, CCMD_GLOBAL);
    qtest_writeq(vtd->qts, BASE + REG_IOTLB,
                 IOTLB_GO | IOTLB_DOMAIN | DOMAIN << 32);
}

void vtd_enable(VTD *vtd, bool enable)
{
    if (enable) {
        vtd_flush(vtd);
    }
    qtest_writel(vtd->qts, BASE + REG_GCMD, enable ? GCMD_ENABLE : 0);
}

/* Address of the page table entry of @iova; creates missing tables. */
static uint64_t entry_of(VTD *vtd, uint64_t iova)
{
    uint64_t table = vtd->root;

    for (unsigned shift = 30; shift > 12; shift -= 9) {
        uint64_t at = table + (iova >> shift & 511) * 8;
        uint64_t entry = qtest_readq(vtd->qts, at);

        if (!entry) {
            entry = new_table(vtd) | READ_WRITE;
            qtest_writeq(vtd->qts, at, entry);
        }
        table = entry & -PAGE;
    }
    return table + (iova >> 12 & 511) * 8;
}

/* Page-selective invalidation, in naturally aligned blocks */
static void invalidate(VTD *vtd, uint64_t iova, unsigned pages)
{
    uint64_t end = iova + pages * PAGE;

    while (iova < end) {
        unsigned order = 0;

        while (!(iova & (PAGE << order)) &&
               iova + (PAGE << (order + 1)) <= end) {
            order++;
        }
        qtest_writeq(vtd->qts, BASE + REG_IVA, iova | order);
        qtest_writeq(vtd->qts, BASE + REG_IOTLB,
                     IOTLB_GO | IOTLB_PAGES | DOMAIN << 32);
        iova += PAGE << order;
    }
}

void vtd_map(VTD *vtd, uint64_t iova, uint64_t address, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        qtest_writeq(vtd->qts, entry_of(vtd, iova + i * PAGE),
                     (address + i * PAGE) | READ_WRITE);
    }
    invalidate(vtd, iova, pages);
}

void vtd_unmap(VTD *vtd, uint64_t iova, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        qtest_writeq(vtd->qts, entry_of(vtd, iova + i * PAGE), 0);
    }
    invalidate(vtd, iova, pages);
}
