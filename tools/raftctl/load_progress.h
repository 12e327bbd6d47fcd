/* How far a load is: a bar on a terminal, one line at the end. */
#ifndef RAFTCTL_LOAD_PROGRESS_H
#define RAFTCTL_LOAD_PROGRESS_H

#include <dgraft/types.h>

struct load_progress {
    bool bar; /* on stderr */
    uint64_t files_total;
    uint64_t bytes_total;
    uint64_t files;
    uint64_t bytes;
    dgraft_time_ns begun_ns;
    dgraft_time_ns drawn_ns;
};

/* Draws the bar again, now and then. */
void load_progress_draw(struct load_progress *progress, dgraft_time_ns now_ns);

/* Takes the bar off, so that a line can be written; it comes back with the next draw. */
void load_progress_hide(struct load_progress *progress);

/* Writes bytes as "12.3 MB". */
void load_progress_bytes(double bytes, char *text, size_t text_bytes);

#endif
