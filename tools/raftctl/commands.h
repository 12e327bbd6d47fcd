/* The subcommands of raftctl. Each takes its own arguments (argv[0] is "raftctl NAME", for messages) and returns the
 * exit code: 0 done and healthy, 1 refused, damaged or unreachable, 2 misuse.
 */
#ifndef RAFTCTL_COMMANDS_H
#define RAFTCTL_COMMANDS_H

int command_format(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_put(int argc, char **argv);
int command_get(int argc, char **argv);
int command_delete(int argc, char **argv);
int command_load(int argc, char **argv);
int command_status(int argc, char **argv);
int command_snapshot(int argc, char **argv);
int command_transfer(int argc, char **argv);
int command_member(int argc, char **argv);
int command_replay(int argc, char **argv);

#endif
