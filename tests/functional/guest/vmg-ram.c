// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's plain RAM, written and checked while the VM migrates
 *
 * Owns: an area that the CPU writes slice by slice, with different words each
 * time, and checks before it writes it again. So words lost by the migration of
 * RAM can be distinguished from words lost only from the device's DMA.
 * Locks: none; one worker calls vmg_ram_round().
 */
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "vmg.h"

#define SLICES		32
#define SLICE_WORDS	4096		/* of 8 bytes: 32 KiB */

static u64 *area;
static u64 generations[SLICES];
static unsigned int next_slice;

static u64 ram_word(u64 generation, unsigned int index)
{
	return (generation * SLICE_WORDS + index) * 0x9e3779b97f4a7c15ULL;
}

static void write_slice(unsigned int slice)
{
	u64 *words = area + slice * SLICE_WORDS;
	u64 generation = ++generations[slice];
	unsigned int i;

	for (i = 0; i < SLICE_WORDS; i++)
		WRITE_ONCE(words[i], ram_word(generation, i));
}

int vmg_ram_init(void)
{
	unsigned int slice;

	area = vmalloc(array3_size(SLICES, SLICE_WORDS, sizeof(u64)));
	if (!area)
		return -ENOMEM;
	for (slice = 0; slice < SLICES; slice++)
		write_slice(slice);
	return 0;
}

void vmg_ram_round(struct vmg *vmg)
{
	unsigned int slice = next_slice++ % SLICES;
	const u64 *words = area + slice * SLICE_WORDS;
	unsigned int i, wrong = 0, first = 0;

	for (i = 0; i < SLICE_WORDS; i++) {
		if (READ_ONCE(words[i]) != ram_word(generations[slice], i) &&
		    !wrong++)
			first = i;
	}
	if (wrong)
		vmg_error(vmg, "RAM: %u words of slice %u are wrong, first %u: %llx, not %llx",
			  wrong, slice, first, words[first],
			  ram_word(generations[slice], first));
	write_slice(slice);
}
