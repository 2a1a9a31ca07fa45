/*
 * Dirty bitmaps of device DMA: arithmetic on pages and bits
 *
 * Pure: no device, no guest memory, no locks. As in VFIO_IOMMU_DIRTY_PAGES,
 * bit n of a bitmap stands for the n-th page after the IOVA that it was read
 * for; words are uint64_t in host byte order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_DIRTY_BITMAP_H
#define HW_VFIO_DIRTY_BITMAP_H

/* Most pages per bitmap that type1 accepts: 8 TiB in pages of 4 KiB */
#define VFIO_DIRTY_PAGES_MAX    (UINT64_C(1) << 31)

/* Pages of one size; the address is a multiple of that size */
typedef struct VFIODirtyRange {
    uint64_t iova;
    uint64_t pages;
} VFIODirtyRange;

/*
 * vfio_dirty_range: the whole pages of @first_iova to @last_iova
 *
 * Both are inclusive, so that a range can end at the end of the address space.
 * The range is shrunk to whole pages, as mappings for DMA are.
 *
 * @page_shift: 1 to 63
 * Returns: false if no whole page is left; @range is then empty.
 */
bool vfio_dirty_range(uint64_t first_iova, uint64_t last_iova,
                      unsigned page_shift, VFIODirtyRange *range);

/* Size in bytes of a bitmap for @pages: whole words, as the kernel requires */
uint64_t vfio_dirty_bitmap_bytes(uint64_t pages);

/*
 * vfio_dirty_pages_max: how many pages one bitmap may have
 *
 * @max_bitmap_bytes: max_dirty_bitmap_size of the container's capability
 */
uint64_t vfio_dirty_pages_max(uint64_t max_bitmap_bytes);

/*
 * vfio_dirty_next_pages: how much of a range to read with one bitmap
 *
 * The part must not end inside a mapping.
 *
 * @offset_pages: start of the range, in pages from the start of the first
 *                mapping; mappings end at multiples of @mapping_pages
 * @mapping_pages: pages of one mapping, at least 1
 * @left_pages: remaining pages of the range
 * @max_pages: limit of one bitmap
 * Returns: pages, at most @left_pages; 0 if not even one mapping fits.
 */
uint64_t vfio_dirty_next_pages(uint64_t offset_pages, uint64_t mapping_pages,
                               uint64_t left_pages, uint64_t max_pages);

/*
 * vfio_dirty_next_range: find the next range of consecutive set bits
 *
 * @at: where to start searching; advanced past the range
 * @first, @count: the range, between @at and @end
 * Returns: false if no bit is set before @end.
 */
bool vfio_dirty_next_range(const uint64_t *bitmap, uint64_t *at, uint64_t end,
                           uint64_t *first, uint64_t *count);

/* True if none of the first @bits of @bitmap is set. */
bool vfio_dirty_is_clear(const uint64_t *bitmap, uint64_t bits);

/* True if all @bits of @bitmap, starting at bit @first, are set. */
bool vfio_dirty_is_full(const uint64_t *bitmap, uint64_t first, uint64_t bits);

/*
 * Called with whole words of bits. The first bit stands for page @first_page,
 * which is a multiple of 64.
 */
typedef void VFIODirtyWordsFunc(const uint64_t *words, uint64_t first_page,
                                uint64_t nr_words, void *opaque);

/*
 * vfio_dirty_take_words: pass set bits to @func in whole words and clear them
 *
 * @first, @bits: part of @bitmap; other bits are left alone
 * @page: the receiver's page that bit @first stands for
 * @func: gets words with at least one bit set, little-endian, ascending
 */
void vfio_dirty_take_words(uint64_t *bitmap, uint64_t first, uint64_t bits,
                           uint64_t page, VFIODirtyWordsFunc *func,
                           void *opaque);

typedef void VFIODirtyPagesFunc(uint64_t first_page, uint64_t pages,
                                void *opaque);

/* vfio_dirty_take_pages: the same, but @func gets ranges of pages */
void vfio_dirty_take_pages(uint64_t *bitmap, uint64_t first, uint64_t bits,
                           uint64_t page, VFIODirtyPagesFunc *func,
                           void *opaque);

#endif /* HW_VFIO_DIRTY_BITMAP_H */
