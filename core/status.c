#include <dgraft/status.h>

const char *dgraft_status_name(enum dgraft_status status)
{
    switch (status) {
#define CASE(name, number, text)                                                                                       \
    case DGRAFT_STATUS_##name:                                                                                         \
        return #name;
        DGRAFT_STATUS_TABLE(CASE)
#undef CASE
    case DGRAFT_STATUS_TOTAL:
        break;
    }
    return "?";
}

const char *dgraft_status_text(enum dgraft_status status)
{
    switch (status) {
#define CASE(name, number, text)                                                                                       \
    case DGRAFT_STATUS_##name:                                                                                         \
        return text;
        DGRAFT_STATUS_TABLE(CASE)
#undef CASE
    case DGRAFT_STATUS_TOTAL:
        break;
    }
    return "a status that is none";
}

const char *dgraft_version(void)
{
    return DGRAFT_VERSION;
}
