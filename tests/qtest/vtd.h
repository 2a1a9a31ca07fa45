/*
 * A guest that programs its intel-iommu
 *
 * Owns: root, context and page tables in guest RAM, the registers to enable
 * translation and to invalidate. Three levels of tables, pages of 4 KiB, one
 * domain for one device.
 * Does not own: what the IOMMU does with it.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VTD_H
#define TESTS_QTEST_VTD_H

#include "libqtest.h"

/* For the command line, before the devices; the machine must be "q35". */
#define VTD_ARGS "-device intel-iommu,intremap=off,caching-mode=on "

typedef struct VTD {
    QTestState *qts;
    uint64_t tables;            /* where the tables lie in guest RAM */
    uint64_t next;              /* the first page that is free there */
    uint64_t root;              /* of the page tables */
    unsigned devfn;
} VTD;

/*
 * vtd_init: tables with nothing mapped for the device at bus 0, @devfn
 *
 * @tables: page of guest RAM from which 1 MiB is free
 */
void vtd_init(VTD *vtd, QTestState *qts, uint64_t tables, unsigned devfn);

/* vtd_enable: translate, or (false) pass all through again. */
void vtd_enable(VTD *vtd, bool enable);

/* Change the tables for @pages, and tell the IOMMU. */
void vtd_map(VTD *vtd, uint64_t iova, uint64_t address, unsigned pages);
void vtd_unmap(VTD *vtd, uint64_t iova, unsigned pages);

/* vtd_flush: invalidate all that the IOMMU knows of the domain. */
void vtd_flush(VTD *vtd);

#endif /* TESTS_QTEST_VTD_H */
