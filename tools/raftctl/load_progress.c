#include "load_progress.h"

#include <inttypes.h>
#include <stdio.h>

#define BAR_WIDTH      24u
#define DRAW_EVERY_NS  UINT64_C(100000000)
#define ERASE_THE_LINE "\r\033[K"

void load_progress_bytes(double bytes, char *text, size_t text_bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit < sizeof(units) / sizeof(units[0]) - 1) {
        bytes /= 1000;
        unit++;
    }
    (void)snprintf(text, text_bytes, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

void load_progress_draw(struct load_progress *progress, dgraft_time_ns now_ns)
{
    char done[32];
    char total[32];
    char rate[32];
    char bar[BAR_WIDTH + 1];
    if (!progress->bar || now_ns - progress->drawn_ns < DRAW_EVERY_NS) {
        return;
    }
    progress->drawn_ns = now_ns;
    double seconds = (double)(now_ns - progress->begun_ns) / 1e9;
    /* Files that grew or came meanwhile may take it beyond its end. */
    double share = progress->files_total == 0 ? 1 : (double)progress->files / (double)progress->files_total;
    unsigned filled = share < 1 ? (unsigned)(share * BAR_WIDTH) : BAR_WIDTH;
    for (unsigned i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < filled ? '#' : '-';
    }
    bar[BAR_WIDTH] = '\0';
    load_progress_bytes((double)progress->bytes, done, sizeof(done));
    load_progress_bytes((double)progress->bytes_total, total, sizeof(total));
    load_progress_bytes(seconds > 0 ? (double)progress->bytes / seconds : 0, rate, sizeof(rate));
    (void)fprintf(stderr, ERASE_THE_LINE "[%s] %" PRIu64 "/%" PRIu64 " files, %s of %s, %s/s", bar, progress->files,
                  progress->files_total, done, total, rate);
    (void)fflush(stderr);
}

void load_progress_hide(struct load_progress *progress)
{
    if (progress->bar && progress->drawn_ns != 0) {
        (void)fputs(ERASE_THE_LINE, stderr);
        (void)fflush(stderr);
        progress->drawn_ns = 0;
    }
}
