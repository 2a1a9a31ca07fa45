/*
 * Model of a migratable VFIO device: profiles
 *
 * Owns: named sets of keys that make a device of protocol v2 behave like that
 * of a certain driver: its flags, when it checks data, its log, its quirks, and
 * relative sizes (GiB are scaled down to MiB). docs/sim.md lists them.
 *
 * Pure; no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "sim-model.h"

const char *const sim_profile_names[] = {
    "none", "mlx5-6.1", "mlx5-6.2", "qat", "pds", "virtio", "mtty", "hisi",
    "xe", "vgpu", NULL
};

/* One log over one span, with limits; pages outside of it are not reported */
#define MLX5_LOG "log=yes;log-max-ranges=32;log-min-bytes=1M;" \
                 "log-max-bytes=4T;log-outside=silent"

static const char *const profiles[] = {
    "",
    /* Images without records, of at most 512 MiB in total */
    "protocol=v2;kernel=6.1;p2p=yes;state-size=16M;format=0x61;"
    "load-max=512M;data-check=stop;" MLX5_LOG,
    /* Records, read one by one; a truncated image is accepted */
    "protocol=v2;kernel=6.2;p2p=yes;pre-copy=yes;state-size=16M;"
    "precopy-size=8M;precopy-rate=2M;format=0x62;precopy-next=info;"
    "data-errno=EOPNOTSUPP;completeness=ignore;" MLX5_LOG,
    "protocol=v2;kernel=6.2;p2p=yes;pre-copy=yes;state-size=3840;"
    "precopy-size=256;format=0x0a7;precopy-empty=zero;load-max=4096",
    "protocol=v2;kernel=6.2;p2p=yes;state-size=4000;format=0x9d5;"
    "load-max=4096;load-max-errno=EINVAL;data-check=stop;log=yes;"
    "log-max-ranges=1;log-rounding=64;log-lost-on-stop=yes;"
    "log-lost-on-reset=yes;log-again-errno=EEXIST",
    "protocol=v2;kernel=6.2;p2p=yes;pre-copy=yes;state-size=2M;"
    "precopy-size=1M;precopy-rate=256K;format=0x1a4;precopy-next=info;"
    "precopy-info-ms=100;max-read=1M;data-check=write",
    "protocol=v2;kernel=6.2;p2p=yes;pre-copy=yes;state-size=200;"
    "precopy-size=64;format=0x3ee;precopy-empty=zero;load-max=264;"
    "unknown-feature=EINVAL;log=empty",
    "protocol=v2;kernel=6.2;pre-copy=yes;state-size=768;precopy-size=64;"
    "format=0x415;data-check=stop",
    "protocol=v2;kernel=6.2;p2p=yes;state-size=64M;format=0x8e;"
    "data-check=stop",
    "protocol=v2;kernel=6.2;state-size=32M;format=0x966;data-check=stop",
};

bool sim_profile_value(uint64_t profile, const char *key, char *value,
                       size_t size)
{
    const char *list = profile < SIM_COUNT(profiles) ? profiles[profile] : "";
    size_t len = strlen(key);
    char item[64];

    while (sim_next_item(&list, item, sizeof(item))) {
        if (strncmp(item, key, len) == 0 && item[len] == '=') {
            snprintf(value, size, "%s", item + len + 1);
            return true;
        }
    }
    return false;
}
