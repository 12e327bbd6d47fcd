/* The subcommand of raftctl. */
#ifndef SIM_COMMAND_H
#define SIM_COMMAND_H

/* Takes its own arguments (argv[0] is the command's name, for messages). Returns the exit code: 0 no finding, 1 a
 * finding, 2 misuse. */
int command_sim(int argc, char **argv);

#endif
