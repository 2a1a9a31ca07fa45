/*
 * A VFIO kernel and driver of protocol v1 that an input of a fuzzer plays
 *
 * Takes the place of the system calls (--wrap).
 *
 * Owns: the system calls of the subsystem under test, and the rules of the
 * contract that no driver, however bad, excuses a breach of: access widths,
 * reserved bits and invalid states, drawn or known arcs, order of data_offset
 * and data_size, bounds, and that a paused VM's device never runs
 * (docs/contract.md).
 *
 * One thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/vfio.h>
#include "qemu/units.h"
#include "hw/vfio/migration-state.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "sysemu/runstate.h"
#include "fuzz-kernel.h"

#define GROUP_PATH          "/dev/vfio/" FUZZ_GROUP
#define CONTAINER_PATH      "/dev/vfio/vfio"
#define CONFIG_INDEX        7
#define MIG_INDEX           9
#define NR_REGIONS          10
#define REGION_SHIFT        40
#define MAX_AREAS           7
#define MAX_MAP_BYTES       (1 * MiB)
#define CHUNK_BYTES         100     /* an honest chunk is not larger */
#define MAX_DATA_BYTES      (8 * MiB)   /* then a lie about sizes fails */
#define HONEST_BYTES        250     /* pending of an honest driver */

#define MAX_RULES           32

/* What is asked of a driver. */
typedef enum Event {
    EVENT_STATE_READ,
    EVENT_STATE_WRITE,
    EVENT_PENDING_READ,
    EVENT_OFFSET_READ,
    EVENT_SIZE_READ,
    EVENT_SIZE_WRITE,
    EVENT_DATA,
    EVENT_RESET,
    EVENT_MAP,
    NR_EVENTS,
} Event;

/* How it behaves then. */
typedef enum Deed {
    DEED_HONEST,
    DEED_FAIL,          /* an errno */
    DEED_SHORT,         /* a part of it */
    DEED_LIE,           /* a number of its choice */
    DEED_BREAK,         /* it fails and is in ERROR from now on */
    NR_DEEDS,
} Deed;

/* The accesses @first to @first + @count - 1 of @event, counted from 0 */
typedef struct Rule {
    Event event;
    unsigned first, count;
    Deed deed;
    uint64_t number;    /* index of an errno, bytes, or the lie */
} Rule;

static struct {
    int container_fd, group_fd, device_fd;
    Rule rules[MAX_RULES];
    unsigned nr_rules;
    unsigned nr_events[NR_EVENTS];
    uint64_t number;        /* of the rule that applies now */
    bool lied;
    bool unreadable;        /* device_state was, once */
    bool was_reset;
    bool recovery_failed;   /* a reset, or a transition after one */

    uint64_t region_size;
    struct {
        uint64_t offset, size;
    } areas[MAX_AREAS];
    unsigned nr_areas;
    uint64_t window;        /* data_offset of an honest driver */

    uint32_t device_state;
    uint32_t state_seen;    /* device_state as last read */
    uint64_t pending;
    uint64_t staged;        /* bytes of the chunk that is offered */
    bool offset_read;       /* data_offset, since the last pending_bytes */
    uint64_t data_offset, data_size;    /* as last told */
    uint64_t data_moved;    /* bytes in all; a test has no disk for more */
} kern = { .container_fd = -1, .group_fd = -1, .device_fd = -1 };

/* With FUZZ_VERBOSE in the environment each access is shown. */
G_GNUC_PRINTF(1, 2)
static void note(const char *format, ...)
{
    static int verbose = -1;
    va_list ap;

    if (verbose < 0) {
        verbose = getenv("FUZZ_VERBOSE") != NULL;
    }
    if (verbose) {
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
    }
}

/* ---- the script ---- */

/* The first rule for this access decides. */
static Deed next_deed(Event event)
{
    unsigned n = kern.nr_events[event]++;
    unsigned i;

    for (i = 0; i < kern.nr_rules; i++) {
        const Rule *rule = &kern.rules[i];

        if (rule->event == event && n >= rule->first &&
            n - rule->first < rule->count) {
            kern.number = rule->number;
            return rule->deed;
        }
    }
    return DEED_HONEST;
}

static ssize_t fail(void)
{
    static const int errors[] = { EINVAL, EIO, EINTR, EFAULT, ENODEV, EAGAIN,
                                  ENOMEM, EPERM };

    errno = errors[kern.number % ARRAY_SIZE(errors)];
    note(" fails: %s\n", strerror(errno));
    return -1;
}

static ssize_t break_device(void)
{
    kern.device_state |= VFIO_MIG_V1_ERROR;
    kern.device_state &= ~VFIO_MIG_V1_RUNNING;
    note(" breaks\n");
    errno = EIO;
    return -1;
}

static void read_rules(FuzzInput *script)
{
    while (script->size && kern.nr_rules < MAX_RULES) {
        Rule *rule = &kern.rules[kern.nr_rules++];

        rule->event = fuzz_u8(script) % NR_EVENTS;
        rule->first = fuzz_u8(script);
        rule->count = fuzz_u8(script);
        rule->deed = fuzz_u8(script) % NR_DEEDS;
        rule->number = fuzz_number(script);
    }
}

void fuzz_kernel_begin(FuzzInput script)
{
    unsigned i;

    memset(&kern, 0, sizeof(kern));
    kern.container_fd = kern.group_fd = kern.device_fd = -1;

    kern.region_size = fuzz_number(&script);
    if (kern.region_size < 64) {
        kern.region_size += 64 + MiB;
    }
    kern.window = VFIO_MIG_REGS_SIZE_BYTES + fuzz_u8(&script) % 32;
    kern.nr_areas = fuzz_u8(&script) % (MAX_AREAS + 1);
    for (i = 0; i < kern.nr_areas; i++) {
        kern.areas[i].offset = fuzz_number(&script);
        kern.areas[i].size = fuzz_number(&script);
    }
    kern.device_state = VFIO_MIG_V1_RUNNING |
                        (uint32_t)fuzz_u8(&script) << 24;
    kern.pending = HONEST_BYTES;
    read_rules(&script);
}

void fuzz_kernel_be_honest(void)
{
    kern.nr_rules = 0;
    kern.pending = HONEST_BYTES;
    kern.staged = kern.data_moved = 0;
}

static unsigned state_bits(void)
{
    return kern.device_state & VFIO_MIG_V1_STATE_MASK;
}

VFIOMigState fuzz_kernel_state(void)
{
    VFIOMigState state;

    g_assert_true(vfio_mig_v1_decode(state_bits(), &state));
    return state;
}

bool fuzz_kernel_lied(void)
{
    return kern.lied || kern.unreadable;
}

bool fuzz_kernel_recovery_failed(void)
{
    return kern.recovery_failed;
}

void fuzz_kernel_end(void)
{
    const int fds[] = { kern.container_fd, kern.group_fd, kern.device_fd };

    for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
        g_assert_true(fds[i] < 0 || fcntl(fds[i], F_GETFD) < 0);
    }
}

/* ---- the driver's registers ---- */

/* What an honest driver answers; reading has its effects. */
static uint64_t register_read(uint64_t reg)
{
    switch (reg) {
    case VFIO_MIG_REG_DEVICE_STATE:
        return kern.device_state;
    case VFIO_MIG_REG_PENDING_BYTES:
        kern.offset_read = false;
        kern.pending -= MIN(kern.staged, kern.pending);
        kern.staged = 0;
        return state_bits() & VFIO_MIG_V1_SAVING ? kern.pending : 0;
    case VFIO_MIG_REG_DATA_OFFSET:
        kern.offset_read = true;
        kern.staged = MIN(MIN(kern.pending, CHUNK_BYTES),
                          kern.region_size - kern.window);
        return kern.window;
    default:
        g_assert_cmphex(reg, ==, VFIO_MIG_REG_DATA_SIZE);
        /* data_offset first: only that stages a chunk */
        g_assert_true(kern.offset_read);
        return kern.staged;
    }
}

/* Remember what the client was told: it is what it must act on. */
static void register_told(uint64_t reg, uint64_t value)
{
    if (reg == VFIO_MIG_REG_DEVICE_STATE) {
        kern.state_seen = value;
        kern.lied |= (value ^ kern.device_state) & VFIO_MIG_V1_STATE_MASK;
    } else if (reg == VFIO_MIG_REG_DATA_OFFSET) {
        kern.data_offset = value;
    } else if (reg == VFIO_MIG_REG_DATA_SIZE) {
        kern.data_size = value;
    }
}

static ssize_t read_register(uint64_t reg, void *buf, size_t size)
{
    const size_t width = reg == VFIO_MIG_REG_DEVICE_STATE ? 4 : 8;
    const Event event = reg == VFIO_MIG_REG_DEVICE_STATE ? EVENT_STATE_READ :
        reg == VFIO_MIG_REG_PENDING_BYTES ? EVENT_PENDING_READ :
        reg == VFIO_MIG_REG_DATA_OFFSET ? EVENT_OFFSET_READ : EVENT_SIZE_READ;
    const Deed deed = next_deed(event);
    uint64_t value;
    uint32_t value32;

    note("read register 0x%" PRIx64 ", state 0x%x", reg, kern.device_state);
    g_assert_cmpuint(size, ==, width);
    kern.unreadable |= reg == VFIO_MIG_REG_DEVICE_STATE &&
                       deed != DEED_HONEST;
    if (deed == DEED_FAIL) {
        return fail();
    }
    if (deed == DEED_BREAK) {
        return break_device();
    }
    value = register_read(reg);
    if (deed == DEED_LIE) {
        value = kern.number;
    }
    if (deed == DEED_SHORT) {
        note(" short\n");
        return kern.number % width;
    }
    note(" = 0x%" PRIx64 "%s\n", value, deed == DEED_LIE ? ", a lie" : "");
    value32 = value;
    memcpy(buf, width == sizeof(value32) ? (const void *)&value32 : &value,
           width);
    register_told(reg, value);
    return width;
}

static void check_arc(uint32_t value)
{
    VFIOMigState from, to;

    g_assert_true(vfio_mig_v1_decode(value, &to));
    g_assert_cmpint(to, !=, VFIO_MIG_STATE_ERROR);
    g_assert_cmphex(value & ~VFIO_MIG_V1_STATE_MASK, ==,
                    kern.state_seen & ~VFIO_MIG_V1_STATE_MASK);
    if (value & VFIO_MIG_V1_RUNNING && state_bits() != 1) {
        g_assert_true(runstate_is_running());
    }
    if (!kern.lied) {
        g_assert_true(vfio_mig_v1_decode(kern.device_state, &from));
        g_assert_cmpint(vfio_mig_arc_index(&vfio_mig_v1_arcs, from, to), >=,
                        0);
    }
}

static ssize_t write_register(uint64_t reg, const void *buf, size_t size)
{
    const Deed deed = next_deed(reg == VFIO_MIG_REG_DATA_SIZE
                                ? EVENT_SIZE_WRITE : EVENT_STATE_WRITE);
    uint32_t state;

    note("write register 0x%" PRIx64 ", state 0x%x, deed %d\n", reg,
         kern.device_state, deed);
    if (reg == VFIO_MIG_REG_DATA_SIZE) {
        g_assert_cmpuint(size, ==, 8);
        g_assert_true(kern.offset_read);
    } else {
        g_assert_cmphex(reg, ==, VFIO_MIG_REG_DEVICE_STATE);
        g_assert_cmpuint(size, ==, sizeof(state));
        memcpy(&state, buf, sizeof(state));
        note("  0x%x -> 0x%x\n", kern.device_state, state);
        check_arc(state);
        kern.recovery_failed |= kern.was_reset && deed != DEED_HONEST;
    }
    switch (deed) {
    case DEED_FAIL:
        return fail();
    case DEED_SHORT:
        return kern.number % size;
    case DEED_BREAK:
        return break_device();
    case DEED_LIE:
        /* it says yes and stays where it was */
        kern.lied |= reg == VFIO_MIG_REG_DEVICE_STATE;
        return size;
    default:
        if (reg == VFIO_MIG_REG_DEVICE_STATE) {
            kern.device_state = state;
            kern.pending = MAX(kern.pending, HONEST_BYTES);
            kern.staged = 0;
        }
        kern.offset_read = false;
        return size;
    }
}

/* ---- data and configuration space ---- */

static ssize_t access_data(uint64_t offset, void *in, size_t size, bool saving)
{
    const unsigned state = state_bits();
    const Deed deed = next_deed(EVENT_DATA);

    note("%s %zu bytes at 0x%" PRIx64 ", deed %d\n", in ? "read" : "write",
         size, offset, deed);
    /* inside the region, at or behind what the driver told last */
    g_assert_cmpuint(offset, >=, kern.data_offset);
    g_assert_cmpuint(offset, <, kern.region_size);
    g_assert_cmpuint(size, <=, kern.region_size - offset);
    g_assert_cmpuint(size, <=, 1 * MiB);
    if (saving) {
        g_assert_cmpuint(size, <=,
                         kern.data_size - (offset - kern.data_offset));
    }
    if (!kern.lied && state != 6) {
        g_assert_true(saving ? state & VFIO_MIG_V1_SAVING
                             : state == VFIO_MIG_V1_RESUMING);
    }
    switch (deed) {
    case DEED_FAIL:
        return fail();
    case DEED_SHORT:
        size = kern.number % size;
        break;
    case DEED_BREAK:
        return break_device();
    default:
        break;
    }
    kern.data_moved += size;
    if (kern.data_moved > MAX_DATA_BYTES) {
        errno = EIO;
        return -1;
    }
    if (in) {
        memset(in, 0x5a, size);
    }
    return size;
}

static ssize_t device_access(void *in, const void *out, size_t size,
                             uint64_t position)
{
    uint64_t offset = position & ((UINT64_C(1) << REGION_SHIFT) - 1);

    if (position >> REGION_SHIFT == CONFIG_INDEX) {
        g_assert_cmpuint(offset + size, <=, 256);
        if (in) {
            memset(in, 0, size);
        }
        return size;
    }
    g_assert_cmpuint(position >> REGION_SHIFT, >=, MIG_INDEX);
    offset = position - ((uint64_t)MIG_INDEX << REGION_SHIFT);
    if (offset < VFIO_MIG_REGS_SIZE_BYTES) {
        return in ? read_register(offset, in, size)
                  : write_register(offset, out, size);
    }
    return access_data(offset, in, size, in != NULL);
}

/* ---- ioctls ---- */

static int container_ioctl(unsigned long request, void *arg)
{
    struct {
        struct vfio_iommu_type1_info info;
        struct vfio_iommu_type1_info_cap_migration cap;
    } *got = arg;

    switch (request) {
    case VFIO_GET_API_VERSION:
        return VFIO_API_VERSION;
    case VFIO_CHECK_EXTENSION:
        return 1;
    case VFIO_SET_IOMMU:
        return 0;
    default:
        g_assert_cmpuint(request, ==, VFIO_IOMMU_GET_INFO);
        got->info.flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
        got->info.iova_pgsizes = 4096;
        got->info.cap_offset = sizeof(got->info);
        if (got->info.argsz >= sizeof(*got)) {
            got->cap.header.id = VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION;
            got->cap.header.version = 1;
            got->cap.pgsize_bitmap = 4096;
            got->cap.max_dirty_bitmap_size = MiB;
        }
        got->info.argsz = sizeof(*got);
        return 0;
    }
}

static int group_ioctl(unsigned long request, void *arg)
{
    struct vfio_group_status *status = arg;

    switch (request) {
    case VFIO_GROUP_GET_STATUS:
        status->flags = VFIO_GROUP_FLAGS_VIABLE;
        return 0;
    case VFIO_GROUP_SET_CONTAINER:
    case VFIO_GROUP_UNSET_CONTAINER:
        return 0;
    default:
        g_assert_cmpuint(request, ==, VFIO_GROUP_GET_DEVICE_FD);
        kern.device_fd = memfd_create("device", MFD_CLOEXEC);
        return kern.device_fd;
    }
}

/* The migration region with its type and its areas. */
static void migration_region_info(struct vfio_region_info *info)
{
    struct vfio_region_info_cap_type *type = (void *)(info + 1);
    struct vfio_region_info_cap_sparse_mmap *sparse = (void *)(type + 1);
    const size_t bytes = sizeof(*info) + sizeof(*type) + sizeof(*sparse) +
                         kern.nr_areas * sizeof(sparse->areas[0]);
    unsigned i;

    info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
                  VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
    info->size = kern.region_size;
    if (info->argsz >= bytes) {
        info->cap_offset = sizeof(*info);
        type->header.id = VFIO_REGION_INFO_CAP_TYPE;
        type->header.next = sizeof(*info) + sizeof(*type);
        type->type = VFIO_MIG_REGION_TYPE;
        type->subtype = VFIO_MIG_REGION_SUBTYPE;
        sparse->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
        sparse->header.next = 0;
        sparse->nr_areas = kern.nr_areas;
        for (i = 0; i < kern.nr_areas; i++) {
            sparse->areas[i].offset = kern.areas[i].offset;
            sparse->areas[i].size = kern.areas[i].size;
        }
    }
    info->argsz = bytes;
}

static int region_info_ioctl(struct vfio_region_info *info)
{
    info->offset = (uint64_t)info->index << REGION_SHIFT;
    info->flags = 0;
    info->cap_offset = 0;
    info->size = info->index == CONFIG_INDEX ? 256 : 0;
    if (info->index == MIG_INDEX) {
        migration_region_info(info);
    } else {
        info->argsz = sizeof(*info);
    }
    return 0;
}

static int device_reset(void)
{
    note("reset\n");
    if (next_deed(EVENT_RESET) != DEED_HONEST) {
        /* whatever its register says, it counts as being in error now */
        kern.recovery_failed = kern.unreadable = true;
        return fail();
    }
    kern.device_state &= ~VFIO_MIG_V1_STATE_MASK;
    kern.device_state |= VFIO_MIG_V1_RUNNING;
    /* from here on its state is known again */
    kern.lied = kern.unreadable = false;
    kern.was_reset = true;
    return 0;
}

static int device_ioctl(unsigned long request, void *arg)
{
    struct vfio_device_info *info = arg;

    switch (request) {
    case VFIO_DEVICE_GET_INFO:
        info->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
        info->num_regions = NR_REGIONS;
        info->num_irqs = 0;
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return region_info_ioctl(arg);
    case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
        errno = ENOTTY;     /* it has a reset of its own, and no other */
        return -1;
    case VFIO_DEVICE_FEATURE:
        errno = ENOTTY;     /* a device of v1 */
        return -1;
    default:
        g_assert_cmpuint(request, ==, VFIO_DEVICE_RESET);
        return device_reset();
    }
}

/* ---- in place of the system calls ---- */

int __real_open64(const char *path, int flags, ...);
void *__real_mmap64(void *addr, size_t size, int prot, int flags, int fd,
                    off64_t position);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t position);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size,
                        off64_t position);
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd,
                    off64_t position);
void __wrap_g_usleep(gulong us);

int __wrap_open64(const char *path, int flags, ...)
{
    if (!strcmp(path, CONTAINER_PATH)) {
        return kern.container_fd = memfd_create("container", MFD_CLOEXEC);
    }
    if (!strcmp(path, GROUP_PATH)) {
        /* comes first; the numbers of closed ones may come again */
        kern.container_fd = kern.device_fd = -1;
        return kern.group_fd = memfd_create("group", MFD_CLOEXEC);
    }
    g_assert_false(flags & O_CREAT);
    return __real_open64(path, flags);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (fd == kern.container_fd) {
        return container_ioctl(request, arg);
    }
    if (fd == kern.group_fd) {
        return group_ioctl(request, arg);
    }
    g_assert_cmpint(fd, ==, kern.device_fd);
    return device_ioctl(request, arg);
}

ssize_t __wrap_pread64(int fd, void *buf, size_t size, off64_t position)
{
    g_assert_cmpint(fd, ==, kern.device_fd);
    return device_access(buf, NULL, size, position);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t size,
                        off64_t position)
{
    g_assert_cmpint(fd, ==, kern.device_fd);
    return device_access(NULL, buf, size, position);
}

/* Areas are mapped also where they lie outside: a driver may be so wrong. */
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd,
                    off64_t position)
{
    g_assert_cmpint(fd, ==, kern.device_fd);
    if (!size || size > MAX_MAP_BYTES || next_deed(EVENT_MAP) == DEED_FAIL) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    return __real_mmap64(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0);
}

/* Waiting for a driver of the script would only cost the fuzzer's time. */
void __wrap_g_usleep(gulong us)
{
}
