#ifndef TINYSTORE_STEP_H
#define TINYSTORE_STEP_H
/*
 * An aid for tests: a process that dies by itself, at a place that no timing would hit.
 *
 * With TINYSTORE_KILL=NAME:N in the environment, the N-th time that a step of this name is reached kills the
 * process as `kill -9` does. The steps of a change are, in order:
 *
 *     put        the content is in the log
 *     written    a recipient's begin is written; it may not be on the disk
 *     begun      the begin is on the disk
 *     stored     the store has changed
 *     committed  the log has the commit; nothing is acknowledged yet
 *
 * and `replayed` comes when what may have been lost is made again, before SQLite's commit of that.
 */
void step(const char *name);

#endif
