    assert(res == size);
QDict *qmp_fd_receive(int fd)
{
            fprintf(stderr, "Broken pipe\n");
            abort();
    return qmp.response;
}
