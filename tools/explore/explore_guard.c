#include "explore_guard.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf before_step;

static void aborted(int signal_number)
{
    (void)signal_number;
    siglongjmp(before_step, 1);
}

bool explore_guard_step(struct dgraft_core *core, const struct dgraft_event *event, struct dgraft_actions *actions,
                        enum dgraft_status *status)
{
    struct sigaction action = {.sa_handler = aborted};
    struct sigaction former;
    volatile bool whole = false;
    (void)sigaction(SIGABRT, &action, &former);
    if (sigsetjmp(before_step, 1) == 0) {
        *status = dgraft_step(core, event, actions);
        whole = true;
    }
    (void)sigaction(SIGABRT, &former, NULL);
    return whole;
}
