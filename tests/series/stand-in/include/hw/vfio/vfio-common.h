    bool enable_migration;

int vfio_migration_probe(VFIODevice *vbasedev, Error **errp);
