/* The numbers of structs that stand in several others, for the tables flight_events.def and flight_actions.def. */
#ifndef DGRAFT_FLIGHT_PARTS_H
#define DGRAFT_FLIGHT_PARTS_H

#define FLIGHT_SNAPSHOT(part, member)                                                                                  \
    FIELD(part, member.position.index)                                                                                 \
    FIELD(part, member.position.term)                                                                                  \
    FIELD(part, member.size)                                                                                           \
    FIELD(part, member.digest)

/* Every place of `stores`: those that are no member's are part of the core's block, too. */
#define FLIGHT_MEMBERSHIP(part, member)                                                                                \
    FIELD(part, member.index)                                                                                          \
    FIELD(part, member.voters)                                                                                         \
    FIELD(part, member.outgoing)                                                                                       \
    FIELD(part, member.learners)                                                                                       \
    FIELD(part, member.promote)                                                                                        \
    FIELD(part, member.stores[0])                                                                                      \
    FIELD(part, member.stores[1])                                                                                      \
    FIELD(part, member.stores[2])                                                                                      \
    FIELD(part, member.stores[3])                                                                                      \
    FIELD(part, member.stores[4])                                                                                      \
    FIELD(part, member.stores[5])                                                                                      \
    FIELD(part, member.stores[6])                                                                                      \
    FIELD(part, member.stores[7])                                                                                      \
    FIELD(part, member.stores[8])                                                                                      \
    FIELD(part, member.stores[9])                                                                                      \
    FIELD(part, member.stores[10])                                                                                     \
    FIELD(part, member.stores[11])                                                                                     \
    FIELD(part, member.stores[12])                                                                                     \
    FIELD(part, member.stores[13])                                                                                     \
    FIELD(part, member.stores[14])                                                                                     \
    FIELD(part, member.stores[15])

#endif
