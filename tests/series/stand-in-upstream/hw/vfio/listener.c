        if (!migration) {
            return false;
        }

        if (vbasedev->pre_copy_dirty_page_tracking == ON_OFF_AUTO_OFF &&

    if (try_unmap) {
        bool unmap_all = false;

        if (int128_eq(llsize, int128_2_64())) {

        ret = vfio_container_dma_unmap(bcontainer, iova, int128_get64(llsize),
                                       NULL, unmap_all);

                                                vfio_ram_discard_query_dirty_bitmap,
                                                &vrdl);
