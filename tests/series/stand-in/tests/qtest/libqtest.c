    GList *pending_events;
};
static void kill_qemu_hook_func(void *s)
{
QTestState *qtest_init_without_qmp_handshake(const char *extra_args)
{
    const char *qemu_binary = qtest_qemu_binary();
    const char *trace = g_getenv("QTEST_TRACE");
    s = g_new(QTestState, 1);
                              " -accel qtest",
                              extra_args ?: "");
    s->fd = socket_accept(sock);
    if (s->fd >= 0) {
        s->qmp_fd = socket_accept(qmpsock);
    }
    g_assert(s->fd >= 0 && s->qmp_fd >= 0);

    s->rx = g_string_new("");
    /* ask endianness of the target */

    s->big_endian = qtest_query_target_endianness(s);

    return s;
}
    g_list_free(s->pending_events);
void qtest_qmp_send(QTestState *s, const char *fmt, ...)
{
void qtest_qmp_assert_success(QTestState *qts, const char *fmt, ...)
{
}

bool qtest_big_endian(QTestState *s)
