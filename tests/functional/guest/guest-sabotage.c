/*
 * Does the guest detect changes made to its device without its knowledge?
 *
 * Owns: changing a register, ringing once too often, an older word in the
 * DMA buffer, a flipped bit in RAM, a masked interrupt; and waiting until the
 * guest reports it.
 * Does not own: the guest (guest.h), what it checks (vmg-test.c, vmg-ram.c).
 * Locks: none. The guest's RAM is a file that QEMU shares with us.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest-internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio-mig-test-regs.h"

#define DEVICE_ADDRESS (0x80000000u | MACHINE_FIRST_SLOT << 11)
#define MSIX_VECTOR_CONTROL(vector) ((vector) * 16 + 12)
#define RAM_FACTOR UINT64_C(0x9e3779b97f4a7c15)     /* of vmg-ram.c */
#define PAGE_BYTES 4096
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))
#define LOOK_MS 100
#define LOOKS 2000
/* Polls between two attempts: a change was detected by then, or is gone */
#define AGAIN_LOOKS 100

typedef struct Sabotage {
    GuestPair *pair;
    uint64_t *ram;
    size_t ram_bytes;
    uint64_t registers;         /* guest-physical: BAR 0 and BAR 2 */
    uint64_t msix_table;
} Sabotage;

static uint64_t bar(VFIOSide *side, unsigned reg)
{
    uint64_t address;

    qtest_outl(side->qts, 0xcf8, DEVICE_ADDRESS | reg);
    address = qtest_inl(side->qts, 0xcfc) & ~0xfu;
    qtest_outl(side->qts, 0xcf8, DEVICE_ADDRESS | (reg + 4));
    return address | (uint64_t)qtest_inl(side->qts, 0xcfc) << 32;
}

static void map_ram(Sabotage *s)
{
    g_autofree char *path = guest_ram_path(s->pair->here);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    s->ram_bytes = st.st_size;
    s->ram = mmap(NULL, s->ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                  0);
    g_assert_true(s->ram != MAP_FAILED);
    close(fd);
}

/* The first page whose words increase by @step, with @tag in the top bits */
static uint64_t *find_page(Sabotage *s, uint64_t step, uint64_t tag)
{
    for (size_t at = 0; at < s->ram_bytes / 8; at += PAGE_WORDS) {
        uint64_t *words = s->ram + at;
        unsigned i = 1;

        if (tag && words[0] >> VMT_DMA_TAG_SHIFT != tag) {
            continue;
        }
        while (i < PAGE_WORDS && words[i] - words[i - 1] == step) {
            i++;
        }
        if (i == PAGE_WORDS) {
            return words;
        }
    }
    return NULL;
}

static void change_scratch(Sabotage *s)
{
    qtest_writel(s->pair->here->qts, s->registers + VMT_REG_SCRATCH,
                 0xdeadbeef);
}

static void ring_once_more(Sabotage *s)
{
    /* A vector that does not exist only increments the counter. */
    qtest_writel(s->pair->here->qts, s->registers + VMT_REG_DOORBELL, 99);
}

/* As if a page of an earlier round had not been overwritten */
static void age_dma_word(Sabotage *s)
{
    uint64_t *page = find_page(s, 1, VMT_DMA_TAG);

    if (page) {
        page[PAGE_WORDS / 2] -= PAGE_WORDS * 64;
    }
}

static void flip_ram(Sabotage *s)
{
    uint64_t *page = find_page(s, RAM_FACTOR, 0);

    if (page) {
        page[PAGE_WORDS / 2] ^= 1 << 9;
    }
}

static void mask_interrupt(Sabotage *s)
{
    qtest_writel(s->pair->here->qts,
                 s->msix_table + MSIX_VECTOR_CONTROL(1), 1);
}

static bool says(VFIOSide *side, const char *words)
{
    g_autofree char *text = guest_console(side);

    return strstr(text, words);
}

/*
 * If @again, do @harm repeatedly, as a change may come at a moment at which it
 * is not detected; otherwise once, as the change is permanent.
 */
static void expect_noticed(Sabotage *s, void (*harm)(Sabotage *), bool again,
                           const char *words)
{
    for (unsigned i = 0; i < LOOKS; i++) {
        if (i == 0 || (again && i % AGAIN_LOOKS == 0)) {
            harm(s);
        }
        g_usleep(LOOK_MS * 1000);
        if (says(s->pair->here, words)) {
            return;
        }
    }
    qtest_fail("%s: the guest does not notice: %s", s->pair->here->name,
               words);
}

void guest_expect_notices(GuestPair *pair)
{
    Sabotage s = { .pair = pair };

    map_ram(&s);
    s.registers = bar(pair->here, 0x10);
    s.msix_table = bar(pair->here, 0x18);
    g_assert_cmphex(qtest_readl(pair->here->qts, s.registers + VMT_REG_ID),
                    ==, VMT_ID);
    guest_expect_no_error(pair->here);
    expect_noticed(&s, change_scratch, true, "VMG-ERROR dev=test scratch");
    expect_noticed(&s, ring_once_more, true, "VMG-ERROR dev=test counter");
    expect_noticed(&s, age_dma_word, true, "VMG-ERROR dev=test DMA: 1 of");
    expect_noticed(&s, flip_ram, true, "VMG-ERROR dev=test RAM: 1 words");
    expect_noticed(&s, mask_interrupt, false,
                   "VMG-ERROR dev=test lost interrupt");
    munmap(s.ram, s.ram_bytes);
}
