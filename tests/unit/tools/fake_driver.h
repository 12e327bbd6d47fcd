/* A driver that does nothing by itself: a test decides what becomes of each proposal and read, in any order, and sees
 * every answer that was sent. It takes the place of node/'s in a program that links it.
 */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include <dgraft/driver.h>

#define FAKE_MAX 64u

struct fake_answer {
    struct dgraft_client_answer answer; /* payload points to `payload` */
    struct dgraft_address to;
    uint8_t *payload; /* a copy */
};

struct dgraft_driver {
    enum dgraft_status propose_status; /* what propose and read return */
    enum dgraft_status read_status;
    struct dgraft_proposal *proposals[FAKE_MAX];
    size_t proposal_count;
    struct dgraft_read *reads[FAKE_MAX];
    size_t read_count;
    enum dgraft_status transfer_status;
    struct dgraft_transfer *transfer;
    enum dgraft_status change_status;
    struct dgraft_change *change;
    enum dgraft_status snapshot_status;
    uint32_t snapshots;
    struct fake_answer answers[FAKE_MAX];
    size_t answer_count;
    struct dgraft_driver_status status;
};

/* Frees what was sent. */
void fake_driver_clear(struct dgraft_driver *driver);

#endif
