# QEMU with VFIO migration attached reads its settings in each VM's profile.
# libvirt 9.0 has no directory of additions to that profile for packages, so
# this is one to the base: a file that everybody may read anyway.
/etc/qemu-vfio-migration.conf r,
