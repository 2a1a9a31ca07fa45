/*
 * Checks that this is the QEMU that the subsystem was built for
 *
 * Owns: the early checks: version, symbols, the subsystem's requirements,
 * machine code, constants in QEMU's data, room for jumps at the entries.
 * Not here: checks that need QEMU's classes (checks-class.c), the patterns
 * (code-patterns.c). Locks: none; runs before main(), single-threaded.
 * Source: abi.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "checks.h"
#include "code-patterns.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool attach_is_qemu(Attach *attach)
{
    static const char *const marks[] = {
        "qemu_init", "qmp_query_version", "register_module_init",
    };
    char path[PATH_MAX];
    ImageSymbol symbol;
    ssize_t length;
    bool all = true;
    const char *base;

    if (!image_find(&attach->image)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        all = all && image_symbol(&attach->image, marks[i], &symbol);
    }
    if (all) {
        return true;
    }
    /* A QEMU that exports nothing must be refused by a check, not ignored. */
    length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (length < 0) {
        return false;
    }
    path[length] = '\0';
    base = strrchr(path, '/');
    return base && !strncmp(base + 1, "qemu-system-", 12);
}

/* Same layout as in QEMU's QAPI types for query-version */
typedef struct VersionTriple {
    int64_t major;
    int64_t minor;
    int64_t micro;
} VersionTriple;

typedef struct VersionInfo {
    VersionTriple *qemu;
    char *package;
} VersionInfo;

static bool check_version(Attach *attach, Refusal *why)
{
    VersionInfo *(*query)(void **errp);
    void (*release)(VersionInfo *info);
    ImageSymbol query_symbol, release_symbol;
    VersionInfo *info;
    VersionTriple found;

    if (!image_symbol(&attach->image, "qmp_query_version", &query_symbol) ||
        !image_symbol(&attach->image, "qapi_free_VersionInfo",
                      &release_symbol)) {
        return refuse(why, "this QEMU does not export qmp_query_version");
    }
    memcpy(&query, &query_symbol.address, sizeof(query));
    memcpy(&release, &release_symbol.address, sizeof(release));
    info = query(NULL);
    found = *info->qemu;
    snprintf(attach->version, sizeof(attach->version),
             "%" PRId64 ".%" PRId64 ".%" PRId64 "%s%s", found.major,
             found.minor, found.micro, *info->package ? " " : "",
             info->package);
    release(info);
    if (found.major != ABI_VERSION_MAJOR || found.minor != ABI_VERSION_MINOR ||
        found.micro < ABI_VERSION_MICRO_MIN ||
        found.micro >= ABI_VERSION_MICRO_END) {
        return refuse(why, "this is QEMU %s, %d.%d.%d or a later %d.%d.z was "
                      "expected", attach->version, ABI_VERSION_MAJOR,
                      ABI_VERSION_MINOR, ABI_VERSION_MICRO_MIN,
                      ABI_VERSION_MAJOR, ABI_VERSION_MINOR);
    }
    attach->newer = found.micro > ABI_VERSION_MICRO_KNOWN;
    attach->facts++;
    return true;
}

/* The functions that we replace, or call from here */
static bool check_symbols(Attach *attach, Refusal *why)
{
    static const char *const names[] = {
        "vfio_migration_probe", "vfio_migration_finalize", "vfio_mig_active",
        "vfio_mig_bytes_transferred", "populate_vfio_info",
        "register_module_init", "qemu_global_option", "object_class_by_name",
        "object_class_property_find", "object_class_dynamic_cast",
    };
    ImageSymbol symbol;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!image_symbol(&attach->image, names[i], &symbol) ||
            !image_has_code(&attach->image, symbol.address,
                            symbol.size_bytes)) {
            return refuse(why, "this QEMU does not export the function %s",
                          names[i]);
        }
        attach->facts++;
    }
    return true;
}

/*
 * The dynamic linker finds each function and object that the subsystem uses,
 * or reports which one is missing. Loading runs no code of the subsystem.
 */
static bool check_subsystem(Attach *attach, Refusal *why)
{
    const char *base = strrchr(attach->library, '/');
    char path[PATH_MAX];
    int length;

    length = snprintf(path, sizeof(path), "%.*s/vfio-migration.so",
                      base ? (int)(base - attach->library) : 1,
                      base ? attach->library : ".");
    if (length >= (int)sizeof(path)) {
        return refuse(why, "the path of %s is too long", attach->library);
    }
    attach->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!attach->handle) {
        return refuse(why, "%s", dlerror());
    }
    attach->table = dlsym(attach->handle, ATTACH_TABLE_SYMBOL);
    if (!attach->table || attach->table->version != ATTACH_TABLE_VERSION) {
        return refuse(why, "%s is of another version of this software", path);
    }
    attach->facts++;
    return true;
}

/* The code to search for @pattern; size 0 if there is none */
static ImageSymbol code_range(const Attach *attach, const CodePattern *pattern)
{
    ImageSymbol from, until;

    if (!image_symbol(&attach->image, pattern->function, &from)) {
        return (ImageSymbol) { 0 };
    }
    if (pattern->until) {
        if (!image_symbol(&attach->image, pattern->until, &until) ||
            until.address < from.address) {
            return (ImageSymbol) { 0 };
        }
        from.size_bytes = until.address - from.address;
    }
    if (!image_has_code(&attach->image, from.address, from.size_bytes)) {
        return (ImageSymbol) { 0 };
    }
    return from;
}

/* Prepare the search for @pattern, including the function it calls, if any */
static bool code_prepare(const Attach *attach, const CodePattern *pattern,
                         CodeBytes *bytes)
{
    ImageSymbol callee = { 0 };

    if (!code_compile(pattern, bytes) ||
        (pattern->calls &&
         !image_symbol(&attach->image, pattern->calls, &callee))) {
        return false;
    }
    bytes->callee = callee.address;
    code_take_any_offset(bytes);
    return true;
}

/* All matches of the pattern in @range have its offset, and there is one */
static bool check_pattern(const CodePattern *pattern, const CodeBytes *bytes,
                          ImageSymbol range, Refusal *why)
{
    const uint8_t *end = range.address + range.size_bytes;
    const uint8_t *at = range.address;
    bool found = false;

    while ((at = code_find(bytes, at, end - at))) {
        uint32_t offset = code_offset_at(bytes, at);

        if (offset != pattern->offset_bytes) {
            return refuse(why, "%s: in %s it has the offset %" PRIu32 ", %"
                          PRIu32 " was expected", pattern->member,
                          pattern->function, offset, pattern->offset_bytes);
        }
        found = true;
        at++;
    }
    return found ||
           refuse(why, "%s: the %zu bytes of code from %s have not the "
                  "instructions that were expected, with the offset %" PRIu32,
                  pattern->member, range.size_bytes, pattern->function,
                  pattern->offset_bytes);
}

static bool check_code(Attach *attach, Refusal *why)
{
    for (size_t i = 0; i < code_patterns_count; i++) {
        const CodePattern *pattern = &code_patterns[i];
        ImageSymbol range = code_range(attach, pattern);
        CodeBytes bytes;

        if (!range.size_bytes || !code_prepare(attach, pattern, &bytes)) {
            return refuse(why, "this QEMU does not export %s",
                          range.size_bytes ? pattern->calls
                                           : pattern->function);
        }
        if (!check_pattern(pattern, &bytes, range, why)) {
            return false;
        }
        attach->facts++;
    }
    return true;
}

/*
 * The offset of the dirty bits in ram_list. The code contains their address
 * relative to itself: lea REGISTER, [instruction's end + 32 bits]
 */
static bool check_ram_list(Attach *attach, Refusal *why)
{
    ImageSymbol code, list;

    if (!image_symbol(&attach->image, "memory_region_set_dirty", &code) ||
        !image_symbol(&attach->image, "ram_list", &list) ||
        !image_has_code(&attach->image, code.address, code.size_bytes)) {
        return refuse(why, "this QEMU does not export ram_list and "
                      "memory_region_set_dirty");
    }
    for (size_t i = 0; i + 7 <= code.size_bytes; i++) {
        const uint8_t *at = code.address + i;
        int32_t relative;

        memcpy(&relative, at + 3, sizeof(relative));
        if ((at[0] & 0xfb) == 0x48 && at[1] == 0x8d && (at[2] & 0xc7) == 5 &&
            at + 7 + relative == list.address + ABI_RAM_LIST_DIRTY_MEMORY) {
            attach->facts++;
            return true;
        }
    }
    return refuse(why, "RAMList.dirty_memory: no instruction of "
                  "memory_region_set_dirty has the offset %d, which was "
                  "expected", ABI_RAM_LIST_DIRTY_MEMORY);
}

/* A constant MemoryListener: check its size, and the offset of its name */
static bool check_listener(Attach *attach, Refusal *why)
{
    ImageSymbol symbol;
    const char *name;

    if (!image_symbol(&attach->image, "vfio_prereg_listener", &symbol)) {
        return refuse(why, "this QEMU does not export vfio_prereg_listener");
    }
    if (symbol.size_bytes != ABI_LISTENER_SIZEOF) {
        return refuse(why, "a MemoryListener has %zu bytes, %d were expected",
                      symbol.size_bytes, ABI_LISTENER_SIZEOF);
    }
    name = image_text(&attach->image,
                      image_pointer(&attach->image, symbol.address,
                                    ABI_LISTENER_NAME));
    if (strcmp(name, "vfio-pre-reg")) {
        return refuse(why, "MemoryListener.name of vfio_prereg_listener is "
                      "'%.32s', 'vfio-pre-reg' was expected", name);
    }
    attach->facts += 2;
    return true;
}

/* QEMU's own trace events for VFIO must have the same layout as ours */
static bool check_trace_events(Attach *attach, Refusal *why)
{
    const Image *image = &attach->image;
    ImageSymbol group, event;
    const uint8_t *first;
    const char *name;

    if (!image_symbol(image, "hw_vfio_trace_events", &group) ||
        !image_symbol(image, "_TRACE_VFIO_MIGRATION_PROBE_EVENT", &event)) {
        return refuse(why, "this QEMU does not export hw_vfio_trace_events");
    }
    if (event.size_bytes != ABI_TRACE_EVENT_SIZEOF) {
        return refuse(why, "a TraceEvent has %zu bytes, %d were expected",
                      event.size_bytes, ABI_TRACE_EVENT_SIZEOF);
    }
    name = image_text(image, image_pointer(image, event.address,
                                           ABI_TRACE_EVENT_NAME));
    first = image_pointer(image, group.address, 0);
    if (strcmp(name, "vfio_migration_probe") ||
        event.address[ABI_TRACE_EVENT_SSTATE] != 1 ||
        !image_pointer(image, event.address, ABI_TRACE_EVENT_DSTATE) ||
        !image_has(image, first, ABI_TRACE_EVENT_SIZEOF)) {
        return refuse(why, "the trace event vfio_migration_probe is named "
                      "'%.32s' and has static state %u, another layout than "
                      "was expected", name,
                      event.address[ABI_TRACE_EVENT_SSTATE]);
    }
    attach->facts += 2;
    return true;
}

/* The numbers of the run states that the subsystem compares or sets */
static bool check_run_states(Attach *attach, Refusal *why)
{
    static const struct {
        size_t number;
        const char *name;
    } expected[] = {
        { ABI_RUN_STATE_INTERNAL_ERROR, "internal-error" },
        { ABI_RUN_STATE_SAVE_VM, "save-vm" },
    };
    const Image *image = &attach->image;
    ImageSymbol lookup;
    const void *names;
    int count;

    if (!image_symbol(image, "RunState_lookup", &lookup) ||
        lookup.size_bytes < ABI_ENUM_SIZE + sizeof(count)) {
        return refuse(why, "this QEMU does not export RunState_lookup");
    }
    memcpy(&count, lookup.address + ABI_ENUM_SIZE, sizeof(count));
    if (count != ABI_RUN_STATE_COUNT) {
        return refuse(why, "there are %d run states, %d were expected", count,
                      ABI_RUN_STATE_COUNT);
    }
    names = image_pointer(image, lookup.address, ABI_ENUM_ARRAY);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const char *name = image_text(
            image, image_pointer(image, names,
                                 expected[i].number * sizeof(char *)));

        if (strcmp(name, expected[i].name)) {
            return refuse(why, "run state %zu is '%.32s', '%s' was expected",
                          expected[i].number, name, expected[i].name);
        }
        attach->facts++;
    }
    return true;
}

/* Each function to be replaced must have room for a jump */
static bool check_entries(Attach *attach, Refusal *why)
{
    for (size_t i = 0; i < ATTACH_ENTRY_COUNT; i++) {
        Redirect *redirect = &attach->redirects[i];
        ImageSymbol symbol;
        uint8_t *limit;

        redirect->name = attach->table->entries[i].name;
        redirect->target = attach->table->entries[i].function;
        if (!image_symbol(&attach->image, redirect->name, &symbol)) {
            return refuse(why, "this QEMU does not export %s",
                          redirect->name);
        }
        redirect->entry = symbol.address;
        redirect->size_bytes = symbol.size_bytes;
        limit = symbol.address + symbol.size_bytes;
        if (image_has_code(&attach->image, limit, 64)) {
            limit += 64;
        }
        if (!redirect_check(redirect, limit, why)) {
            return false;
        }
        attach->facts++;
    }
    return true;
}

/*
 * Is this process allowed to change code at all? This is tried on another
 * mapping of the same file, because a policy that forbids it (SELinux,
 * PR_SET_MDWE) may apply half way, when the page is not executable any more.
 */
static bool check_code_pages(Attach *attach, Refusal *why)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    size_t size_bytes = sysconf(_SC_PAGESIZE);
    volatile uint8_t *page;
    int error = 0;

    page = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (page == MAP_FAILED) {
        error = errno;
    } else {
        page[0] = page[0];
        if (mprotect((void *)page, size_bytes, PROT_READ | PROT_EXEC)) {
            error = errno;
        }
        munmap((void *)page, size_bytes);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (error) {
        return refuse(why, "a changed page of QEMU's code may not be made "
                      "executable in this process: %s", strerror(error));
    }
    attach->facts++;
    return true;
}

const AttachCheck attach_checks_early[] = {
    { "version", check_version },
    { "symbols", check_symbols },
    { "subsystem", check_subsystem },
    { "code", check_code },
    { "ram-list", check_ram_list },
    { "listener", check_listener },
    { "trace-events", check_trace_events },
    { "run-states", check_run_states },
    { "entries", check_entries },
    { "code-pages", check_code_pages },
    { NULL, NULL },
};

bool attach_run_checks(Attach *attach, const AttachCheck *checks,
                       const char **name, Refusal *why)
{
    for (; checks->name; checks++) {
        *name = checks->name;
        if (!checks->run(attach, why)) {
            return false;
        }
    }
    return true;
}
