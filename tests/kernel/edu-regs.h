/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of QEMU's edu device
 *
 * Owns: the layout of its BAR 0. Shared by the kernel driver that saves and
 * loads them, by the guest's driver and by tests, so this file has only
 * macros. Locks: none. Source: docs/specs/edu.txt of QEMU.
 */
#ifndef EDU_REGS_H
#define EDU_REGS_H

#define EDU_ID			0x00	/* RO: EDU_ID_WORD */
#define   EDU_ID_WORD		0x010000ed
#define EDU_LIVENESS		0x04	/* RW: reads inverted */
#define EDU_FACTORIAL		0x08	/* RW: write n, read n! */
#define EDU_STATUS		0x20
#define   EDU_STATUS_BUSY	0x01	/* RO: computing a factorial */
#define   EDU_STATUS_INTR	0x80	/* RW: interrupt after a factorial */
#define EDU_INTR_STATUS		0x24	/* RO */
#define   EDU_INTR_FACTORIAL	0x001
#define   EDU_INTR_DMA		0x100
#define EDU_INTR_RAISE		0x60	/* WO: bits of INTR_STATUS */
#define EDU_INTR_ACK		0x64	/* WO: the same */

/* Accessed as 64 bits, or as the low 32 bits */
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_COUNT		0x90	/* bytes */
#define EDU_DMA_CMD		0x98
#define   EDU_DMA_RUN		0x1	/* set until it is done, 100 ms */
#define   EDU_DMA_TO_MEMORY	0x2	/* from the buffer; 0: to it */
#define   EDU_DMA_INTR		0x4	/* EDU_INTR_DMA when it is done */

/*
 * The buffer's DMA address. A copy that includes its last byte makes QEMU 7.2
 * exit, so tests copy half of it.
 */
#define EDU_BUFFER		0x40000
#define EDU_BUFFER_BYTES	4096
#define EDU_COPY_BYTES		(EDU_BUFFER_BYTES / 2)

#endif
