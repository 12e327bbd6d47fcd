/* The core's one assertion, on in release builds too. It guards what dgraft itself promises; nothing that a peer, a
 * disk or a caller's event says may ever reach it (rule C2).
 */
#ifndef DGRAFT_CORE_CHECK_H
#define DGRAFT_CORE_CHECK_H

#include <stdlib.h>

#define DGRAFT_CORE_ASSERT(condition) ((condition) ? (void)0 : abort())

#endif
