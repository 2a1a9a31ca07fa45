# How Sphinx makes a site of these pages: `make docs`.
#
# SPDX-License-Identifier: GPL-2.0-or-later

import re

project = 'qemu-vfio-migration'
author = 'the maintainers of qemu-vfio-migration'
copyright = author + ', GPL-2.0-or-later'
extensions = ['myst_parser']
# Links to headings: page.md#heading
myst_heading_anchors = 4
root_doc = 'index'
html_theme = 'alabaster'
html_theme_options = {'page_width': '60em', 'sidebar_width': '15em'}
html_sidebars = {'**': ['about.html', 'navigation.html', 'searchbox.html']}
html_show_sphinx = False
html_copy_source = False
# name of the page, of the manual page, what it says of itself, section
man_pages = [('user', 'qemu-vfio-migration',
              'live migration of VFIO devices', author, 7)]
man_show_urls = True


def leave_the_site(app, docname, source):
    """Links to files outside of docs/ become their names."""
    source[0] = re.sub(r'\[([^]]*)\]\(\.\./[^)]*\)', r'\1', source[0])


def setup(app):
    app.connect('source-read', leave_the_site)
    return {'parallel_read_safe': True}
