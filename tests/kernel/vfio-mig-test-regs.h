/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the test device (mdev vfio_mig_test-v1) as seen by the guest
 *
 * Owns: PCI ids, the layout of BAR 0, and the pattern written by its DMA.
 * Shared by the kernel driver that emulates the device and by the guest's
 * driver for it, so this file has only macros. Locks: none.
 *
 * All registers are 32 bits wide and little-endian; reads of other widths, or
 * unaligned ones, return all ones, such writes are ignored. The registers, and
 * whether DMA is running, are part of the migrated state.
 */
#ifndef VFIO_MIG_TEST_REGS_H
#define VFIO_MIG_TEST_REGS_H

#define VMT_PCI_VENDOR_ID	0x1b36
#define VMT_PCI_DEVICE_ID	0x00fe
#define VMT_PCI_CLASS		0x00ff00	/* "unassigned", no interface */

/* BAR 0: registers, 64-bit memory, trapped. BAR 2: MSI-X table and PBA. */
#define VMT_BAR0_SIZE		0x10000
#define VMT_BAR2_SIZE		0x4000
#define VMT_MSIX_PBA_OFFSET	0x2000	/* in BAR 2; the table is at 0 */

#define VMT_REG_ID		0x00	/* RO: VMT_ID */
#define VMT_REG_SCRATCH		0x04	/* RW */
#define VMT_REG_COUNTER		0x08	/* RO: doorbells rung */
/*
 * WO: increments COUNTER, then raises the MSI-X vector written; with MSI-X off,
 * raises INTx and sets VMT_INTR_PENDING. A vector that does not exist only
 * increments COUNTER.
 */
#define VMT_REG_DOORBELL	0x0c
/*
 * DMA engine. While RUN is set, the device runs and PCI_COMMAND has bus
 * master, it writes a burst of at most VMT_DMA_BURST_BYTES to guest memory
 * every INTERVAL_US, cyclically from ADDR to ADDR + SIZE. Address and size are
 * rounded to 8 bytes (address up, size down). A write that sets RUN starts at
 * ADDR.
 */
#define VMT_REG_DMA_ADDR_LO	0x10	/* RW: guest-physical (bus) address */
#define VMT_REG_DMA_ADDR_HI	0x14	/* RW */
#define VMT_REG_DMA_SIZE	0x18	/* RW: bytes; 0: nothing is written */
#define VMT_REG_DMA_CTRL	0x1c	/* RW */
#define   VMT_DMA_CTRL_RUN	0x1
#define   VMT_DMA_CTRL_INTR	0x2	/* vector 0 (or INTx) after each burst */
#define VMT_REG_DMA_BURSTS	0x20	/* RO: bursts written since reset */
#define VMT_REG_DMA_INTERVAL_US	0x24	/* RW: microseconds; reset: 1000 */
#define VMT_REG_DMA_SEQ		0x28	/* RO: low half of the last word written */
#define VMT_REG_DMA_ERRORS	0x2c	/* RO: bursts to unmapped memory */
#define VMT_REG_INTR_STATUS	0x30	/* RO: VMT_INTR_PENDING while INTx is up */
#define VMT_REG_INTR_ACK	0x34	/* WO: any value lowers INTx */
#define VMT_BAR0_USED		0x38	/* beyond: reads 0, ignores writes */

#define VMT_ID			0x54474d56	/* "VMGT" in memory */
#define VMT_INTR_PENDING	0x1
#define VMT_DMA_BURST_BYTES	4096
#define VMT_DMA_INTERVAL_US	1000
#define VMT_DMA_INTERVAL_MIN_US	100	/* lower values are rounded up */

/*
 * The engine writes 64-bit little-endian words, which never repeat during the
 * life of a device: VMT_DMA_TAG in the top 12 bits, and below it a number that
 * is incremented for each word. DMA_SEQ is its low half.
 */
#define VMT_DMA_TAG		0xd3a
#define VMT_DMA_TAG_SHIFT	52

#endif
