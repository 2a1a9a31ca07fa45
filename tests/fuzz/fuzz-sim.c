/*
 * A device that is controlled by a fuzzer's input
 *
 * The simulated device, of protocol v1 or v2; the script decides on the outcome
 * of its calls in place of [fault] rules. So the device, and what a client must
 * never do to it, are the same as in all other tests.
 *
 * Owns: the script, and which of its lies excuse what a client does.
 *
 * One thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/vfio/migration-v1-uapi.h"
#include "tests/sim/sim-internal.h"
#include "fuzz-kernel.h"

#define MAX_RULES       32

/* A key of the device, and the values that a byte of the script selects from */
typedef struct Knob {
    const char *key;
    const char *values[6];
} Knob;

static const Knob v1_knobs[] = {
    { "state-size", { "250", "9", "40", "64", "65K" } },
    { "verify", { "full", "none" } },
    { "window-size", { "4K", "100", "64K", "200" } },
    { "data-offset", { "4K", "32", "63" } },
    { "region-size", { "0", "2M", "1G" } },
    { "areas", { "all", "none", "whole-region", "stripes:4K",
                 "48+8;32+16;64+24;32+32",
                 "0+64;4096+100;4100+1;0x7ffffffffffff000+0x8000000000001" } },
    { "chunk-size", { "100", "", "1", "64;1" } },
    { "chunk-start", { "0", "7" } },
    { "max-access", { "0", "8", "64" } },
    { "trapped-by", { "memory", "syscall" } },
    { "reserved-bits", { "0", "0xaa000000" } },
    { "strictness", { "drawn", "lenient", "libvfio-user" } },
    { "precopy-size", { "0", "250", "2K" } },
    { "precopy-rate", { "0", "64K", "1G" } },
    { "split", { "refuse", "allow" } },
    { "on-corrupt", { "fail", "record" } },
    { "on-incomplete", { "keep", "error" } },
    { "require-data", { "no", "yes" } },
    { "migration", { "yes", "zero-size", "info-error", "no" } },
};

static const Knob v2_knobs[] = {
    { "kernel", { "6.2", "7.1", "6.1" } },
    { "p2p", { "yes", "no" } },
    { "pre-copy", { "yes", "no" } },
    { "state-size", { "1000", "64", "4096", "1025K" } },
    { "precopy-size", { "500", "64", "1025K", "0" } },
    { "initial-bytes", { "0xffffffffffffffff", "0", "64" } },
    { "precopy-rate", { "0", "64K", "1G" } },
    { "precopy-empty", { "enomsg", "zero" } },
    { "precopy-next", { "read", "info" } },
    { "reinit", { "0", "1", "1000" } },
    { "told-size", { "0xffffffffffffffff", "0", "0xfffffffffffffffe",
                     "0x8000000000000000", "100G" } },
    { "max-read", { "0", "1000", "100" } },
    { "max-write", { "0", "1000", "100" } },
    { "load-max", { "0", "64", "1M" } },
    { "data-check", { "write", "stop", "never" } },
    { "completeness", { "check", "ignore" } },
    { "on-incomplete", { "keep", "error" } },
    { "unknown-feature", { "ENOTTY", "EINVAL" } },
    { "log", { "no", "yes", "empty" } },
};

/* The operations of a driver, mainly those for data and states. */
static const SimEvent v1_events[] = {
    SIM_EV_STATE_READ, SIM_EV_STATE_WRITE, SIM_EV_PENDING_READ,
    SIM_EV_DATA_OFFSET_READ, SIM_EV_DATA_SIZE_READ, SIM_EV_DATA_SIZE_WRITE,
    SIM_EV_DATA_READ, SIM_EV_DATA_WRITE, SIM_EV_RESET, SIM_EV_MMAP,
};

static const SimEvent v2_events[] = {
    SIM_EV_STATE_WRITE, SIM_EV_STATE_READ, SIM_EV_DATA_READ,
    SIM_EV_DATA_WRITE, SIM_EV_PRECOPY_INFO, SIM_EV_DATA_SIZE,
    SIM_EV_DATA_FD, SIM_EV_MIGRATION_FLAGS, SIM_EV_RESET, SIM_EV_FEATURE,
};

/* The options of a script, whose first byte selects one of these. */
static const struct {
    const char *protocol;
    const Knob *knobs;
    size_t nr_knobs;
    const SimEvent *events;
    size_t nr_events;
} kinds[] = {
    { "v1", v1_knobs, ARRAY_SIZE(v1_knobs), v1_events, ARRAY_SIZE(v1_events) },
    { "v2", v2_knobs, ARRAY_SIZE(v2_knobs), v2_events, ARRAY_SIZE(v2_events) },
};

typedef enum Deed {
    DEED_FAIL,          /* an errno */
    DEED_SHORT,         /* only a part */
    DEED_LIE,           /* any number */
    DEED_BREAK,         /* fails, and stays in ERROR */
    DEED_FLR,           /* reset by the guest during the call */
    NR_DEEDS,
} Deed;

/* Calls @first to @first + @count - 1 of @event, counted from 0 */
typedef struct Rule {
    SimEvent event;
    unsigned first, count;
    Deed deed;
    uint64_t number;
} Rule;

static struct {
    unsigned kind;          /* index in kinds[] */
    Rule rules[MAX_RULES];
    unsigned nr_rules;
    unsigned nr_events[SIM_NUM_EVENTS];
    bool state_hidden;      /* from the client, since the last reset */
    bool flags_lied;
    bool lied;              /* the client may violate the contract */
    bool was_reset;
    bool recovery_failed;   /* a reset, or a transition after one */
} kern;

static bool verbose;

static bool is_v1(void)
{
    return !strcmp(kinds[kern.kind].protocol, "v1");
}

static int play_errno(uint64_t number)
{
    static const int errors[] = { EINVAL, EIO, EINTR, ENOTTY, ENODEV, EAGAIN,
                                  ENOMEM, ENOMSG, ENOSPC, EOPNOTSUPP, EBUSY };

    return errors[number % ARRAY_SIZE(errors)];
}

/* Never an open file's number, which the kernel would not return. */
static int play_fd(uint64_t number)
{
    static const int fds[] = { -1, INT_MIN, -EINVAL, INT_MAX, 1 << 20 };

    return fds[number % ARRAY_SIZE(fds)];
}

static void carry_out(const Rule *rule, SimOutcome *out)
{
    switch (rule->deed) {
    case DEED_FAIL:
        out->err = play_errno(rule->number);
        break;
    case DEED_SHORT:
        out->has_short = true;
        out->short_len = rule->number;
        break;
    case DEED_LIE:
        out->has_value = true;
        out->value = rule->event == SIM_EV_DATA_FD ? play_fd(rule->number)
                                                   : rule->number;
        break;
    case DEED_BREAK:
        out->set_error = true;
        out->err = EIO;
        break;
    default:
        out->flr = rule->event != SIM_EV_RESET;
        break;
    }
}

/* Which client errors does this excuse? */
static void remember(SimEvent ev, const SimOutcome *out)
{
    bool off = out->err || out->has_value || (is_v1() && out->has_short);

    switch (ev) {
    case SIM_EV_RESET:
        kern.was_reset = true;
        kern.recovery_failed |= out->err;
        kern.state_hidden = out->err;
        break;
    case SIM_EV_STATE_WRITE:
    case SIM_EV_DATA_FD:
        kern.recovery_failed |= off && kern.was_reset;
        kern.lied |= out->has_value;
        kern.state_hidden |= out->has_value && is_v1();
        break;
    case SIM_EV_STATE_READ:
        kern.state_hidden |= off;
        kern.lied |= off;
        break;
    case SIM_EV_MIGRATION_FLAGS:
        kern.flags_lied |= off;
        kern.lied |= off;
        break;
    default:
        break;
    }
    kern.state_hidden |= out->flr;
    /* A v1 client may be at any register when the device is reset. */
    kern.lied |= out->flr && is_v1();
}

static bool play(SimDevice *d, SimEvent ev, uint32_t from, uint32_t to,
                 SimOutcome *out)
{
    unsigned n = kern.nr_events[ev]++;
    bool fires = false;

    for (unsigned i = 0; i < kern.nr_rules && !fires; i++) {
        const Rule *rule = &kern.rules[i];

        fires = rule->event == ev && n >= rule->first &&
                n - rule->first < rule->count;
        if (fires) {
            carry_out(rule, out);
        }
    }
    remember(ev, out);
    if (verbose) {
        fprintf(stderr, "%s %u, state %u to %u, error %d%s%s\n",
                sim_event_names[ev], n, from, to, out->err,
                out->has_value || out->has_short ? ", a lie" : "",
                out->flr ? ", reset" : "");
    }
    return fires;
}

/* ---- the script ---- */

static void read_rules(FuzzInput *script)
{
    while (script->size && kern.nr_rules < MAX_RULES) {
        Rule *rule = &kern.rules[kern.nr_rules++];

        rule->event = kinds[kern.kind].events[
            fuzz_u8(script) % kinds[kern.kind].nr_events];
        rule->first = fuzz_u8(script);
        rule->count = fuzz_u8(script);
        rule->deed = fuzz_u8(script) % NR_DEEDS;
        rule->number = fuzz_number(script);
    }
}

static char *read_config(FuzzInput *script)
{
    GString *text = g_string_new("[device dev0]\ngroup=" FUZZ_GROUP "\n");
    const Knob *knobs = kinds[kern.kind].knobs;

    fuzz_u8(script);                /* the protocol */
    g_string_append_printf(text, "protocol=%s\n", kinds[kern.kind].protocol);
    for (size_t i = 0; i < kinds[kern.kind].nr_knobs; i++) {
        size_t count = 0, which = fuzz_u8(script);

        while (count < ARRAY_SIZE(knobs[i].values) && knobs[i].values[count]) {
            count++;
        }
        g_string_append_printf(text, "%s=%s\n", knobs[i].key,
                               knobs[i].values[which % count]);
    }
    return g_string_free(text, FALSE);
}

FuzzInput fuzz_kernel_twin(FuzzInput script)
{
    return fuzz_cut(&script, is_v1() ? 2 : 1);
}

/* If its keys do not fit together, the device is that of the script's twin. */
void fuzz_kernel_begin(FuzzInput script)
{
    g_autofree char *config = NULL;
    FuzzInput twin;

    memset(&kern, 0, sizeof(kern));
    verbose = getenv("FUZZ_VERBOSE") != NULL;
    sim_fault_set_player(play);
    kern.kind = script.size ? script.data[0] % ARRAY_SIZE(kinds) : 0;
    twin = fuzz_kernel_twin(script);
    config = read_config(&script);
    if (!vfio_sim_configure_data(config, NULL)) {
        g_free(config);
        config = read_config(&twin);
        g_assert_true(vfio_sim_configure_data(config, NULL));
    }
    read_rules(&script);
}

void fuzz_kernel_be_honest(void)
{
    kern.nr_rules = 0;
}

static VFIOSimStatus status(void)
{
    VFIOSimStatus now;

    g_assert_true(vfio_sim_device_status("dev0", &now));
    return now;
}

/* In v2 the numbers are those of the kernel. */
VFIOMigState fuzz_kernel_state(void)
{
    VFIOMigState state = status().device_state;

    if (is_v1()) {
        g_assert_true(vfio_mig_v1_decode(status().device_state, &state));
    }
    return state;
}

bool fuzz_kernel_lied(void)
{
    return kern.state_hidden || kern.flags_lied;
}

bool fuzz_kernel_recovery_failed(void)
{
    return kern.recovery_failed;
}

void fuzz_kernel_end(void)
{
    VFIOSimStatus last = status();

    if (!kern.lied && last.violations) {
        g_autofree char *json = vfio_sim_status_json();

        g_error("%s", json);
    }
    g_assert_true(kern.lied || !last.data_fds);
}

/* Waiting for a scripted driver would only cost time. */
void __wrap_g_usleep(gulong us);
void __wrap_g_usleep(gulong us)
{
}
