/*
 * How a report is shown: page, text, JSON
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_REPORT_OUTPUT_H
#define TOOLS_REPORT_OUTPUT_H

#include <json-glib/json-glib.h>
#include "report-model.h"

/* report_html: one page that needs nothing else; to be freed */
char *report_html(const Report *report);

/* report_text: what happened, in lines for a terminal; to be freed */
char *report_text(const Report *report);

/* report_fill_json: the members of schema "report", version 1 */
#define REPORT_SCHEMA_VERSION 1
void report_fill_json(const Report *report, JsonObject *object);

/* report-svg.c: the two pictures, appended to @page */
void report_draw_all(GString *page, const Report *report);
void report_draw_downtime(GString *page, const Report *report);

/* Class of the style sheet for a part; "a device is the @index-th" */
char *report_part_class(const Report *report, const ReportPart *part);

/* report_escape: for XML; what is no UTF-8 is replaced; to be freed */
char *report_escape(const char *text);

#endif /* TOOLS_REPORT_OUTPUT_H */
