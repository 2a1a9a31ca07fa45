/*
 * When QEMU 7.2 stops a VM whose devices report what migration-estimate.c
 * says
 *
 * QEMU's loop as a model with a clock of its own: what it sums up, its
 * threshold, its limit of bandwidth, and RAM that is synchronized, sent and
 * written to again. A second VM of the same kind reports its device's size as
 * it is: so it is seen where QEMU's figure alone never ends.
 *
 * Source: QEMU 7.2's migration_iteration_run(), migration_update_counters(),
 * migration_rate_limit(), ram_save_pending() and ram_save_iterate().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-estimate.h"

#define MB              UINT64_C(1000000)
#define DEVICES_MAX     256
#define PAGE_BYTES      4096
/* That a device with nothing to give waits where all else is done */
#define PAUSE_US        5000

static bool qemu_stops(uint64_t sum, uint64_t threshold)
{
    return !sum || sum < threshold;
}

/* ---- the model ---- */

typedef struct Device {
    VFIOMigEstimate e;
    bool precopy;
    bool stop_unknown;
    bool gives_none;            /* has bytes to give, and does not */
    uint64_t initial, dirty;
    uint64_t dirty_per_ms;
    unsigned initial_again;     /* how often it comes once more */
    uint64_t read_per_us;       /* 0: as fast as the link */
    uint64_t stop;              /* without what can be read before */
    unsigned asked, guesses, warnings;
    uint64_t would_do_ms;
} Device;

typedef struct Vm {
    uint64_t limit_ms;
    uint64_t max_per_s;         /* QEMU's max-bandwidth */
    uint64_t link_per_us;
    uint64_t ram, ram_per_ms;   /* to be sent; written by the guest */
    uint64_t zero_pages;        /* behind it: looked through, hardly sent */
    bool naive;                 /* devices report their sizes as they are */

    Device *devices;
    unsigned nr_devices;

    uint64_t now_us, unsynced_us;
    uint64_t sent, limit_used;
    uint64_t window_us, window_sent, threshold;
} Vm;

static void vm_send(Vm *vm, uint64_t bytes, uint64_t per_us)
{
    per_us = per_us ? MIN(per_us, vm->link_per_us) : vm->link_per_us;
    vm->now_us += (bytes + per_us - 1) / per_us;
    vm->sent += bytes;
    vm->limit_used += bytes;
}

static bool vm_is_limited(const Vm *vm)
{
    return vm->max_per_s && vm->limit_used > vm->max_per_s / 10;
}

static void device_tell(Device *d)
{
    VFIOMigSizes sizes = {
        .precopy_known = d->precopy,
        .initial_bytes = d->initial, .dirty_bytes = d->dirty,
        .stop_known = !d->stop_unknown,
        .stop_bytes = d->stop + d->initial + d->dirty,
    };

    vfio_mig_estimate_update(&d->e, &sizes);
    d->asked++;
}

static uint64_t device_pending(Vm *vm, Device *d, uint64_t others)
{
    VFIOMigLook look = {
        .now_ns = vm->now_us * 1000, .threshold_bytes = vm->threshold,
        .limit_ms = vm->limit_ms, .others_bytes = others,
    };

    if (vm->naive) {
        return d->stop + d->initial + d->dirty;
    }
    vfio_mig_estimate_look(&d->e, &look);
    if (vfio_mig_estimate_is_old(&d->e)) {
        device_tell(d);
    }
    d->guesses += vfio_mig_estimate_is_guess(&d->e);
    return vfio_mig_estimate_pending(&d->e);
}

static uint64_t vm_would_do_ms(Vm *vm)
{
    g_autofree const VFIOMigEstimate **all =
        g_new0(const VFIOMigEstimate *, vm->nr_devices);
    unsigned i;

    for (i = 0; i < vm->nr_devices; i++) {
        all[i] = &vm->devices[i].e;
    }
    return vfio_mig_estimate_downtime_ms(all, vm->nr_devices);
}

static uint64_t vm_pending(Vm *vm)
{
    uint64_t sum;
    unsigned i;

    if (vm->ram + vm->zero_pages * PAGE_BYTES < vm->threshold) {
        vm->ram += vm->ram_per_ms * (vm->now_us - vm->unsynced_us) / 1000;
        vm->unsynced_us = vm->now_us;
        vm->now_us += 200;
    }
    sum = vm->ram + vm->zero_pages * PAGE_BYTES;
    for (i = 0; i < vm->nr_devices; i++) {
        Device *d = &vm->devices[i];

        sum += device_pending(vm, d, sum);
        if (vfio_mig_estimate_is_too_big(&d->e)) {
            d->warnings++;
            d->would_do_ms = vm_would_do_ms(vm);
        }
    }
    return sum;
}

static void device_iterate(Vm *vm, Device *d)
{
    uint64_t bytes = MIN(d->initial + d->dirty, 1 * (uint64_t)MiB);

    vm_send(vm, 40, 0);         /* a section with nothing in it */
    if (!d->precopy || d->gives_none) {
        bytes = 0;
    }
    vm_send(vm, bytes, d->read_per_us);
    d->dirty -= bytes > d->initial ? bytes - d->initial : 0;
    d->initial -= MIN(bytes, d->initial);
    if (bytes && !d->initial && d->initial_again) {
        d->initial_again--;
        d->initial = 64 * KiB;
    }
    vfio_mig_estimate_note_sent(&d->e, bytes);
    if (!bytes && vfio_mig_estimate_holds_up(&d->e)) {
        vm->now_us += PAUSE_US;
    }
}

static void vm_iterate(Vm *vm)
{
    uint64_t begin_us = vm->now_us;
    unsigned i;

    while (vm->ram && !vm_is_limited(vm) && vm->now_us < begin_us + 50000) {
        uint64_t bytes = MIN(vm->ram, 64 * (uint64_t)KiB);

        vm_send(vm, bytes, 0);
        vm->ram -= bytes;
    }
    while (vm->zero_pages && !vm->ram && vm->now_us < begin_us + 50000) {
        vm->zero_pages--;
        vm_send(vm, 9, 0);
    }
    vm_send(vm, 40, 0);
    for (i = 0; !vm->ram && !vm->zero_pages && i < vm->nr_devices; i++) {
        device_iterate(vm, &vm->devices[i]);
    }
}

static void vm_count(Vm *vm)
{
    uint64_t passed_ms = (vm->now_us - vm->window_us) / 1000;

    if (passed_ms < 100) {
        return;
    }
    vm->threshold = (double)(vm->sent - vm->window_sent) / passed_ms *
                    vm->limit_ms;
    vm->limit_used = 0;
    vm->window_us = vm->now_us;
    vm->window_sent = vm->sent;
}

/* One turn of QEMU's loop. Returns whether it stops the VM. */
static bool vm_turn(Vm *vm)
{
    uint64_t begin_us = vm->now_us;
    unsigned i;

    if (!vm_is_limited(vm)) {
        if (qemu_stops(vm_pending(vm), vm->threshold)) {
            return true;
        }
        vm_iterate(vm);
    }
    vm->now_us += 50;
    vm_count(vm);
    if (vm_is_limited(vm)) {
        vm->now_us = MAX(vm->now_us, vm->window_us + 100000);
    }
    for (i = 0; i < vm->nr_devices; i++) {
        vm->devices[i].dirty += vm->devices[i].dirty_per_ms *
                                (vm->now_us - begin_us) / 1000;
    }
    return false;
}

static bool vm_migrate(Vm *vm, unsigned seconds)
{
    uint64_t end_us = vm->now_us + seconds * UINT64_C(1000000);

    while (vm->now_us < end_us) {
        if (vm_turn(vm)) {
            return true;
        }
    }
    return false;
}

/* How long the VM stands still, without QEMU's limit, as it is lifted then */
static uint64_t vm_downtime_ms(const Vm *vm, uint64_t per_us)
{
    uint64_t us = vm->ram / per_us;
    unsigned i;

    for (i = 0; i < vm->nr_devices; i++) {
        const Device *d = &vm->devices[i];
        uint64_t rate = d->read_per_us ? MIN(d->read_per_us, per_us) : per_us;

        us += (d->stop + d->initial + d->dirty) / rate;
    }
    return us / 1000;
}

/* ---- tests ---- */

/* QEMU's defaults, an idle guest of 4 GB, most of it never used; 10 Gbit/s */
static Vm idle_vm(Device *devices, unsigned nr, uint64_t assumed)
{
    unsigned i;

    for (i = 0; i < nr; i++) {
        vfio_mig_estimate_begin(&devices[i].e, 0, assumed);
    }
    return (Vm) {
        .limit_ms = 300, .max_per_s = 128 * MiB, .link_per_us = 1250,
        .ram = 400 * MB, .ram_per_ms = 100, .zero_pages = 1000000,
        .devices = devices, .nr_devices = nr,
    };
}

/* Bytes per us that QEMU's limit leaves of the link: the rate that is seen */
#define SEEN_PER_US     134

static void assert_stops(Vm *vm)
{
    g_assert_true(vm_migrate(vm, 60));
    g_assert_cmpuint(vm_downtime_ms(vm, SEEN_PER_US), <=, vm->limit_ms);
}

static void test_idle_vm(void)
{
    Device d = { .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);
    Vm naive = vm;

    naive.naive = true;
    g_assert_false(vm_migrate(&naive, 60));
    assert_stops(&vm);
    /* RAM takes 4 s; then there is nothing to wait for. */
    g_assert_cmpuint(vm.now_us, <, 4500000);
    g_assert_cmpuint(d.warnings, ==, 0);
    g_assert_cmpuint(d.guesses, ==, 0);
}

/* A machine without a guest, as for tests: nothing to measure a rate by */
static void test_empty_vm(void)
{
    Device d = { .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);
    Vm naive;

    vm.ram = 1 * MB;
    vm.zero_pages = 30000;
    naive = vm;
    naive.naive = true;
    g_assert_false(vm_migrate(&naive, 60));
    assert_stops(&vm);
    g_assert_cmpuint(vm.now_us, <, 1000000);
}

/* A slow link is seen to be one. */
static void test_slow_link(void)
{
    Device d = { .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);

    vm.link_per_us = 12;
    g_assert_false(vm_migrate(&vm, 120));
    g_assert_cmpuint(d.warnings, ==, 1);
    g_assert_cmpuint(d.would_do_ms, >, 750);
    g_assert_cmpuint(d.would_do_ms, <, 1000);
    vm.limit_ms = d.would_do_ms;
    g_assert_true(vm_migrate(&vm, 60));
    g_assert_cmpuint(vm_downtime_ms(&vm, vm.link_per_us), <=, vm.limit_ms);
}

static void test_idle_vm_with_any_size(void)
{
    static const unsigned fits[] = { 0, 1, 3, 12, 25, 37, 39 };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(fits); i++) {
        Device d = { .stop = fits[i] * MB };
        Vm vm = idle_vm(&d, 1, 0);

        assert_stops(&vm);
        g_assert_cmpuint(d.warnings, ==, 0);
    }
}

/* The user is told once what would do, and that does. */
static void check_too_big(Vm *vm)
{
    unsigned i, warnings = 0;
    uint64_t would_do_ms = 0;

    g_assert_false(vm_migrate(vm, 60));
    for (i = 0; i < vm->nr_devices; i++) {
        warnings += vm->devices[i].warnings;
        if (vm->devices[i].warnings) {
            would_do_ms = vm->devices[i].would_do_ms;
        }
    }
    g_assert_cmpuint(warnings, ==, 1);
    g_assert_cmpuint(would_do_ms, >, vm->limit_ms);
    g_assert_cmpuint(would_do_ms, <=,
                     vm_downtime_ms(vm, SEEN_PER_US) * 12 / 10);
    vm->limit_ms = would_do_ms;
    assert_stops(vm);
}

static void test_too_big(void)
{
    static const unsigned sizes[] = { 42, 100, 400, 8000 };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(sizes); i++) {
        Device d = { .stop = sizes[i] * MB };
        Vm vm = idle_vm(&d, 1, 0);

        check_too_big(&vm);
        /* Not asked in each of some 100 000 turns */
        g_assert_cmpuint(d.asked, <, 70000 / 100);
    }
}

static void test_devices_share_a_downtime(void)
{
    Device fit[4] = { { .stop = 9 * MB }, { .stop = 9 * MB },
                      { .stop = 9 * MB }, { .stop = 9 * MB } };
    Device big[4] = { { .stop = 12 * MB }, { .stop = 12 * MB },
                      { .stop = 12 * MB }, { .stop = 12 * MB } };
    Vm vm = idle_vm(fit, 4, 0);

    assert_stops(&vm);
    vm = idle_vm(big, 4, 0);
    check_too_big(&vm);
}

static void test_first_of_two_is_too_big(void)
{
    Device d[2] = { { .stop = 100 * MB }, { .stop = 50 * MB } };
    Vm vm = idle_vm(d, 2, 0);

    check_too_big(&vm);
    g_assert_cmpuint(d[0].warnings, ==, 1);
}

static void test_many_devices(void)
{
    g_autofree Device *d = g_new0(Device, DEVICES_MAX);
    unsigned i;
    Vm vm;

    for (i = 0; i < DEVICES_MAX; i++) {
        d[i].stop = 140000;
    }
    vm = idle_vm(d, DEVICES_MAX, 0);
    assert_stops(&vm);
}

/* A guest that writes, and a device: both have to fit. */
static void test_busy_vm(void)
{
    Device d = { .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);

    vm.ram_per_ms = 60000;
    assert_stops(&vm);
    g_assert_cmpuint(d.warnings, ==, 0);
}

/* A guest that writes too much: that is not the device's fault. */
static void test_guest_too_busy(void)
{
    Device d = { .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);

    vm.ram_per_ms = 140000;
    g_assert_false(vm_migrate(&vm, 60));
    g_assert_cmpuint(d.warnings, ==, 0);
}

static void test_unknown_size(void)
{
    Device d = { .stop = 9 * MB, .stop_unknown = true };
    Vm vm = idle_vm(&d, 1, 0);

    g_assert_true(vm_migrate(&vm, 60));
    g_assert_cmpuint(d.guesses, ==, 1);

    d = (Device) { .stop = 9 * MB, .stop_unknown = true };
    vm = idle_vm(&d, 1, 9 * MB);
    assert_stops(&vm);
    g_assert_cmpuint(d.guesses, ==, 0);

    d = (Device) { .stop = 90 * MB, .stop_unknown = true };
    vm = idle_vm(&d, 1, 90 * MB);
    check_too_big(&vm);
}

static void test_precopy_is_read_first(void)
{
    Device d = { .precopy = true, .initial = 300 * MB, .dirty = 20 * MB,
                 .dirty_per_ms = 1000, .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);

    assert_stops(&vm);
    g_assert_cmpuint(d.initial, ==, 0);
    g_assert_cmpuint(d.warnings, ==, 0);
}

/* However often it begins anew, the migration comes to its end. */
static void test_precopy_begins_anew_for_ever(void)
{
    Device d = { .precopy = true, .initial = 64 * KiB,
                 .initial_again = UINT_MAX, .stop = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);

    assert_stops(&vm);
}

/* What cannot be read yet must not be measured by that nothing is sent. */
static void test_precopy_gives_none(void)
{
    Device d = { .precopy = true, .gives_none = true, .dirty = 9 * MB };
    Vm vm = idle_vm(&d, 1, 0);
    Vm naive = vm;

    naive.naive = true;
    g_assert_false(vm_migrate(&naive, 60));
    assert_stops(&vm);
}

/* A device that is read slowly is read on, though RAM went out fast. */
static void test_slow_precopy_is_read_on(void)
{
    Device d = { .precopy = true, .dirty = 200 * MB, .read_per_us = 10 };
    Vm vm = idle_vm(&d, 1, 0);

    assert_stops(&vm);
    g_assert_cmpuint(d.warnings, ==, 0);
}

/* Written to faster than it can be read: told, and not stopped. */
static void test_precopy_does_not_get_less(void)
{
    Device d = { .precopy = true, .dirty = 50 * MB, .read_per_us = 10,
                 .dirty_per_ms = 11000 };
    Vm vm = idle_vm(&d, 1, 0);

    g_assert_false(vm_migrate(&vm, 60));
    g_assert_cmpuint(d.warnings, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define TEST(path, name) \
    g_test_add_func("/migration-switch-over/" path, test_##name)
    TEST("idle", idle_vm);
    TEST("empty", empty_vm);
    TEST("slow-link", slow_link);
    TEST("idle-any-size", idle_vm_with_any_size);
    TEST("too-big", too_big);
    TEST("share", devices_share_a_downtime);
    TEST("first-too-big", first_of_two_is_too_big);
    TEST("many", many_devices);
    TEST("busy", busy_vm);
    TEST("too-busy", guest_too_busy);
    TEST("unknown", unknown_size);
    TEST("precopy", precopy_is_read_first);
    TEST("precopy-anew", precopy_begins_anew_for_ever);
    TEST("precopy-gives-none", precopy_gives_none);
    TEST("precopy-slow", slow_precopy_is_read_on);
    TEST("precopy-no-less", precopy_does_not_get_less);
#undef TEST
    return g_test_run();
}
