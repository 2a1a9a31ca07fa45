/*
 * A guest that programs its intel-iommu
 *
 * Owns: root, context and page tables in guest RAM, and the registers that
 * enable translation and invalidate. Three-level tables, 4 KiB pages, one
 * domain for one device.
 * Does not own: what the IOMMU does with it.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VTD_H
#define TESTS_QTEST_VTD_H

#include "libqtest.h"

/* For the command line, before the devices; needs machine "q35". */
#define VTD_ARGS "-device intel-iommu,intremap=off,caching-mode=on "

typedef struct VTD {
    QTestState *qts;
    uint64_t tables;            /* start of the tables in guest RAM */
    uint64_t next;              /* first free page there */
    uint64_t root;              /* root of the page tables */
    unsigned devfn;
} VTD;

/*
 * vtd_init: create empty tables for the device @devfn on bus 0
 *
 * @tables: a page of guest RAM; the 1 MiB from there must be free
 */
void vtd_init(VTD *vtd, QTestState *qts, uint64_t tables, unsigned devfn);

/* vtd_enable: enable translation, or disable it and pass all DMA through. */
void vtd_enable(VTD *vtd, bool enable);

/* Change the page tables for @pages and invalidate them in the IOMMU. */
void vtd_map(VTD *vtd, uint64_t iova, uint64_t address, unsigned pages);
void vtd_unmap(VTD *vtd, uint64_t iova, unsigned pages);

/* vtd_flush: invalidate everything that the IOMMU has cached for the domain. */
void vtd_flush(VTD *vtd);

#endif /* TESTS_QTEST_VTD_H */
