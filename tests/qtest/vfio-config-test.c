/*
 * Two sides that do not match each other
 *
 * Owns: a destination with another device, or with the device in another slot,
 * says so clearly, and the source runs on.
 * Does not own: streams that are cut (vfio-one-side-test.c) or damaged
 * (component tests).
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "vfio-test.h"

#include <string.h>

typedef struct Other {
    const char *name;
    const char *key, *src, *dst;    /* of dev0 */
    const char *words;              /* NULL: migration succeeds nevertheless */
} Other;

/* MACHINE_BAR0() of the device's slot is aligned to 4 MiB, not to 8. */
static const Other others[] = {
    { "bar-larger", "bar0-size", "64K", "8M",
      "dev0;BAR 0 is 8 MiB here;the source has it at 0xe0400000" },
    { "bar-larger-but-it-fits", "bar0-size", "64K", "128K" },
    { "bar-absent", "msix-vectors", "8", "0",
      "dev0;capability 0x11 at offset 0x50 is there only;BAR 2 is absent" },
    { "vectors", "msix-vectors", "8", "4",
      "dev0;8 MSI-X vectors and 4 here" },
    { "device-id", "device-id", "0xfe", "0xff",
      "dev0;its device is 0x00fe and 0x00ff here" },
    { "vendor-id", "vendor-id", "0x1b36", "0x8086",
      "dev0;its vendor is 0x1b36 and 0x8086 here;subsystem vendor" },
};

static void test_other(const void *opaque)
{
    const Other *o = opaque;
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_set(pair->src, "dev0", o->key, "%s", o->src);
    vfio_side_set(pair->dst, "dev0", o->key, "%s", o->dst);
    vfio_pair_start(pair);
    if (!o->words) {
        vfio_pair_migrate(pair);
        vfio_pair_free(pair);
        return;
    }
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, o->words);
    vfio_expect_failed(pair->src, "the destination says: ");
    vfio_expect_failed(pair->src, o->words);
    vfio_side_set(pair->dst, "dev0", o->key, "%s", o->src);
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

/* ---- devices that only one side has, or in another slot ---- */

#define UNKNOWN "Unknown savevm section or instance '0000:00:04.0/vfio'"

/* The destination does not know a device in the stream: QEMU's message. */
static void test_other_slot(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    pair->dst->device_props = ",addr=6.0";
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, UNKNOWN);
    vfio_expect_load_failed(pair->dst, "dev0: no state arrived");
    vfio_expect_failed(pair->src, "");
    pair->dst->device_props = "";
    vfio_pair_retry(pair);
    vfio_pair_free(pair);
}

static void test_source_only(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_drop_devices(pair->dst);
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, UNKNOWN);
    vfio_expect_failed(pair->src, "");
    vfio_expect_source_well(pair);
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* One device arrives, while another waits for its state in vain. */
static void test_destination_only(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_side_add_device(pair->dst);
    pair->dst->multi = true;
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, "dev1: no state arrived");
    vfio_expect_failed(pair->src, "");
    vfio_expect_source_well(pair);
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/*
 * Nothing arrives, so no handler is called until the end. With a return path
 * the source still learns of the failure.
 */
static void test_destination_alone(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);

    vfio_pair_return_path(pair);
    vfio_side_drop_devices(pair->src);
    vfio_side_start(pair->src);
    vfio_side_start(pair->dst);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, "dev0: no state arrived;0000:00:04.0");
    vfio_expect_failed(pair->src, "");
    migrate_wait_run_state(pair->src->qts, "running");
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

/* A load that fails elsewhere is not blamed on the device's slot. */
static void test_other_ram(void)
{
    VFIOPair *pair = vfio_pair_new(SIDE_ATTACHED, SIDE_ATTACHED);
    g_autofree char *err = NULL;

    pair->dst->ram_mib = pair->src->ram_mib / 2;
    vfio_pair_start(pair);
    vfio_pair_begin(pair);
    vfio_expect_load_failed(pair->dst, "");
    err = qtest_stderr(pair->dst->qts);
    if (strstr(err, "the source has no VFIO device")) {
        vfio_side_fail(pair->dst, "it says: %s", err);
    }
    vfio_expect_failed(pair->src, "");
    vfio_side_kill(pair->dst);
    vfio_pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_case("vfio/config/other-slot", test_other_slot);
    qtest_add_case("vfio/config/source-only", test_source_only);
    qtest_add_case("vfio/config/destination-only", test_destination_only);
    qtest_add_case("vfio/config/destination-alone", test_destination_alone);
    qtest_add_case("vfio/config/other-ram", test_other_ram);
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *name = g_strconcat("vfio/config/", others[i].name,
                                            NULL);

        qtest_add_data_case(name, &others[i], test_other);
    }
    return g_test_run();
}
