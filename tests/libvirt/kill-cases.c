/*
 * virsh migrate, while one side's QEMU is killed
 *
 * Owns: the moments, which are prolonged by a slow call on a device, and the
 * required result: the domain on exactly one host or, if the VM itself was
 * killed, nothing that prevents a new start.
 * Does not own: every offset in the stream (tests/qtest/vfio-one-side-test.c).
 *
 * No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "libvirt-test.h"

typedef struct Moment {
    const char *name;
    const char *source_fault, *target_fault;    /* prolongs the moment */
    bool at_target;                             /* whose device shows it */
    const char *state;                          /* of this device */
    bool moved;                 /* the destination has the whole VM then */
} Moment;

#define SECONDS_LONG ";delay-ms=5000"
/* Time until libvirt has noticed that the source's QEMU has completed */
#define SEEN_USEC G_USEC_PER_SEC

static const Moment moments[] = {
    { "pre-copy", "event=data-size-read;state=pre-copy" SECONDS_LONG, NULL,
      false, "pre-copy", false },
    { "stop-copy", "event=data-size-read;state=stop-copy" SECONDS_LONG, NULL,
      false, "stop-copy", false },
    { "loading", NULL, "event=data-size-write" SECONDS_LONG,
      true, "resuming", false },
    /* libvirt is just starting the destination's VM. */
    { "loaded", NULL, "event=state-write;to=running" SECONDS_LONG,
      false, "stop", true },
};

typedef struct Kill {
    const Moment *moment;
    bool at_source;
} Kill;

/* Begin a migration and kill one QEMU at the moment. @run: result of virsh */
static bool migrate_and_kill(Setup *s, const Kill *k, Virsh *run)
{
    const Moment *m = k->moment;
    GSubprocess *migration = begin_migrate(s, NULL);
    bool seen = device_becomes(m->at_target ? dst : src,
                               m->at_target ? &s->target[0] : &s->source[0],
                               m->state);
    bool killed;

    if (m->moved) {
        g_usleep(SEEN_USEC);
    }
    killed = seen && domain_kill(k->at_source ? src : dst);
    if (!killed) {
        g_test_message("nothing was killed");
        g_test_fail();
    }
    return virsh_end(migration, run);
}

static bool nobody_has_it(void)
{
    return domain_is(src, "none") && domain_is(dst, "none");
}

/* The VM was killed: nothing of it remains, and it can be started again. */
static void check_source_gone(Setup *s)
{
    NEED(nobody_has_it(), "something is left of the domain");
    s->source[0].fault = s->target[0].fault = NULL;
    s->counter = 0;
    check_moves(s, NULL);
}

static void test_kill(Setup *s, const Case *c)
{
    const Kill *k = c->data;
    g_auto(Virsh) run = { 0 };
    bool went_well;

    NEED(start(s, false), "the domain did not start");
    went_well = migrate_and_kill(s, k, &run);
    if (g_test_failed()) {
        return;
    }
    if (k->at_source && k->moment->moved) {
        NEED(went_well, "virsh migrate failed, and the VM is there");
        NEED(runs_at(s, dst), "the domain does not run at the destination");
        NEED(devices_arrived(s), "the device's state did not arrive");
        return;
    }
    NEED(!went_well, "virsh migrate said nothing of it");
    if (k->at_source) {
        check_source_gone(s);
    } else {
        check_survives(s, says(run.err, "error: "));
    }
}

void add_kill_cases(void)
{
    static Kill kills[2 * G_N_ELEMENTS(moments)];

    for (unsigned i = 0; i < G_N_ELEMENTS(kills); i++) {
        const Moment *m = &moments[i / 2];
        bool at_source = i % 2 == 0;
        g_autofree char *name = g_strdup_printf(
            "kill/%s-%s", at_source ? "source" : "destination", m->name);
        Case c = {
            name, test_kill, .source_fault = m->source_fault,
            .target_fault = m->target_fault, .data = &kills[i],
        };

        kills[i] = (Kill) { m, at_source };
        add_case(&c);
    }
}
