    ich9_lpc_pmcon_update(lpc);
    return 0;
