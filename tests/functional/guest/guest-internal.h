/*
 * What guest.c, guest-report.c and guest-sabotage.c share
 *
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_FUNCTIONAL_GUEST_INTERNAL_H
#define TESTS_FUNCTIONAL_GUEST_INTERNAL_H

#include "guest.h"

/*
 * guest_wait_report: wait for a report without errors, of @tick or later, on
 * the console of @side. Returns the newest; fails the case after @seconds.
 */
GuestReport *guest_wait_report(VFIOSide *side, int64_t tick,
                               unsigned seconds);
void guest_report_free(GuestReport *report);

/* guest_expect_no_error: assert that driver and kernel report no error. */
void guest_expect_no_error(VFIOSide *side);

/* guest_ram_path: path of the file with the guest's RAM. Caller frees. */
char *guest_ram_path(VFIOSide *side);

/* guest_console: output on its console. Caller frees. */
char *guest_console(VFIOSide *side);

#endif /* TESTS_FUNCTIONAL_GUEST_INTERNAL_H */
