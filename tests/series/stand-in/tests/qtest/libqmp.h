QDict *qmp_fd_receive(int fd);
#ifndef _WIN32
