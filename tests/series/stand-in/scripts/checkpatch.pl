# Stands for QEMU's own: a line of a patch that begins with "+BAD" is an error.
my $errors = 0;
while (<>) {
    $errors++ if /^\+BAD/;
}
print "total: $errors errors, 0 warnings, 1 lines checked\n";
