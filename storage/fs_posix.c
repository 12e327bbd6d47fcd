#include <dgraft/fs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int or_errno(int result)
{
    return result < 0 ? -errno : result;
}

static int posix_open(struct dgraft_fs *fs, const char *path, enum dgraft_fs_open mode)
{
    (void)fs;
    switch (mode) {
    case DGRAFT_FS_READ:
        return or_errno(open(path, O_RDONLY | O_CLOEXEC));
    case DGRAFT_FS_WRITE:
        return or_errno(open(path, O_RDWR | O_CLOEXEC));
    case DGRAFT_FS_CREATE:
        return or_errno(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    }
    return -EINVAL;
}

static int posix_close(struct dgraft_fs *fs, int file)
{
    (void)fs;
    return or_errno(close(file));
}

static ssize_t posix_pread(struct dgraft_fs *fs, int file, void *bytes, size_t size, uint64_t offset)
{
    (void)fs;
    const ssize_t result = pread(file, bytes, size, (off_t)offset);
    return result < 0 ? -errno : result;
}

static ssize_t posix_pwritev(struct dgraft_fs *fs, int file, const struct iovec *pieces, int piece_count,
                             uint64_t offset)
{
    (void)fs;
    const ssize_t result = pwritev(file, pieces, piece_count, (off_t)offset);
    return result < 0 ? -errno : result;
}

static int posix_sync(struct dgraft_fs *fs, int file)
{
    (void)fs;
    return or_errno(fdatasync(file));
}

static int posix_truncate(struct dgraft_fs *fs, int file, uint64_t size)
{
    (void)fs;
    return or_errno(ftruncate(file, (off_t)size));
}

static int64_t posix_size(struct dgraft_fs *fs, int file)
{
    struct stat facts;
    (void)fs;
    if (fstat(file, &facts) < 0) {
        return -errno;
    }
    return facts.st_size;
}

/* A lock of the open file description: it goes with the last descriptor, as flock's does, another descriptor of the
 * same process does not hold it, and unlike flock's it can be asked about without being taken. */
static int posix_lock(struct dgraft_fs *fs, int file)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)fs;
    if (fcntl(file, F_OFD_SETLK, &whole) == 0) {
        return 0;
    }
    return errno == EACCES ? -EWOULDBLOCK : -errno;
}

static int posix_locked(struct dgraft_fs *fs, int file)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)fs;
    if (fcntl(file, F_OFD_GETLK, &whole) < 0) {
        return -errno;
    }
    return whole.l_type != F_UNLCK;
}

static int posix_rename(struct dgraft_fs *fs, const char *from, const char *to)
{
    (void)fs;
    return or_errno(rename(from, to));
}

static int posix_unlink(struct dgraft_fs *fs, const char *path)
{
    (void)fs;
    return or_errno(unlink(path));
}

static int posix_make_directory(struct dgraft_fs *fs, const char *path)
{
    (void)fs;
    return or_errno(mkdir(path, 0750));
}

static int posix_sync_directory(struct dgraft_fs *fs, const char *path)
{
    (void)fs;
    const int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0) {
        return -errno;
    }
    const int result = or_errno(fsync(file));
    (void)close(file);
    return result;
}

static int posix_list(struct dgraft_fs *fs, const char *path, int (*found)(void *context, const char *name),
                      void *context)
{
    (void)fs;
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return -errno;
    }
    int result = 0;
    while (result == 0) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            result = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = found(context, entry->d_name);
        }
    }
    (void)closedir(directory);
    return result;
}

static const struct dgraft_fs_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwritev = posix_pwritev,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .size = posix_size,
    .lock = posix_lock,
    .locked = posix_locked,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .make_directory = posix_make_directory,
    .sync_directory = posix_sync_directory,
    .list = posix_list,
};

struct dgraft_fs *dgraft_fs_posix(void)
{
    static struct dgraft_fs posix = {&posix_ops};
    return &posix;
}
