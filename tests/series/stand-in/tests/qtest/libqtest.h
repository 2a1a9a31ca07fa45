/**
 * qtest_init_with_serial:
/**
 * qtest_qmp_send:
/**
 * qtest_cb_for_every_machine:
