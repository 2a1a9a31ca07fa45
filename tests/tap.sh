# What tests in bash share: to be sourced. Output is TAP.
#
# Owns: $work, a directory that goes with the test; is(), the results' count,
# the end. A test puts what it looks at into $work/out and $work/err.
#
# SPDX-License-Identifier: GPL-2.0-or-later

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

# is NAME CONDITION...: one result, of a command's exit status
is() {
    local name=$1 word=ok
    shift
    if ! "$@"; then
        word='not ok'
        failed=1
        cat "$work/out" "$work/err" 2>/dev/null | tail -n 80 | sed 's/^/# /'
    fi
    count=$((count + 1))
    echo "$word $count - $name"
}

# tap_end: the plan; exits with 1 if a result was bad.
tap_end() {
    echo "1..$count"
    exit $failed
}
