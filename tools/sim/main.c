/* dgraft_sim: `raftctl sim` alone, which needs none of the libraries of the rest: what tests/mutants/run builds. */
#include "sim_command.h"

#include <argp.h>

int main(int argc, char **argv)
{
    argp_err_exit_status = 2;
    return command_sim(argc, argv);
}
