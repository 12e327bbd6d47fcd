#include "storage_why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum dgraft_status dgraft_why_set(struct dgraft_why *why, enum dgraft_status status, const char *format, ...)
{
    if (why != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(why->text, sizeof why->text, format, arguments);
        va_end(arguments);
    }
    return status;
}

static enum dgraft_status status_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return DGRAFT_STATUS_FULL;
    case EROFS:
    case EACCES:
    case EPERM:
        return DGRAFT_STATUS_READ_ONLY;
    case ENOENT:
    case ENOTDIR:
        return DGRAFT_STATUS_NOT_FOUND;
    case EWOULDBLOCK:
        return DGRAFT_STATUS_LOCKED;
    case ENOMEM:
        return DGRAFT_STATUS_NO_MEMORY;
    default:
        return DGRAFT_STATUS_IO;
    }
}

static const char *remedy_of(enum dgraft_status status)
{
    if (status == DGRAFT_STATUS_FULL) {
        return "make room on this file system, then start again";
    }
    if (status == DGRAFT_STATUS_READ_ONLY) {
        return "make the file system writable, or give this user access, then start again";
    }
    if (status == DGRAFT_STATUS_NOT_FOUND) {
        return "check the path; `raftctl format` makes a new directory";
    }
    if (status == DGRAFT_STATUS_LOCKED) {
        return "another process has this directory open: end that one first";
    }
    if (status == DGRAFT_STATUS_NO_MEMORY) {
        return "give this process more memory";
    }
    return "check the disk and the kernel's messages before you start again";
}

static enum dgraft_status say(struct dgraft_why *why, const struct dgraft_disk *disk, const char *verb,
                              const char *name, int64_t error, const char *remedy)
{
    char path[DGRAFT_DISK_PATH_BYTES];
    const int number = (int)-error;
    const char *text = strerrordesc_np(number);
    dgraft_disk_path(disk, name, path);
    return dgraft_why_set(why, status_of(number), "cannot %s %.250s: %s; %s", verb, path,
                          text == NULL ? "unknown error" : text, remedy);
}

enum dgraft_status dgraft_why_errno(struct dgraft_why *why, const struct dgraft_disk *disk, const char *verb,
                                    const char *name, int64_t error)
{
    return say(why, disk, verb, name, error, remedy_of(status_of((int)-error)));
}

enum dgraft_status dgraft_why_full(struct dgraft_why *why, const struct dgraft_disk *disk, const char *verb,
                                   const char *name, int64_t error)
{
    return say(why, disk, verb, name, error, "make room on this file system");
}
