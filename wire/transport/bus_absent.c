/* Stands for the bus carrier in builds without nng (DGRAFT_BUS=OFF). */
#include <dgraft/transport.h>

#include <stdio.h>

enum dgraft_status dgraft_bus_open(const struct dgraft_bus_options *options, struct dgraft_transport **out, char *why,
                                   size_t why_bytes)
{
    (void)options;
    *out = NULL;
    (void)snprintf(why, why_bytes, "this program was built without the bus carrier: build it with DGRAFT_BUS=ON");
    return DGRAFT_STATUS_UNSUPPORTED;
}
