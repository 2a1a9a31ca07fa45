/*
 * Output of a report: page, text, JSON
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_REPORT_OUTPUT_H
#define TOOLS_REPORT_OUTPUT_H

#include <json-glib/json-glib.h>
#include "report-model.h"

/* report_html: a self-contained page; to be freed */
char *report_html(const Report *report);

/* report_text: a summary for a terminal; to be freed */
char *report_text(const Report *report);

#define REPORT_SCHEMA_VERSION 1
/* report_fill_json: add the members of schema "report" to @object */
void report_fill_json(const Report *report, JsonObject *object);

/* report-svg.c: append one of the two pictures to @page */
void report_draw_all(GString *page, const Report *report);
void report_draw_downtime(GString *page, const Report *report);

/* CSS class of a part; for a device it depends on the device's index */
char *report_part_class(const Report *report, const ReportPart *part);

/* report_escape: escape for XML, replacing invalid UTF-8; to be freed */
char *report_escape(const char *text);

#endif /* TOOLS_REPORT_OUTPUT_H */
