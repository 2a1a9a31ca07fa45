/*
 * Dirty bitmaps of device DMA: arithmetic on pages and bits
 *
 * Pure: no device, no guest memory, no locks. Bit n of a bitmap stands for
 * the n-th page after the IOVA it was read for, as VFIO_IOMMU_DIRTY_PAGES
 * has it; words are uint64_t of the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_BITMAP_H
#define HW_VFIO_DIRTY_BITMAP_H

/* The kernel takes no bitmap of more pages: type1, 8 TiB of 4 KiB */
#define VFIO_DIRTY_PAGES_MAX    (UINT64_C(1) << 31)

/* Pages of one size, from an address that is a multiple of it */
typedef struct VFIODirtyRange {
    uint64_t iova;
    uint64_t pages;
} VFIODirtyRange;

/*
 * vfio_dirty_range: the whole pages of @first_iova to @last_iova
 *
 * Both are inclusive, so that the end of the address space is one too. The
 * range is made smaller to whole pages, as mappings for DMA are.
 *
 * @page_shift: 1 to 63
 * Returns: false where not one page is left; @range is then empty.
 */
bool vfio_dirty_range(uint64_t first_iova, uint64_t last_iova,
                      unsigned page_shift, VFIODirtyRange *range);

/* Bytes of a bitmap for @pages: whole words, as the kernel wants it. */
uint64_t vfio_dirty_bitmap_bytes(uint64_t pages);

/*
 * vfio_dirty_pages_max: how many pages one bitmap may have
 *
 * @max_bitmap_bytes: max_dirty_bitmap_size of the container's capability
 */
uint64_t vfio_dirty_pages_max(uint64_t max_bitmap_bytes);

/*
 * vfio_dirty_next_pages: how much of a range one bitmap is read for
 *
 * It must not end inside of a mapping.
 *
 * @offset_pages: where the range begins, in pages from where mappings are
 *                counted; mappings end at multiples of @mapping_pages
 * @mapping_pages: pages of one mapping, at least 1
 * @left_pages: of the range
 * @max_pages: for one bitmap
 * Returns: pages, at most @left_pages; 0 where not even one mapping fits.
 */
uint64_t vfio_dirty_next_pages(uint64_t offset_pages, uint64_t mapping_pages,
                               uint64_t left_pages, uint64_t max_pages);

/*
 * vfio_dirty_next_range: find the next set bits that lie side by side
 *
 * @at: where to search on; moved behind the range
 * @first, @count: the range, inside of @at to @end
 * Returns: false where no bit is set up to @end.
 */
bool vfio_dirty_next_range(const uint64_t *bitmap, uint64_t *at, uint64_t end,
                           uint64_t *first, uint64_t *count);

/* True where none of the @bits of @bitmap is set. */
bool vfio_dirty_is_clear(const uint64_t *bitmap, uint64_t bits);

/* True where all @bits of @bitmap, from bit @first on, are set. */
bool vfio_dirty_is_full(const uint64_t *bitmap, uint64_t first, uint64_t bits);

/* Bits of @words as pages: the first is page @first_page, a multiple of 64 */
typedef void VFIODirtyWordsFunc(const uint64_t *words, uint64_t first_page,
                                uint64_t nr_words, void *opaque);

/*
 * vfio_dirty_take_words: hand set bits over in whole words and clear them
 *
 * @first, @bits: of @bitmap; others are left alone
 * @page: which page of the receiver bit @first stands for
 * @func: gets words that hold at least one bit, little-endian, ascending
 */
void vfio_dirty_take_words(uint64_t *bitmap, uint64_t first, uint64_t bits,
                           uint64_t page, VFIODirtyWordsFunc *func,
                           void *opaque);

typedef void VFIODirtyPagesFunc(uint64_t first_page, uint64_t pages,
                                void *opaque);

/* vfio_dirty_take_pages: the same in ranges of pages */
void vfio_dirty_take_pages(uint64_t *bitmap, uint64_t first, uint64_t bits,
                           uint64_t page, VFIODirtyPagesFunc *func,
                           void *opaque);

#endif /* HW_VFIO_DIRTY_BITMAP_H */
