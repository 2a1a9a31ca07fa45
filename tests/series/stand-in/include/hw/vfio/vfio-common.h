    bool dirty_pages_supported;
    uint64_t dirty_pgsizes;
    uint64_t max_dirty_bitmap_size;

    bool enable_migration;

int vfio_migration_probe(VFIODevice *vbasedev, Error **errp);
