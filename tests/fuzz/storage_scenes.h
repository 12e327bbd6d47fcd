/* A node's directory as it grows: formatted, written to, truncated, rolled, closed, torn. The same bytes each time. */
#ifndef STORAGE_SCENES_H
#define STORAGE_SCENES_H

#include "memory_fs.h"

enum { STORAGE_SCENES = 11 };

/* Calls `scene` for each of STORAGE_SCENES states of "node", with its name; ends the process when storage refuses. */
void storage_scenes(void (*scene)(void *context, struct memory_fs *memory, const char *name), void *context);

#endif
