/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the test device (mdev vfio_mig_test-v1), as its guest sees them.
 *
 * Owns: PCI ids, the layout of BAR 0, and the pattern that its DMA writes.
 * Shared by the kernel driver that emulates the device and by the guest's
 * driver of it, so this file has macros only. Locks: none.
 *
 * All registers are 32 bits wide and little-endian; other widths and
 * unaligned accesses read as all ones and are ignored when written. The
 * registers, and whether the DMA runs, are part of the migrated state.
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
 * WO: counts COUNTER up, then raises MSI-X vector = value written; with MSI-X
 * off, raises INTx and sets VMT_INTR_PENDING. A vector that the device does
 * not have counts, and raises nothing.
 */
#define VMT_REG_DOORBELL	0x0c
/*
 * DMA engine. While RUN is set and the device runs and PCI_COMMAND has bus
 * master, it writes a burst of at most VMT_DMA_BURST_BYTES every
 * INTERVAL_US to guest memory, going round from ADDR to ADDR + SIZE. Address
 * and size are rounded to 8 bytes (address up, size down). A write that sets
 * RUN starts at ADDR.
 */
#define VMT_REG_DMA_ADDR_LO	0x10	/* RW: guest-physical (bus) address */
#define VMT_REG_DMA_ADDR_HI	0x14	/* RW */
#define VMT_REG_DMA_SIZE	0x18	/* RW: bytes, 0 = nothing is written */
#define VMT_REG_DMA_CTRL	0x1c	/* RW */
#define   VMT_DMA_CTRL_RUN	0x1
#define   VMT_DMA_CTRL_INTR	0x2	/* vector 0 (or INTx) after each burst */
#define VMT_REG_DMA_BURSTS	0x20	/* RO: bursts written since reset */
#define VMT_REG_DMA_INTERVAL_US	0x24	/* RW: microseconds; reset: 1000 */
#define VMT_REG_DMA_SEQ		0x28	/* RO: low half of the last word written */
#define VMT_REG_DMA_ERRORS	0x2c	/* RO: bursts that met no memory */
#define VMT_REG_INTR_STATUS	0x30	/* RO: VMT_INTR_PENDING while INTx is up */
#define VMT_REG_INTR_ACK	0x34	/* WO: any value lowers INTx */
#define VMT_BAR0_USED		0x38	/* beyond: reads 0, writes are ignored */

#define VMT_ID			0x54474d56	/* "VMGT" in memory */
#define VMT_INTR_PENDING	0x1
#define VMT_DMA_BURST_BYTES	4096
#define VMT_DMA_INTERVAL_US	1000
#define VMT_DMA_INTERVAL_MIN_US	100	/* less is taken as this */

/*
 * What the engine writes: 64-bit little-endian words that never repeat in the
 * life of a device, VMT_DMA_TAG in the 12 top bits, below it a number that
 * goes up by 1 from word to word. DMA_SEQ is its low half.
 */
#define VMT_DMA_TAG		0xd3a
#define VMT_DMA_TAG_SHIFT	52

#endif
