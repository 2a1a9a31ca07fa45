static inline QTestState *qtest_start(const char *args)
static inline void qtest_end(void)
static inline QDict *qmp(const char *fmt, ...)
